"""What Security works with beside the ledger: access reviews, and tokens for systems that follow the audit."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from ..domain.request_rules import MAX_REASON
from .keys import ApiKey
from .people import Team


class AccessReview(models.Model):
    """A quarter's question to every team lead: whether each live key still has to be there."""

    quarter = models.CharField(max_length=7, unique=True, help_text="For example 2026-Q4.")
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                models.ExpressionWrapper(Q(closed_at__isnull=True), output_field=models.BooleanField()),
                condition=Q(closed_at__isnull=True),
                name="one_open_review",
            )
        ]

    def __str__(self) -> str:
        return self.quarter

    def get_absolute_url(self) -> str:
        return reverse("portal:review_detail", args=[self.quarter])


class ReviewedKey(models.Model):
    """One key that was live when the review was opened, and what was decided about it, if anything."""

    class Decision(models.TextChoices):
        KEPT = "kept"
        REVOKED = "revoked"

    review = models.ForeignKey(AccessReview, on_delete=models.PROTECT, related_name="reviewed_keys")
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="reviews")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    note = models.TextField(max_length=MAX_REASON, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)

    # Set by the page that lists the keys: why this one can't be decided, and what was typed for it and is wrong.
    why_not: str
    typed: str
    error: str

    class Meta:
        ordering = ["team__name", "key__owner__username", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["review", "key"], name="one_review_of_a_key_at_a_time"),
            models.CheckConstraint(
                condition=Q(decision="", decided_by__isnull=True, decided_at__isnull=True)
                | (Q(decision__in=("kept", "revoked"), decided_by__isnull=False, decided_at__isnull=False)),
                name="review_decision_has_a_person",
            ),
            models.CheckConstraint(condition=~Q(decision="revoked") | ~Q(note=""), name="review_revoked_with_a_note"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} in {self.review_id}"


class FeedToken(models.Model):
    """The right of another system to follow the audit, for a time. Only the token's hash is kept."""

    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    warned_at = models.DateTimeField(null=True, help_text="When Security was told that it expires.")
    revoked_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=80, blank=True, help_text="Why it ended, if no one pressed Revoke.")
    last_used_at = models.DateTimeField(null=True)
    last_recorded_at = models.DateTimeField(null=True, help_text="When a read was put into the audit last.")

    class Meta:
        ordering = ["revoked_at", "name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="feed_expires_after_it_was_created"
            )
        ]

    def __str__(self) -> str:
        return self.name


class PushPosition(models.Model):
    """How far the audit was pushed to one place: everything up to and with `sequence` was taken there."""

    target = models.CharField(max_length=64, primary_key=True, help_text="The SHA-256 of its address.")
    sequence = models.BigIntegerField(default=0)
    moved_at = models.DateTimeField(null=True)
    holder = models.UUIDField(null=True, help_text="Which process pushes.")
    held_until = models.DateTimeField(null=True, help_text="Then another process may go on, should that one be dead.")

    def __str__(self) -> str:
        return f"pushed up to {self.sequence}"
