"""What security staff look at: live keys, decisions, everything about one key or user, access reviews, downloads."""
