"""How users sign in, what admins change about them, and tokens of the audit feed."""
