"""Where notices go besides people's mail, what waits to be sent there, and what is told until it is over."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from keys_app.organisation.models import Account, Team


class Webhook(models.Model):
    """An address that is told of events. The address of a Slack webhook is a secret, so every one is kept as one."""

    class Kind(models.TextChoices):
        GENERIC = "generic", "JSON, signed"
        SLACK = "slack", "Slack-compatible"

    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.GENERIC)
    team = models.ForeignKey(
        Team,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="webhooks",
        help_text="Only what concerns this team. Empty: everything of all teams.",
    )
    event_kinds = models.JSONField(default=list, blank=True)
    is_active = models.BooleanField("active", default=True)
    url_ciphertext = models.TextField(editable=False)
    url_host = models.CharField("host", max_length=260, editable=False)
    signing_secret_ciphertext = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(url_ciphertext=""), name="webhook_has_an_address"),
            models.CheckConstraint(
                condition=~Q(kind="generic") | ~Q(signing_secret_ciphertext=""), name="webhook_is_signed"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def rights(self) -> dict[str, object]:
        """Return what is sent where because of this webhook, for the ledger."""
        team = self.team.name if self.team else "all teams"
        return {"host": self.url_host, "team": team, "kinds": self.event_kinds, "active": self.is_active}

    def wants(self, kind: str) -> bool:
        """Tell whether events of this kind go here: `request` stands for all that begin with `request.`."""
        return not self.event_kinds or any(f"{kind}.".startswith(f"{wanted}.") for wanted in self.event_kinds)


class WebhookDelivery(models.Model):
    """One notice for one webhook. Who sends it first moves `next_try_at` to when somebody else may."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Without a constraint: on PostgreSQL it would lock the webhook at commit, when the ledger's lock is held, and
    # could deadlock with somebody who is deleting the webhook.
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_constraint=False)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True)
    gave_up_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["created_at"]
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(delivered_at__isnull=True, gave_up_at__isnull=True),
                name="delivery_due",
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)


class DailyLine(models.Model):
    """A notice to a user who wants those of its kind once a day: see `daily`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    title = models.CharField(max_length=150)
    path = models.CharField(max_length=200)
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.title


class NoticeRecipient(models.Model):
    """Whom a notice was for, and by which mail, so that a page can say who was told. It is kept as long as the mail.

    `about` says what the notice was about, as `request:<uuid>`.
    """

    class How(models.TextChoices):
        MAIL = "mail"
        DAILY = "daily", "once a day, or not, as they chose"
        NO_ADDRESS = "no address"
        NO_MAIL = "no mail", "the portal sends no mail"

    about = models.CharField(max_length=60)
    kind = models.CharField(max_length=60)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    how = models.CharField(max_length=10, choices=How.choices)
    # Without a constraint: mails are removed after a while, and nothing then has to look here.
    mail = models.ForeignKey(
        "post_office.Email", null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["about", "at"], name="recipient_about")]
        constraints = [
            models.CheckConstraint(condition=Q(how="mail") | Q(mail__isnull=True), name="mailed_by_a_mail"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.user_id}"


class NoticeKey(models.Model):
    """Remembers that a notice which may be queued only once was."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.key


MAX_TITLE = 150
MAX_WORDS = 600


class Trouble(models.Model):
    """Something that has waited too long, or that Twilio contradicts itself about: told until it is over.

    `key` says what it is, as `stuck:SK…`, so that it is one row; it opens again if the same comes back. `told_at` is
    empty while it may still settle by itself.
    """

    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=30)
    account = models.ForeignKey(Account, null=True, on_delete=models.CASCADE, related_name="troubles")
    key_sid = models.CharField(max_length=34, blank=True)
    title = models.CharField(max_length=MAX_TITLE)
    words = models.CharField(max_length=MAX_WORDS)
    path = models.CharField(max_length=200)
    since = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text="When Security was told.")
    reminded_at = models.DateTimeField(null=True, help_text="When Security was last reminded.")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["since", "id"]
        indexes = [models.Index(fields=["kind"], condition=Q(ended_at__isnull=True), name="trouble_open")]

    def __str__(self) -> str:
        return self.key


class Heartbeat(models.Model):
    """When a process that runs beside the portal last finished a round. It has a row once it has run for good."""

    name = models.CharField(max_length=30, primary_key=True)
    interval = models.PositiveIntegerField(help_text="Seconds between two rounds.")
    beat_at = models.DateTimeField()
    alarmed_at = models.DateTimeField(null=True, help_text="When a process last took it on to tell that it is silent.")

    def __str__(self) -> str:
        return self.name
