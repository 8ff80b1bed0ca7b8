"""What operators and real accounts say about Twilio's permissions."""

from django.core.validators import RegexValidator
from django.db import models

from keys_app.organisation.models import Account
from keys_app.permissions.policy import PERMISSION_SHAPE

permission_name = RegexValidator(
    rf"\A{PERMISSION_SHAPE.pattern}\Z", "A permission looks like /twilio/product/resource/action."
)


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
    incarnation = models.CharField(  # noqa: DJ001 - older probes have none
        max_length=32, null=True, help_text="Which incarnation of the database it began on."
    )

    def __str__(self) -> str:
        return f"probe {self.marker} on {self.account_id}"
