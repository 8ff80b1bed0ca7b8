"""How a user signs in, what is counted to limit it, and the tokens with which other systems follow the audit."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q


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


class SignIn(models.Model):
    """What the portal knows of how a person signs in. No row: nothing of it ever happened.

    A session remembers how often sessions had been ended when it began; deactivating a user, by whatever code or
    statement, ends them (a trigger, migration 0002).
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="sign_in"
    )
    sessions_ended = models.PositiveIntegerField(default=0)
    password_set_by = models.CharField(
        max_length=400, blank=True, help_text="Who set the password, if somebody else than the user did."
    )
    mail_set_by = models.CharField(
        max_length=400, blank=True, help_text="Who changed the mail address, if somebody else than the user did."
    )

    def __str__(self) -> str:
        return f"sign-in of {self.user_id}"


class LimitedUse(models.Model):
    """One use of something that `limits` limits. `counter` is a keyed hash of what was used and by whom."""

    counter = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)
    noted = models.BooleanField(default=False, help_text="Whether the block it is part of is in the audit.")

    class Meta:
        indexes = [models.Index(fields=["counter", "at"], name="uses_by_counter")]

    def __str__(self) -> str:
        return f"use {self.pk} at {self.at}"


class PasswordReset(models.Model):
    """A link to be mailed: a new password for whoever has this address, or with `invites`, that user's first one.

    Whether an address is anyone's is looked up when it is sent; it is emptied once the mail left, or there was no one.
    """

    address = models.EmailField(blank=True)
    invites = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"password reset {self.pk}"


class Identity(models.Model):
    """Who a user is to the sign-in provider. The subject is known once, whichever issuer it came with.

    So no other issuer, as after a change of the provider, can hand out an account by repeating a subject.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="identity"
    )
    issuer = models.CharField(max_length=255)
    subject = models.CharField(
        max_length=255,
        unique=True,
        help_text="What the provider calls the user for good: “sub”, never a name or mail address.",
    )
    joined_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.CheckConstraint(condition=~Q(issuer="") & ~Q(subject=""), name="identity_has_issuer_and_subject")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} as {self.subject}"

    def rights(self) -> dict[str, object]:
        """Return whose it is, as the ledger tells it."""
        return {"user": self.user.get_username(), "issuer": self.issuer, "subject_there": self.subject}


class EmergencyLink(models.Model):
    """A link that signs one user in once, for the time the provider is gone. Only its hash is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"emergency link {self.pk}"
