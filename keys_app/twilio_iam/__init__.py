"""Twilio's Key resource, v1: make, list, read, change and delete restricted API keys.

Plain Python without Django. `client.TwilioIamClient` is the way in; every call either does what it says or raises
one of the three kinds of `errors.TwilioError`, which say what the caller may do next.
"""
