"""What comparing with Twilio's own list brought to light, and how the comparing itself goes."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.urls import reverse

from keys_app.core.model_fields import choices_of, key_sid
from keys_app.core.times import second
from keys_app.organisation.models import Account, Team
from keys_app.permissions.policy import Policy
from keys_app.permissions.risk import Risk, policy_risk
from keys_app.permissions.seen_policy import NoPolicy

IN_DOUBT = Q(weighed__isnull=False, gone_at=None, adopted_at=None, delete_since=None)
"""Keys that a person has to keep or delete, as `UnmanagedKey.is_in_doubt` says of one."""


class UnmanagedKey(models.Model):
    """A key at Twilio that the portal never made. The portal does not touch it unless a person says so."""

    sid = models.CharField(max_length=34, primary_key=True, validators=[key_sid])
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="unmanaged_keys")
    friendly_name = models.CharField("name at Twilio", max_length=200, blank=True)
    created_at = models.DateTimeField(null=True, help_text="As Twilio says.")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    missing_since = models.DateTimeField(null=True, help_text="When a listing first lacked it.")
    gone_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True, help_text="When its policy was fetched.")
    policy_json = models.TextField(blank=True, help_text="Empty if Twilio shows none that can be read.")
    no_policy = models.CharField(
        max_length=10,
        choices=choices_of(NoPolicy),
        blank=True,
        default="",
        db_default="",
        help_text="What it has instead.",
    )
    proposed_team = models.ForeignKey(Team, null=True, on_delete=models.SET_NULL, related_name="proposed_keys")
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="proposed_keys"
    )
    adopted_at = models.DateTimeField(null=True)
    marker = models.CharField(  # noqa: DJ001 - older entries have none
        max_length=12, null=True, help_text="The marker of an attempt of the portal, in its name."
    )
    weighed = models.JSONField(null=True, help_text="What says that it is that attempt's key, and what does not.")
    delete_since = models.DateTimeField(null=True, help_text="When a person decided that it is deleted.")
    delete_by = models.CharField(max_length=320, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-first_seen", "-sid"]
        indexes = [
            models.Index(fields=["account", "-first_seen"], name="unmanaged_by_account"),
            # One for each order of the list, see `views/lists.py`.
            models.Index(fields=["-first_seen", "-sid"], name="unmanaged_newest"),
            models.Index(fields=["created_at", "sid"], name="unmanaged_oldest"),
            models.Index(Lower("friendly_name"), F("sid"), name="unmanaged_by_name"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(policy_json="") | Q(checked_at__isnull=False), name="policy_was_looked_at"
            ),
        ]

    def __str__(self) -> str:
        return self.sid

    def get_absolute_url(self) -> str:
        return reverse("portal:unmanaged_detail", args=[self.pk])

    @property
    def policy(self) -> Policy | None:
        return Policy.from_json(self.policy_json) if self.policy_json else None

    @property
    def risk(self) -> Risk | None:
        """The risk of what it may do, critical if that is everything or cannot be read; None if no one has looked."""
        if self.policy is not None:
            return policy_risk(self.policy)
        return Risk.CRITICAL if self.checked_at else None

    @property
    def in_place_of_policy(self) -> str:
        """What it has in place of a policy, in words. Before 0.9.5 that was not kept."""
        return NoPolicy(self.no_policy).words if self.no_policy else "No policy that can be read"

    @property
    def is_in_doubt(self) -> bool:
        """Whether it waits for a person to keep or delete it: it may be an attempt's, which nothing proves."""
        return self.weighed is not None and not (self.gone_at or self.adopted_at or self.delete_since)

    @property
    def is_the_portals(self) -> bool:
        """Whether it is the credential that the portal itself manages the account's keys with."""
        return self.sid == self.account.credential_user


class AccountCheck(models.Model):
    """How comparing with an account's list goes."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="check_state")
    last_complete_at = models.DateTimeField(null=True)
    keys_listed = models.PositiveIntegerField(default=0)
    failed_runs = models.PositiveIntegerField(default=0, help_text="How many runs failed in a row.")
    failing_since = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=400, blank=True)

    def __str__(self) -> str:
        return f"check of {self.account_id}"


class ReconcileRun(models.Model):
    """One run of the reconciler. Only the latest are kept; what a run did is in the ledger."""

    started_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True)
    findings = models.JSONField(default=dict)
    found_something = models.BooleanField(default=False)
    error = models.CharField(max_length=400, blank=True)

    words: str  # what it did, set by the page that lists runs

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"run of {second(self.started_at)} UTC"
