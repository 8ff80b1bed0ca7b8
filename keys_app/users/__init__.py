"""How users sign in, how often they may do what, what admins change about them, and tokens of the audit feed."""
