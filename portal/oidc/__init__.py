"""Signing in at the company's own provider, with OpenID Connect: what the sign-in library lacks for it."""
