"""The ledger's tables. Only this package imports them; everybody else goes through its other modules."""

import json
from functools import lru_cache

from django.db import models

from keys_app.core.actor import with_login
from keys_app.permissions.policy import PERMISSION_SHAPE


@lru_cache(maxsize=1024)
def _allowed(policy: str) -> tuple[str, ...]:
    try:
        names = json.loads(policy)["allow"] if policy else []
        return tuple(name for name in names if PERMISSION_SHAPE.fullmatch(name))
    except (ValueError, KeyError, TypeError):
        return ()


class AuditEvent(models.Model):
    """One thing that happened. Names and ids are copied as text, so that nothing that is deleted takes them along.

    `canonical` is the event as RFC 8785 JSON, the bytes that were hashed; the other columns repeat it for search.
    """

    sequence = models.BigIntegerField(primary_key=True)
    time = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=60)
    actor_id = models.CharField(max_length=40, blank=True)
    actor_name = models.CharField(max_length=320)
    address = models.CharField(max_length=45, blank=True)
    account_sid = models.CharField(max_length=34, blank=True)
    key_sid = models.CharField(max_length=34, blank=True)
    request_id = models.CharField(max_length=36, blank=True)
    team = models.CharField(max_length=80, null=True)  # noqa: DJ001 - older events have none
    risk = models.CharField(max_length=10, null=True)  # noqa: DJ001 - as for the team
    policy = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    canonical = models.TextField()
    leaf_hash = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["-sequence"]
        indexes = [
            models.Index(fields=["action", "-sequence"], name="audit_by_action"),
            models.Index(fields=["actor_name", "-sequence"], name="audit_by_actor"),
            models.Index(fields=["account_sid", "-sequence"], name="audit_by_account"),
            models.Index(fields=["key_sid", "-sequence"], name="audit_by_key"),
            models.Index(fields=["request_id", "-sequence"], name="audit_by_request"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action}"

    @property
    def permissions(self) -> tuple[str, ...]:
        """What the policy allows; nothing for a row that somebody wrote nonsense into."""
        return _allowed(self.policy)

    @property
    def body(self) -> dict[str, object]:
        """The event as it was hashed; empty for a row that somebody wrote nonsense into."""
        try:
            found = json.loads(self.canonical)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def who(self) -> str:
        """Who did it, as auditors see them: two users may have one name."""
        login = self.body.get("login")
        return with_login(self.actor_name, login if isinstance(login, str) else "")

    @property
    def details(self) -> dict[str, object]:
        found = self.body.get("details")
        return found if isinstance(found, dict) else {}


class EventTerm(models.Model):
    """A term an event is found by. Made from the event alone, so it can be made again; append-only like it."""

    pk = models.CompositePrimaryKey("term", "sequence")
    term = models.CharField(max_length=180)
    sequence = models.BigIntegerField()

    class Meta:
        db_table = "audit_eventterm"

    def __str__(self) -> str:
        return f"{self.term} in {self.sequence}"


class AuditNode(models.Model):
    """The hash of a complete subtree above the leaves: `AuditEvent.leaf_hash` is level 0.

    It holds the 2**level leaves from position * 2**level on, counted from 0, so from sequence number that + 1.
    """

    pk = models.CompositePrimaryKey("level", "position")
    level = models.SmallIntegerField()
    position = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        db_table = "audit_node"

    def __str__(self) -> str:
        return f"level {self.level}, position {self.position}"


class AuditCheckpoint(models.Model):
    """A signed head of the tree over the first `size` events. `note` is what was signed, with the signature."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    time = models.DateTimeField()
    key = models.CharField(max_length=400)
    note = models.TextField()

    class Meta:
        db_table = "audit_checkpoint"

    def __str__(self) -> str:
        return f"checkpoint of {self.size} events"


class Installation(models.Model):
    """What makes this portal this one, in one row.

    `identity` keys the part of each marker that shows whose it is; `ledger_part` is 1, and one more for each time that
    the ledger was taken up again after a loss.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    identity = models.CharField(max_length=64)
    ledger_part = models.PositiveSmallIntegerField(default=1, db_default=1)

    class Meta:
        app_label = "keys_app"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_installation")]

    def __str__(self) -> str:
        return "this installation"


class SetBack(models.Model):
    """A proof that the database is older than the world. While one is open, what depends on lost records is held.

    `proof` says what shows it, as `mark:…`, `checkpoint:…` or `key:SK…`, so that it is entered once.
    """

    proof = models.CharField(max_length=120, unique=True)
    words = models.CharField(max_length=400)
    found_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text="When Security was last told.")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=320, blank=True, default="", db_default="")

    class Meta:
        app_label = "keys_app"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.proof


class PushPosition(models.Model):
    """How far the audit was pushed to one place: everything up to and with `sequence` was taken there."""

    target = models.CharField(max_length=64, primary_key=True, help_text="The SHA-256 of its address.")
    sequence = models.BigIntegerField(default=0)
    moved_at = models.DateTimeField(null=True)
    holder = models.UUIDField(null=True, help_text="Which process pushes.")
    held_until = models.DateTimeField(null=True, help_text="Then another process may go on, should that one be dead.")

    class Meta:
        app_label = "keys_app"

    def __str__(self) -> str:
        return f"pushed up to {self.sequence}"


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
        app_label = "keys_app"
        constraints = [models.UniqueConstraint(fields=_SAME, name="one_count_per_hour")]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_name}: {self.times}"

    def same(self) -> models.QuerySet["Repeat"]:
        """Return the stored count of the same thing by the same actor within the same hour, if there is one."""
        return Repeat.objects.filter(**{name: getattr(self, name) for name in _SAME})
