"""What the portal stores. A key's secret is not among it.

Rules that must hold whoever writes are constraints here or triggers in the migrations; the steps
themselves are in `services`.
"""

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from .domain.guardrails import GuardRails
from .domain.naming import MAX_FRIENDLY_NAME, MAX_NAME, plain_name
from .domain.policy import Difference, Policy
from .domain.risk import Risk
from .domain.states import OPEN_ISSUANCES, IssuanceState, KeyState, RequestState
from .model_parts import GuardRailed, account_sid, choices_of, key_sid, one_of, permission_name

MAX_LIFETIME_DAYS = 365


class Team(GuardRailed):
    name = models.CharField(max_length=80, unique=True)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="TeamMembership", related_name="portal_teams")
    max_lifetime_days = models.PositiveSmallIntegerField(
        default=MAX_LIFETIME_DAYS,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_LIFETIME_DAYS)],
        help_text="The longest lifetime of a key this team may ask for, in days.",
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(max_lifetime_days__range=(1, MAX_LIFETIME_DAYS)),
                name="team_max_lifetime_in_range",
            )
        ]

    def __str__(self) -> str:
        return self.name


class TeamMembership(models.Model):
    """A person in a team; a lead decides the team's requests, never their own."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    is_lead = models.BooleanField("leads the team", default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Account(GuardRailed):
    """A Twilio account and the credential the portal manages its keys with, encrypted."""

    class Environment(models.TextChoices):
        PRODUCTION = "production"
        STAGING = "staging"
        DEVELOPMENT = "development"

    sid = models.CharField(max_length=34, primary_key=True, validators=[account_sid])
    name = models.CharField(max_length=80)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    teams = models.ManyToManyField(Team, related_name="accounts", blank=True)
    max_lifetime_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_LIFETIME_DAYS)],
        help_text="The longest lifetime of a key on this account, in days.",
    )
    is_active = models.BooleanField(
        default=True, help_text="Without it, no new key is asked for or issued on this account."
    )
    credential_user = models.CharField(max_length=34, editable=False)
    credential_ciphertext = models.TextField(editable=False)
    connected_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(credential_ciphertext=""), name="account_has_a_credential"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.environment})"


class KeyRequest(models.Model):
    """What somebody asked for. What was asked never changes; only its state does."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="key_requests")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="key_requests")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="key_requests")
    friendly_name = models.CharField("name", max_length=MAX_NAME)
    purpose = models.TextField(max_length=2000)
    ticket_url = models.URLField("ticket", max_length=500, blank=True)
    lifetime_days = models.PositiveSmallIntegerField()
    policy_json = models.TextField()
    content_digest = models.CharField(max_length=64)
    risk = models.CharField(max_length=10, choices=choices_of(Risk))
    template = models.CharField(max_length=60, blank=True)
    changes_key = models.ForeignKey(
        "ApiKey", null=True, blank=True, on_delete=models.PROTECT, related_name="change_requests"
    )
    state = models.CharField(max_length=10, choices=choices_of(RequestState), default=RequestState.PENDING)
    created_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)
    claim_until = models.DateTimeField(null=True, help_text="When an approval that nobody used lapses.")

    class Meta:
        verbose_name = "key request"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["state", "created_at"], name="request_by_state"),
            models.Index(fields=["requester", "-created_at"], name="request_by_requester"),
            models.Index(fields=["team", "-created_at"], name="request_by_team"),
        ]
        constraints = [
            models.CheckConstraint(condition=one_of("state", RequestState), name="request_state_known"),
            models.CheckConstraint(condition=one_of("risk", Risk), name="request_risk_known"),
            models.CheckConstraint(
                condition=Q(lifetime_days__range=(1, MAX_LIFETIME_DAYS)), name="request_lifetime_in_range"
            ),
            models.CheckConstraint(
                condition=~one_of(
                    "state",
                    (RequestState.APPROVED, RequestState.ISSUING, RequestState.ISSUED, RequestState.FAILED),
                )
                | Q(approved_at__isnull=False),
                name="request_approved_before_issuing",
            ),
        ]

    def __str__(self) -> str:
        return self.friendly_name

    def get_absolute_url(self) -> str:
        return reverse("portal:request_detail", args=[self.pk])

    @property
    def policy(self) -> Policy:
        return Policy.from_json(self.policy_json)

    @property
    def guard_rails(self) -> GuardRails:
        """The limits of the team and of the account together."""
        return self.team.guard_rails | self.account.guard_rails

    @property
    def difference(self) -> Difference | None:
        """What this request adds to and takes from the key it is to change; None for a new key."""
        return self.policy.since(self.changes_key.policy) if self.changes_key else None


class CataloguePermission(models.Model):
    """What an operator knows about a permission: one that the package does not have, or one that Twilio removed."""

    name = models.CharField(max_length=200, primary_key=True, validators=[permission_name])
    meaning = models.CharField(max_length=200, blank=True)
    removed = models.BooleanField(
        default=False, help_text="Nobody can ask for it any more; old requests still show it."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CatalogueObservation(models.Model):
    """What a real account said about a permission when it was checked last."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="observations")
    permission = models.CharField(max_length=200)
    accepted = models.BooleanField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "permission"], name="one_observation_per_permission")]

    def __str__(self) -> str:
        return f"{self.permission} on {self.account_id}"


class Probe(models.Model):
    """A throwaway key of a catalogue check, written before Twilio is asked for it, and never kept.

    `marker` is in the key's name at Twilio, so that a key that was left behind can be found and deleted.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="probes")
    marker = models.CharField(max_length=12, unique=True)
    started_at = models.DateTimeField()
    in_flight_until = models.DateTimeField(help_text="Until then somebody may still wait for Twilio's answer.")
    finished_at = models.DateTimeField(null=True)
    key_sid = models.CharField(max_length=34, blank=True)

    def __str__(self) -> str:
        return f"probe {self.marker} on {self.account_id}"


class Approval(models.Model):
    """One person's decision. A trigger refuses the requester's own (migration 0002)."""

    class Decision(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"

    request = models.ForeignKey(KeyRequest, on_delete=models.PROTECT, related_name="approvals")
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals")
    decision = models.CharField(max_length=10, choices=Decision.choices)
    stage = models.PositiveSmallIntegerField(help_text="1, or 2 for the second approval a critical request needs.")
    content_digest = models.CharField(max_length=64)
    reason = models.TextField(max_length=2000, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["request", "approver"], name="one_decision_per_person"),
            models.UniqueConstraint(
                fields=["request", "stage"], condition=Q(decision="approved"), name="one_approval_per_stage"
            ),
            models.CheckConstraint(condition=Q(decision="approved") | ~Q(reason=""), name="rejection_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.approver}"


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
