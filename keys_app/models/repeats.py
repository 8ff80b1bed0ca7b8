"""What is counted instead of written into the ledger each time."""

from django.db import models


class Repeat(models.Model):
    """How often somebody did the same thing within one hour. The first time is in the ledger, the sum follows."""

    action = models.CharField(max_length=60)
    hour = models.DateTimeField()
    actor_id = models.CharField(max_length=40, blank=True)
    actor_name = models.CharField(max_length=320)
    address = models.CharField(max_length=45, blank=True)
    key_sid = models.CharField(max_length=34, blank=True)
    request_id = models.CharField(max_length=36, blank=True)
    times = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["action", "hour", "actor_id", "actor_name", "address", "key_sid", "request_id"],
                name="one_count_per_hour",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_name}: {self.times}"
