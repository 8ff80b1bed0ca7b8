"""The keys the portal issued or adopted. A secret is not among what is kept."""

import json
from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from keys_app.core.model_fields import choices_of, key_sid, one_of, rank_of
from keys_app.core.text import MAX_REASON
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.organisation.models import Account, Team
from keys_app.permissions.naming import MAX_FRIENDLY_NAME, plain_name
from keys_app.permissions.policy import Policy
from keys_app.permissions.risk import Risk, policy_risk
from keys_app.permissions.seen_policy import NoPolicy, stands_for_no_policy

from .states import KeyState


@lru_cache(maxsize=1024)
def risk_of_key(policy_json: str) -> Risk:
    """Return the risk of a key with this policy, as rated today; critical without one: it may do nearly everything.

    Critical too where what is stored is no policy: no one knows what such a key may do, and a list must still show it.
    """
    try:
        return policy_risk(Policy.from_json(policy_json)) if policy_json else Risk.CRITICAL
    except ValueError:
        return Risk.CRITICAL


STATE_RANK = rank_of("state", [KeyState.ACTIVE, KeyState.REVOKING])
"""0 for what works, 1 for what is on its way out, 2 for what is gone."""


class ApiKey(models.Model):
    """A key the portal made, or one it found and somebody took responsibility for.

    The row of a made key is written when Twilio's answer has been checked. An adopted key has neither request
    nor issuance, and its secret was never here. A key that a rotation has replaced retires at `retires_at`.
    """

    sid = models.CharField(max_length=34, primary_key=True, validators=[key_sid])
    request = models.ForeignKey(KeyRequest, null=True, on_delete=models.PROTECT, related_name="keys")
    issuance = models.OneToOneField(Issuance, null=True, on_delete=models.PROTECT, related_name="key")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="keys")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="keys")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_keys")
    friendly_name = models.CharField("name at Twilio", max_length=MAX_FRIENDLY_NAME)
    policy_json = models.TextField(blank=True, help_text="Empty for an adopted key that Twilio shows no policy of.")
    state = models.CharField(max_length=10, choices=choices_of(KeyState), default=KeyState.ACTIVE)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    retires_at = models.DateTimeField(null=True, help_text="When the overlap with the key that replaced it ends.")
    adopted_at = models.DateTimeField(null=True)
    revoking_since = models.DateTimeField(null=True, help_text="When its deletion was last decided.")
    revoked_at = models.DateTimeField(null=True)
    revoke_reason = models.TextField(max_length=MAX_REASON, blank=True)
    reminded_days = models.PositiveSmallIntegerField(null=True, help_text="The last reminder: days before expiry.")
    checked_at = models.DateTimeField(null=True, help_text="When its policy at Twilio was compared last.")
    drift_json = models.TextField(blank=True, help_text="What differs at Twilio; empty if nothing does.")
    twilio_updated_at = models.DateTimeField(null=True, help_text="When it was last changed, as Twilio said then.")
    missing_since = models.DateTimeField(null=True, help_text="When Twilio first answered that it is not there.")
    handover_by = models.DateTimeField(null=True, help_text="Its owner left: until then a lead can take it over.")
    handover_warned_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-issued_at", "-sid"]
        indexes = [
            models.Index(fields=["owner", "-issued_at"], name="key_by_owner"),
            models.Index(fields=["team", "-issued_at"], name="key_by_team"),
            models.Index(fields=["state", "expires_at"], name="key_by_expiry"),
            # One for each order of the lists of keys, see `views/lists.py`.
            models.Index(fields=["-issued_at", "-sid"], name="key_newest"),
            models.Index(STATE_RANK, F("expires_at"), F("sid"), name="key_ending_soonest"),
            models.Index(Lower("friendly_name"), F("sid"), name="key_by_name"),
            models.Index(fields=["state", "handover_by", "sid"], name="key_by_handover"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["request"],
                condition=Q(state="active", retires_at__isnull=True),
                name="one_live_key_per_request",
            ),
            models.CheckConstraint(
                condition=Q(request__isnull=False, issuance__isnull=False, adopted_at__isnull=True)
                | Q(request__isnull=True, issuance__isnull=True, adopted_at__isnull=False, retires_at__isnull=True),
                name="key_is_made_or_adopted",
            ),
            models.CheckConstraint(
                condition=~Q(policy_json="") | Q(request__isnull=True), name="made_key_has_a_policy"
            ),
            models.CheckConstraint(condition=one_of("state", KeyState), name="key_state_known"),
            models.CheckConstraint(
                condition=Q(state="revoked", revoked_at__isnull=False)
                | (~Q(state="revoked") & Q(revoked_at__isnull=True)),
                name="key_revoked_at_matches_state",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("issued_at")), name="key_expires_after_issue"),
        ]

    def __str__(self) -> str:
        return self.sid

    def get_absolute_url(self) -> str:
        return reverse("portal:key_detail", args=[self.pk])

    @classmethod
    def changeable_by(cls, user: AbstractBaseUser) -> models.QuerySet["ApiKey"]:
        """Return the live keys this user may ask a change of: their own."""
        made = cls.objects.filter(owner=user, state=KeyState.ACTIVE, retires_at=None, request__isnull=False)
        return made.select_related("account", "request")

    @property
    def name(self) -> str:
        """The name as it was asked for, without the portal's marker."""
        return plain_name(self.friendly_name)

    @property
    def policy(self) -> Policy:
        """What the key may do; empty for an adopted key without a policy, which may do nearly everything."""
        return Policy.from_json(self.policy_json) if self.policy_json else Policy(())

    @property
    def risk(self) -> Risk:
        """How much harm it could do with the policy the portal knows of."""
        return risk_of_key(self.policy_json)

    @property
    def drift(self) -> dict[str, object]:
        """What is different at Twilio: `added`, `removed`, `policy` (one of `NoPolicy`) and `name`, where so."""
        return json.loads(self.drift_json) if self.drift_json else {}

    @property
    def is_unreadable(self) -> bool:
        """Whether what it may do at Twilio is not known: the portal cannot read the policy there."""
        return stands_for_no_policy(self.drift) is NoPolicy.UNREADABLE

    @property
    def is_standard(self) -> bool:
        """Whether it is a Standard key at Twilio, with full access: it became one, or was adopted as one."""
        seen = stands_for_no_policy(self.drift)
        return seen is NoPolicy.STANDARD or not (self.policy_json or self.drift.keys() & {"policy", "added", "removed"})

    @property
    def is_changed(self) -> bool:
        """Whether it is known to be different at Twilio, not only unreadable."""
        return bool(self.drift) and not (self.is_unreadable and self.drift.keys() == {"policy"})

    @property
    def ends_at(self) -> datetime:
        """When the portal deletes it: at the end of its overlap with a newer key, or when it expires."""
        return min(self.retires_at, self.expires_at) if self.retires_at else self.expires_at

    @property
    def is_overdue(self) -> bool:
        """Whether it is still there though it should be deleted by now."""
        return self.state == KeyState.ACTIVE and self.ends_at <= timezone.now()

    @property
    def awaits_confirmation(self) -> bool:
        """Whether nobody said yet that the secret is stored. Nobody can say so of an adopted key."""
        return self.state == KeyState.ACTIVE and not (self.confirmed_at or self.adopted_at)
