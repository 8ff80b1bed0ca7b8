"""Twilio's Key resource, v1: make, list, read, change and delete restricted API keys.

Plain Python without Django. `TwilioIamClient` is the way in; every call either does what it says or raises
one of the three kinds of `TwilioError`, which say what the caller may do next.
"""

from .client import TwilioIamClient
from .errors import NotProcessed, OutcomeUnknown, Rejected, TwilioError
from .model import CreatedKey, KeyDetail, KeySummary

__all__ = [
    "CreatedKey",
    "KeyDetail",
    "KeySummary",
    "NotProcessed",
    "OutcomeUnknown",
    "Rejected",
    "TwilioError",
    "TwilioIamClient",
]
