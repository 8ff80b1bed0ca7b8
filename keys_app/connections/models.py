"""An attempt to connect an account, written before Twilio is asked for anything."""

from django.db import models
from django.db.models import Q

from keys_app.core.model_fields import account_sid, choices_of, one_of
from keys_app.permissions.policy import Policy

from .outcomes import ConnectionOutcome

CHECKED_WITH = Policy.of(["/twilio/messaging/messages/list"])
"""What the throwaway key may do: outside IAM, to show whether a key may grant what it does not have (70152)."""


class Connection(models.Model):
    """One attempt to connect an account with a credential, beside the one that may work already.

    The account is a text, since it may not be the portal's yet. `credential_ciphertext` is kept until nothing of the
    attempt is left at Twilio, so that the reconciler can see to that. `asked_at` and `marker` stand here before the
    throwaway key is asked for, and `key_sid` before it is deleted.
    """

    account_sid = models.CharField(max_length=34, validators=[account_sid])
    credential_user = models.CharField(max_length=34)
    credential_ciphertext = models.TextField(blank=True)
    marker = models.CharField(max_length=12, unique=True)
    incarnation = models.CharField(  # noqa: DJ001 empty is not the same as unknown
        max_length=32, null=True, help_text="Which incarnation of the database it began on."
    )
    started_at = models.DateTimeField()
    in_flight_until = models.DateTimeField(help_text="Until then the command may still be at work.")
    asked_at = models.DateTimeField(null=True, help_text="When its throwaway key was asked for.")
    key_sid = models.CharField(max_length=34, blank=True)
    times_not_listed = models.PositiveIntegerField(default=0, db_default=0)
    outcome = models.CharField(max_length=10, choices=choices_of(ConnectionOutcome), blank=True)
    message = models.CharField(max_length=400, blank=True)
    settled_at = models.DateTimeField(null=True, help_text="Since then nothing of it is at Twilio.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], name="connections_open", condition=Q(settled_at=None))]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="") | one_of("outcome", ConnectionOutcome), name="connection_outcome_is_known"
            ),
            models.CheckConstraint(
                condition=Q(settled_at=None) | (Q(credential_ciphertext="") & ~Q(outcome="")),
                name="settled_connection_keeps_no_credential",
            ),
            models.CheckConstraint(
                condition=Q(key_sid="") | Q(asked_at__isnull=False), name="connection_key_was_asked_for"
            ),
        ]

    def __str__(self) -> str:
        return f"connection of {self.account_sid} with {self.credential_user}"
