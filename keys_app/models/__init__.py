"""What the portal stores. A key's secret is not among it.

Rules that must hold whoever writes are constraints here or triggers in the migrations; the steps
themselves are in `services`.
"""

from .auditing import AccessReview, FeedToken, PushPosition, ReviewedKey
from .catalogue import CatalogueObservation, CataloguePermission, Probe
from .keys import ApiKey, Issuance
from .people import MAX_LIFETIME_DAYS, Account, Team, TeamMembership
from .repeats import Repeat
from .requests import Approval, KeyRequest

__all__ = [
    "AccessReview",
    "Account",
    "ApiKey",
    "Approval",
    "CatalogueObservation",
    "CataloguePermission",
    "FeedToken",
    "Issuance",
    "KeyRequest",
    "MAX_LIFETIME_DAYS",
    "Probe",
    "PushPosition",
    "Repeat",
    "ReviewedKey",
    "Team",
    "TeamMembership",
]
