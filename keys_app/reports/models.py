"""Access reviews: each quarter, every lead says which live keys still have to be there."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from keys_app.core.text import MAX_REASON
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Team


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

    # Set by the page that lists the keys: why this one can't be decided, which decision it shows, what was typed and
    # chosen for it and isn't recorded, and what is wrong with that.
    why_not: str
    mark: str
    typed: str
    chosen: str
    error: str
    is_recorded: bool

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
