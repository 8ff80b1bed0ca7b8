"""Attempts to make a key, and the keys that were made. A secret is in neither."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from ..domain.naming import MAX_FRIENDLY_NAME, plain_name
from ..domain.policy import Policy
from ..domain.states import OPEN_ISSUANCES, IssuanceState, KeyState
from ..model_parts import choices_of, key_sid, one_of
from .people import Account, Team
from .requests import KeyRequest


class Issuance(models.Model):
    """One attempt to make a key at Twilio, written before Twilio is asked.

    `marker` is in the key's name at Twilio, so that a key whose answer was lost can be found and deleted.
    """

    request = models.ForeignKey(KeyRequest, on_delete=models.PROTECT, related_name="issuances")
    number = models.PositiveSmallIntegerField()
    marker = models.CharField(max_length=12, unique=True)
    state = models.CharField(max_length=20, choices=choices_of(IssuanceState), default=IssuanceState.STARTED)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    twilio_code = models.IntegerField(null=True)
    message = models.CharField(max_length=400, blank=True)
    key_sid = models.CharField(max_length=34, blank=True)
    times_not_listed = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["request", "number"]
        constraints = [
            models.UniqueConstraint(fields=["request", "number"], name="issuances_are_numbered"),
            models.UniqueConstraint(
                fields=["request"],
                condition=one_of("state", sorted(OPEN_ISSUANCES)),
                name="one_open_issuance",
            ),
            models.CheckConstraint(condition=one_of("state", IssuanceState), name="issuance_state_known"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.request_id}"


class ApiKey(models.Model):
    """A key the portal made. The row is written when Twilio's answer has been checked."""

    sid = models.CharField(max_length=34, primary_key=True, validators=[key_sid])
    request = models.ForeignKey(KeyRequest, on_delete=models.PROTECT, related_name="keys")
    issuance = models.OneToOneField(Issuance, on_delete=models.PROTECT, related_name="key")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="keys")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="keys")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_keys")
    friendly_name = models.CharField("name at Twilio", max_length=MAX_FRIENDLY_NAME)
    policy_json = models.TextField()
    state = models.CharField(max_length=10, choices=choices_of(KeyState), default=KeyState.ACTIVE)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoke_reason = models.TextField(max_length=2000, blank=True)

    class Meta:
        ordering = ["-issued_at", "-sid"]
        indexes = [
            models.Index(fields=["owner", "-issued_at"], name="key_by_owner"),
            models.Index(fields=["team", "-issued_at"], name="key_by_team"),
            models.Index(fields=["state", "expires_at"], name="key_by_expiry"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["request"], condition=Q(state="active"), name="one_live_key_per_request"),
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

    @property
    def name(self) -> str:
        """The name as it was asked for, without the portal's marker."""
        return plain_name(self.friendly_name)

    @property
    def policy(self) -> Policy:
        return Policy.from_json(self.policy_json)
