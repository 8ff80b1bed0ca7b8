"""Which keys a person may see, change and revoke."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from django.conf import settings
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from keys_app.core.present import present
from keys_app.core.times import duration, moment
from keys_app.key_requests.approvals_today import approvals_today
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.access import Person
from keys_app.organisation.models import TeamMembership

from .models import ApiKey, risk_of_key
from .states import KeyState

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


LIVE_KEYS = (KeyState.ACTIVE, KeyState.REVOKING)
SOON = timedelta(days=14)
"""A key that expires within this time is listed as expiring."""

OWNER_LEFT = Q(owner__is_active=False) | ~Exists(
    TeamMembership.objects.filter(team=OuterRef("team"), user=OuterRef("owner"))
)
"""Keys whose owner was deactivated, or is no longer in the key's team."""


class KeyNotes(TypedDict):
    """What `visible_keys` says of each key besides its columns."""

    owner_left: bool


def visible_keys(who: Person) -> "QuerySet[WithAnnotations[ApiKey, KeyNotes]]":
    """Return the keys this person may see, by the same rule as requests. Each says with `owner_left` if so."""
    made = ApiKey.objects.select_related("owner", "team", "account", "request__team", "request__account", "issuance")
    keys = made.annotate(owner_left=Case(When(OWNER_LEFT, then=True), default=False))
    if who.is_security:
        return keys
    return keys.filter(Q(owner=who.user) | Q(team__in=who.led_team_ids))


def revocable_keys(who: Person) -> "QuerySet[WithAnnotations[ApiKey, KeyNotes]]":
    """Return the active keys among `visible_keys` for which `can_revoke` holds."""
    keys = visible_keys(who).filter(state=KeyState.ACTIVE)
    return keys if who.is_security else keys.filter(Q(owner=who.user) | Q(team__in=who.led_team_ids))


def can_revoke(who: Person, key: ApiKey) -> bool:
    """Tell whether this person may revoke a key: its owner, who leads its team, or Security."""
    return key.owner_id == who.user.pk or key.team_id in who.led_team_ids or who.is_security


def keys_held(key_request: KeyRequest) -> QuerySet[ApiKey]:
    """Return what the requester and the team of a request already hold on its account."""
    theirs = Q(team=key_request.team_id) | Q(owner=key_request.requester_id)
    live = ApiKey.objects.filter(theirs, account=key_request.account_id, state__in=LIVE_KEYS)
    return live.select_related("owner", "team").order_by("-issued_at")


STATES = {
    "live": "Live",
    "expiring": f"Expiring in {duration(SOON)}",
    "unconfirmed": "Never confirmed",
    "changed": "Different at Twilio",
    "revoking": "Revoking",
    "revoked": "Revoked",
}
"""What `in_state` knows, as lists offer it."""


def in_state(state: str) -> Q:
    """Return the condition that a key is in one of `STATES`."""
    match state:
        case "live":
            return Q(state__in=LIVE_KEYS)
        case "expiring":
            return ends_before(timezone.now() + SOON)
        case "unconfirmed":
            return never_confirmed()
        case "changed":
            return Q(state=KeyState.ACTIVE) & ~Q(drift_json="")
    return Q(state=state)


def ends_before(end: datetime) -> Q:
    """Return the condition that a key is active and expires before a moment, or should have."""
    return Q(state=KeyState.ACTIVE, expires_at__lt=end)


def never_confirmed() -> Q:
    """Return the condition that no one said in time that an active key is stored; no one can of an adopted one."""
    before = timezone.now() - settings.CONFIRM_WITHIN
    return Q(state=KeyState.ACTIVE, confirmed_at=None, adopted_at=None, issued_at__lt=before)


def has_word(word: str, path: str = "") -> Q:
    """Return the condition that a key has a word in its name at Twilio, its SID or its owner's name or login.

    `path` leads to the key from what is looked at.
    """
    columns = ("friendly_name", "sid", "owner__username", "owner__first_name", "owner__last_name")
    return Q(*((f"{path}{column}__icontains", word) for column in columns), _connector=Q.OR)


def has_risk(risk: str) -> Q:
    """Return the condition that a key has a risk: that of its request; an adopted one's as rated today.

    The policies of adopted keys are few, and each is read once.
    """
    adopted = Q(request=None)
    policies = ApiKey.objects.filter(adopted).order_by().values_list("policy_json", flat=True).distinct()
    rated = [policy for policy in policies if risk_of_key(policy) == risk]
    return Q(request__risk=risk) | (adopted & Q(policy_json__in=rated))


def successor_of(key: ApiKey) -> ApiKey | None:
    """Return the key that a rotation put in this one's place."""
    return ApiKey.objects.filter(issuance__rotates=key).first() if key.retires_at else None


def left_keys(who: Person) -> "QuerySet[WithAnnotations[ApiKey, KeyNotes]]":
    """Return the live keys of people who left, of the teams this person leads; all for Security."""
    left = ApiKey.objects.filter(OWNER_LEFT, state=KeyState.ACTIVE).select_related("owner", "team", "account")
    keys = left.annotate(owner_left=Value(True))
    return keys if who.is_security else keys.filter(team__in=who.led_team_ids)


def can_take_over(who: Person, key: "WithAnnotations[ApiKey, KeyNotes]") -> bool:
    """Tell whether this person may become the owner of one of `visible_keys`: a lead of its team, if its owner left."""
    return key.state == KeyState.ACTIVE and key.owner_left and key.team_id in who.own_led_team_ids


def doubts_about(who: Person, key: ApiKey) -> tuple[str, ...]:
    """Return what of a live key's approval is not as it was, in sentences, for a lead of the team or Security."""
    overseen = key.team_id in who.led_team_ids or who.is_security
    if not overseen or key.request is None or key.state != KeyState.ACTIVE:
        return ()
    return approvals_today(key.request).reasons


def why_not_active(key: ApiKey) -> str:
    """Return what became of a key that is no longer active; empty if it is."""
    if key.state == KeyState.REVOKED:
        return f"This key is revoked, since {moment(present(key.revoked_at))}: “{key.revoke_reason}”"
    if key.state == KeyState.REVOKING:
        return f"This key is revoking: “{key.revoke_reason}” The portal keeps retrying until Twilio has deleted it."
    return ""
