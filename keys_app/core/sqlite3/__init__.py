"""Django's SQLite backend, whose new files no other user of the machine can read: `base.py`."""
