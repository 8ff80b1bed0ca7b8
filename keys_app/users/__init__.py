"""How users sign in, their sessions, factors and invitations, how often they may do what, and tokens of the feed."""
