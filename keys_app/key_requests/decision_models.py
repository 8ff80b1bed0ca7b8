"""What was decided about a request, by whom and in whose right, and what people said about it."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from keys_app.core.text import MAX_COMMENT, MAX_REASON, ordinal
from keys_app.organisation.models import MAX_LIFETIME_DAYS, ONE_NAME, Account, Team
from keys_app.permissions.policy import Difference, Policy

from .models import KeyRequest


class Approvals(models.QuerySet["Approval"]):
    """Decisions on requests."""

    def standing(self) -> "Approvals":
        """Return the approvals that nobody withdrew and that were not found void."""
        return self.filter(decision=Approval.Decision.APPROVED, void_at=None)


class Approval(models.Model):
    """One decision: a person's, or an operator's rule's. A trigger refuses the requester's own (migration 0002).

    `authority` is whose right it was: the approver's own, or that of the lead a deputy stands in for. A lead
    and their deputy are one voice. An approval that no longer counts stays as it was given, with since when and
    why: `void_by` withdrew it, or, with nobody there, the portal found that it no longer holds. Whoever gave it can
    decide again.
    """

    class Decision(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"
        REVIEWED = "reviewed"

    class Capacity(models.TextChoices):
        LEAD = "lead"
        DEPUTY = "deputy"
        SECURITY = "security"
        RULE = "rule"

    request = models.ForeignKey(KeyRequest, on_delete=models.PROTECT, related_name="approvals")
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="approvals"
    )
    authority = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    capacity = models.CharField(max_length=10, choices=Capacity.choices, default=Capacity.LEAD)
    rule_name = models.CharField(max_length=80, blank=True)
    decision = models.CharField(max_length=10, choices=Decision.choices)
    stage = models.PositiveSmallIntegerField(help_text="Which of the approvals a request needs this is, from 1.")
    content_digest = models.CharField(max_length=64)
    reason = models.TextField(max_length=MAX_REASON, blank=True)
    created_at = models.DateTimeField()
    void_at = models.DateTimeField(null=True)
    void_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    void_reason = models.TextField(blank=True, default="", db_default="")

    key_sids: list[str]  # the keys issued for its request, set by the page that lists decisions

    objects = Approvals.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [
            # Of the report on decisions, see `views/lists.py`.
            models.Index(fields=["created_at", "id"], name="approval_by_time"),
            models.Index(fields=["-decision", "-created_at", "-id"], name="approval_by_decision"),
            # Of what is asked for each request of a list. SQLite took the one above, and read every approval for each.
            models.Index(fields=["request", "decision", "void_at"], name="approval_of_request"),
            models.Index(fields=["rule_name"], name="approval_by_rule", condition=~Q(rule_name="")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "approver"],
                condition=Q(decision__in=("approved", "rejected"), void_at=None),
                name="one_decision_per_person",
            ),
            models.UniqueConstraint(
                fields=["request", "stage"],
                condition=Q(decision="approved", void_at=None),
                name="one_approval_per_stage",
            ),
            models.UniqueConstraint(
                fields=["request", "authority"],
                condition=Q(decision="approved", void_at=None),
                name="one_approval_per_authority",
            ),
            models.UniqueConstraint(fields=["request"], condition=Q(decision="reviewed"), name="one_review"),
            models.CheckConstraint(condition=Q(decision="approved") | ~Q(reason=""), name="rejection_has_a_reason"),
            models.CheckConstraint(
                condition=Q(rule_name="", approver__isnull=False)
                | (~Q(rule_name="") & Q(approver__isnull=True, capacity="rule", decision="approved")),
                name="decided_by_a_person_or_a_rule",
            ),
            models.CheckConstraint(
                condition=Q(void_at=None, void_by=None, void_reason="")
                | (Q(void_at__isnull=False, decision="approved") & ~Q(void_reason="")),
                name="void_approval_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.approver or self.rule_name}"

    @property
    def stands(self) -> bool:
        """Whether it is one of `Approvals.standing`."""
        return self.decision == self.Decision.APPROVED and self.void_at is None

    @property
    def ordinal(self) -> str:
        """Which of several approvals this is, in words; empty for the first, and for other decisions."""
        return ordinal(self.stage) if self.decision == self.Decision.APPROVED and self.stage > 1 else ""


class Narrowing(models.Model):
    """An approver took something away from a request. Triggers refuse one that would widen it."""

    request = models.ForeignKey(KeyRequest, on_delete=models.PROTECT, related_name="narrowings")
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    from_policy_json = models.TextField()
    to_policy_json = models.TextField()
    from_lifetime_days = models.PositiveSmallIntegerField()
    to_lifetime_days = models.PositiveSmallIntegerField()
    from_digest = models.CharField(max_length=64)
    to_digest = models.CharField(max_length=64)
    reason = models.TextField(max_length=MAX_REASON)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["request", "from_digest"], name="narrowed_once_from_the_same"),
            models.CheckConstraint(condition=~Q(from_digest=F("to_digest")), name="narrowing_changes_something"),
            models.CheckConstraint(
                condition=Q(to_lifetime_days__lte=F("from_lifetime_days"), to_lifetime_days__gte=1),
                name="narrowing_does_not_lengthen",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="narrowing_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"narrowing of {self.request_id}"

    @property
    def difference(self) -> Difference:
        return Policy.from_json(self.to_policy_json).since(Policy.from_json(self.from_policy_json))

    @property
    def shortens(self) -> bool:
        return self.to_lifetime_days < self.from_lifetime_days


class Comment(models.Model):
    """A question about a request, or an answer to one."""

    request = models.ForeignKey(KeyRequest, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=MAX_COMMENT)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return f"{self.author} on {self.request_id}"


class ApprovalRule(models.Model):
    """An operator's rule that approves a low-risk request by itself."""

    name = models.CharField(max_length=80, unique=True, help_text="The ledger names the rule by this.")
    template = models.CharField(
        "task", max_length=60, help_text="Only requests that ask for nothing beyond this task are approved."
    )
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="Empty: every team."
    )
    environment = models.CharField(max_length=20, choices=Account.Environment.choices)
    max_lifetime_days = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_LIFETIME_DAYS)],
        help_text="The longest lifetime this rule approves, in days.",
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="one_rule_of_a_name", violation_error_message=ONE_NAME)
        ]

    def __str__(self) -> str:
        return self.name
