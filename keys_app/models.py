"""Every model by its name, for Django and for scripts. The product's own code imports a model from its feature."""

from keys_app.audit.models import Installation, PushPosition, Repeat, SetBack
from keys_app.catalogue.models import CatalogueObservation, CataloguePermission, Probe
from keys_app.connections.models import Connection
from keys_app.key_requests.decision_models import Approval, ApprovalRule, Comment, Narrowing
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.notifications.models import Heartbeat, NoticeKey, NoticeRecipient, Trouble, Webhook, WebhookDelivery
from keys_app.organisation.models import (
    MAX_LIFETIME_DAYS,
    Account,
    Delegation,
    Draft,
    ProviderGroup,
    ProviderRight,
    SentForm,
    Team,
    TeamMembership,
)
from keys_app.reconcile.models import AccountCheck, ReconcileRun, UnmanagedKey
from keys_app.reports.models import AccessReview, ReviewedKey
from keys_app.users.models import EmergencyLink, FeedToken, Identity, LimitedUse, PasswordReset, SignIn

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
    "Connection",
    "Delegation",
    "Draft",
    "EmergencyLink",
    "FeedToken",
    "Heartbeat",
    "Identity",
    "Installation",
    "Issuance",
    "KeyRequest",
    "LimitedUse",
    "Narrowing",
    "NoticeKey",
    "NoticeRecipient",
    "PasswordReset",
    "Probe",
    "ProviderGroup",
    "ProviderRight",
    "PushPosition",
    "ReconcileRun",
    "Repeat",
    "ReviewedKey",
    "SentForm",
    "SetBack",
    "SignIn",
    "Team",
    "TeamMembership",
    "Trouble",
    "UnmanagedKey",
    "Webhook",
    "WebhookDelivery",
]
