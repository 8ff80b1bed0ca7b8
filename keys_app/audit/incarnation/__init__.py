"""Which life of the database this is: a backup that was put back, or a standby that lags, is another one."""
