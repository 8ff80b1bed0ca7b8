"""What the portal stores. A key's secret is not among it.

Rules that must hold whoever writes are constraints here or triggers in the migrations; the steps
themselves are in `services`.
"""

from .auditing import AccessReview, FeedToken, PushPosition, ReviewedKey
from .catalogue import CatalogueObservation, CataloguePermission, Probe
from .decisions import Approval, ApprovalRule, Comment, Delegation, Narrowing
from .inventory import AccountCheck, ReconcileRun, UnmanagedKey
from .keys import ApiKey, Issuance
from .notices import NoticeKey, Webhook, WebhookDelivery
from .people import MAX_LIFETIME_DAYS, Account, SignIn, Team, TeamMembership
from .repeats import Repeat
from .requests import KeyRequest

__all__ = [
    "MAX_LIFETIME_DAYS",
    "AccessReview",
    "Account",
    "AccountCheck",
    "ApiKey",
    "Approval",
    "ApprovalRule",
    "CatalogueObservation",
    "CataloguePermission",
    "Comment",
    "Delegation",
    "FeedToken",
    "Issuance",
    "KeyRequest",
    "Narrowing",
    "NoticeKey",
    "Probe",
    "PushPosition",
    "ReconcileRun",
    "Repeat",
    "ReviewedKey",
    "SignIn",
    "Team",
    "TeamMembership",
    "UnmanagedKey",
    "Webhook",
    "WebhookDelivery",
]
