"""Connecting Twilio accounts: a credential is proved before it is trusted, and what proving it leaves is cleaned up."""
