"""What is counted instead of written into the ledger each time."""

from django.db import models

_SAME = ["action", "hour", "actor_id", "actor_name", "address", "key_sid", "request_id"]
"""What two repetitions of one thing have in common."""


class Repeat(models.Model):
    """How often one actor did the same thing within one hour. The first time is in the ledger, the sum follows."""

    action = models.CharField(max_length=60)
    hour = models.DateTimeField()
    actor_id = models.CharField(max_length=40, blank=True)
    login = models.CharField(max_length=150, blank=True)
    actor_name = models.CharField(max_length=320)
    address = models.CharField(max_length=45, blank=True)
    key_sid = models.CharField(max_length=34, blank=True)
    request_id = models.CharField(max_length=36, blank=True)
    times = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=_SAME, name="one_count_per_hour")]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_name}: {self.times}"

    def same(self) -> models.QuerySet["Repeat"]:
        """Return the stored count of the same thing by the same actor within the same hour, if there is one."""
        return Repeat.objects.filter(**{name: getattr(self, name) for name in _SAME})
