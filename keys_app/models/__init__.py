"""What the portal stores. A key's secret is not among it.

Rules that must hold whoever writes are constraints here or triggers in the migrations; the steps
themselves are in `services`.
"""

from .catalogue import CatalogueObservation, CataloguePermission, Probe
from .inventory import AccountCheck, ReconcileRun, UnmanagedKey
from .keys import ApiKey, Issuance
from .people import MAX_LIFETIME_DAYS, Account, Team, TeamMembership
from .requests import Approval, KeyRequest

__all__ = [
    "Account",
    "AccountCheck",
    "ApiKey",
    "Approval",
    "CatalogueObservation",
    "CataloguePermission",
    "Issuance",
    "KeyRequest",
    "MAX_LIFETIME_DAYS",
    "Probe",
    "ReconcileRun",
    "Team",
    "TeamMembership",
    "UnmanagedKey",
]
