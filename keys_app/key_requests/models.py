"""Requests for a key, and the attempts to issue it. A secret is in neither."""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse

from keys_app.core.model_fields import choices_of, one_of, rank_of
from keys_app.organisation.models import MAX_LIFETIME_DAYS, Account, Team
from keys_app.permissions.guardrails import GuardRails
from keys_app.permissions.naming import MAX_NAME
from keys_app.permissions.policy import Difference, Policy
from keys_app.permissions.risk import Risk, higher_risk, policy_risk

from .content_digest import content_digest
from .states import GRANTED, OPEN_ISSUANCES, IssuanceState, RequestState
from .validation import MAX_INCIDENT, MAX_PURPOSE, MAX_TASK, MAX_TICKET

PENDING_SINCE = Coalesce("reopened_at", "created_at")
"""`KeyRequest.pending_since` as the database knows it."""
RISK_RANK = rank_of("risk", Risk)
PENDING_RANK = rank_of("state", [RequestState.PENDING])
"""0 for what waits for a decision, 1 for everything else."""


class KeyRequest(models.Model):
    """What somebody asked for. Its policy and lifetime can only be narrowed, each time with a `Narrowing` row.

    With an `incident` it is a break-glass request: nobody approves it beforehand, and it is reviewed afterwards. But
    with `security_alone` it was sent while an earlier break-glass key of the requester was not reviewed: Security alone
    decides it before there is a key.
    `reopened_at` is when it last went back to pending: an approval was withdrawn or no longer holds, or break-glass
    access does not. From then on nothing but people's approvals grants it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="key_requests")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="key_requests")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="key_requests")
    friendly_name = models.CharField("name", max_length=MAX_NAME)
    purpose = models.TextField(max_length=MAX_PURPOSE)
    ticket_url = models.URLField("ticket", max_length=MAX_TICKET, blank=True)
    lifetime_days = models.PositiveSmallIntegerField()
    policy_json = models.TextField()
    content_digest = models.CharField(max_length=64)
    risk = models.CharField(max_length=10, choices=choices_of(Risk))
    leads_required = models.PositiveSmallIntegerField(default=1)
    incident = models.CharField("incident number", max_length=MAX_INCIDENT, blank=True)
    security_alone = models.BooleanField(default=False, db_default=False)
    template = models.CharField(max_length=MAX_TASK, blank=True)
    changes_key = models.ForeignKey(
        "ApiKey", null=True, blank=True, on_delete=models.PROTECT, related_name="change_requests"
    )
    state = models.CharField(max_length=10, choices=choices_of(RequestState), default=RequestState.PENDING)
    created_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)
    claim_until = models.DateTimeField(null=True, help_text="When an approval that nobody used lapses.")
    reopened_at = models.DateTimeField(null=True)
    reopened_reason = models.TextField(blank=True, default="", db_default="")

    class Meta:
        verbose_name = "key request"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["state", "created_at"], name="request_by_state"),
            models.Index(fields=["requester", "-created_at"], name="request_by_requester"),
            models.Index(fields=["team", "-created_at"], name="request_by_team"),
            # One for each order of the list of requests, see `views/lists.py`.
            models.Index(fields=["-created_at", "-id"], name="request_newest"),
            models.Index(PENDING_RANK, PENDING_SINCE, F("id"), name="request_waiting"),
            models.Index(RISK_RANK.desc(), F("created_at").desc(), F("id").desc(), name="request_riskiest"),
        ]
        constraints = [
            models.CheckConstraint(condition=one_of("state", RequestState), name="request_state_known"),
            models.CheckConstraint(condition=one_of("risk", Risk), name="request_risk_known"),
            models.CheckConstraint(
                condition=Q(lifetime_days__range=(1, MAX_LIFETIME_DAYS)), name="request_lifetime_in_range"
            ),
            models.CheckConstraint(
                condition=~one_of("state", GRANTED) | Q(approved_at__isnull=False),
                name="request_approved_before_issuing",
            ),
            models.CheckConstraint(
                condition=Q(incident="") | Q(lifetime_days=1), name="break_glass_key_lives_a_day_at_most"
            ),
            models.CheckConstraint(
                condition=Q(reopened_at=None, reopened_reason="")
                | (Q(reopened_at__isnull=False) & ~Q(reopened_reason="")),
                name="reopened_with_a_reason",
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
    def rated_risk(self) -> Risk:
        """The risk as rated today; never less than when it was sent or narrowed."""
        return higher_risk(self.risk, policy_risk(self.policy))

    @property
    def pending_since(self) -> datetime:
        """Since when the approvers have had it: its time to lapse begins anew when it goes back to them."""
        return self.reopened_at or self.created_at

    @property
    def is_break_glass(self) -> bool:
        return bool(self.incident) and not self.security_alone

    @property
    def needs_no_approval(self) -> bool:
        """Tell whether break-glass access alone grants it."""
        return self.is_break_glass and self.reopened_at is None

    @property
    def needs_review(self) -> bool:
        """Tell whether glass was broken and nobody has looked at it yet."""
        return self.is_break_glass and not self.approvals.filter(decision="reviewed").exists()

    @property
    def guard_rails(self) -> GuardRails:
        """The limits of the team and of the account together."""
        return self.team.guard_rails | self.account.guard_rails

    @property
    def broken_guard_rails(self) -> tuple[str, ...]:
        """Which of today's limits it breaks, in sentences."""
        return self.guard_rails.problems(self.policy, self.lifetime_days)

    @property
    def current_digest(self) -> str:
        """The digest of what it asks for now; `content_digest` is that of what was sent or narrowed."""
        return content_digest(
            account_sid=self.account_id,
            friendly_name=self.friendly_name,
            lifetime_days=self.lifetime_days,
            policy=self.policy,
        )

    @property
    def difference(self) -> Difference | None:
        """What this request adds to and takes from the key it is to change; None for a new key."""
        return self.policy.since(self.changes_key.policy) if self.changes_key else None


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
    orphan_sid = models.CharField(
        max_length=34,
        blank=True,
        help_text="The key found at Twilio whose secret is lost, until its deletion is recorded.",
    )
    times_not_listed = models.PositiveSmallIntegerField(default=0)
    incarnation = models.CharField(  # noqa: DJ001 - older attempts have none
        max_length=32, null=True, help_text="Which incarnation of the database it began on."
    )
    rotates = models.ForeignKey(
        "ApiKey",
        null=True,
        on_delete=models.PROTECT,
        related_name="rotations",
        help_text="The key that the new one is to take over from.",
    )
    overlap_hours = models.PositiveSmallIntegerField(null=True, help_text="How long that key is kept afterwards.")

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
            models.CheckConstraint(
                condition=Q(rotates__isnull=True, overlap_hours__isnull=True)
                | Q(rotates__isnull=False, overlap_hours__isnull=False),
                name="rotation_has_an_overlap",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.request_id}"
