"""How Django writes moments where nothing else is said, as in the admin. By locale, as it wants them."""
