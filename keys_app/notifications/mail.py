"""Sends the mail that `notifications` queued, and clears away what is old."""

import smtplib
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import get_connection
from django.db.models import Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from post_office.models import PRIORITY, STATUS, Email

from keys_app.audit.record import record
from keys_app.core.actor import Actor

from .models import DailyLine, NoticeKey, NoticeRecipient, WebhookDelivery
from .outbox import Failure, Outbox, Sent

KEPT_FOR = timedelta(days=30)
KEYS_KEPT_FOR = timedelta(days=400)  # longer than any notice that may be sent only once can come up again
_BATCH = 100
# What is wrong with one mail alone, and what the next one meets as well. Of the rest it is not known.
_OF_ONE_MAIL = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)
_NO_SERVER = (
    ConnectionRefusedError,
    socket.gaierror,
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
    smtplib.SMTPAuthenticationError,
)
_LOST_IN_A_ROW = 2


def send_mails(stopping: Callable[[], bool] = lambda: False) -> Sent:
    """Send the mails that are due, the urgent ones first; `stopping` ends it early."""
    return MailOutbox().run(stopping) if settings.SENDS_MAIL else Sent()


class MailOutbox(Outbox[Email]):
    """Mails, over one connection. All wait where the server cannot be reached, or is lost several times in a row.

    With `since` only the alarms that were queued from then on.
    """

    due_at = "scheduled_time"
    attempts = "number_of_retries"
    waiting = Q(status__in=(STATUS.queued, STATUS.requeued))

    def __init__(self, since: datetime | None = None) -> None:
        self.only = Q() if since is None else Q(created__gte=since, priority=PRIORITY.high)
        self.connection = get_connection()
        self._lost = 0

    def in_turn(self) -> QuerySet[Email]:
        """Return mails that are due: the urgent ones first, and of those first one for each address, then the next."""
        turn = Window(RowNumber(), partition_by=["priority", "to"], order_by=["scheduled_time", "id"])
        due = Email.objects.filter(self.waiting, self.only, scheduled_time__lte=timezone.now())
        rows: QuerySet[Email] = due.annotate(turn=turn)
        return rows.order_by("-priority", "turn", "scheduled_time", "id")[:_BATCH]

    def target(self, row: Email) -> str:
        return str(row.to)

    def in_the_log(self, row: Email) -> str:
        return f"mail {row.pk} was not sent"

    def is_down(self) -> bool:
        return self._lost >= _LOST_IN_A_ROW

    def deliver(self, row: Email) -> Failure | None:
        """Send a mail. After a failure the next one has a connection of its own."""
        try:
            row.dispatch(commit=False, disconnect_after_delivery=False, connection=self.connection)
        except Exception as error:  # noqa: BLE001 whatever it is, the other mails must still go out
            with suppress(Exception):
                self.connection.close()
            self._lost += _losses(error)
            return Failure(type(error).__name__)
        self._lost = 0
        return None

    def when_claimed(self) -> dict[str, Any]:
        return {"status": STATUS.requeued, "last_updated": timezone.now()}

    def when_sent(self) -> dict[str, Any]:
        return {"status": STATUS.sent, "last_updated": timezone.now()}

    def when_given_up(self, failure: Failure) -> dict[str, Any]:
        return {"status": STATUS.failed, "last_updated": timezone.now()}

    def record_given_up(self, row: Email, failure: Failure) -> None:
        record("mail.gave_up", Actor.system("notices"), mail=row.pk, title=row.subject, error=failure.why)


def _losses(error: Exception) -> int:
    """Return how far an error speaks for a server that is lost, not for one mail that is wrong."""
    if isinstance(error, _NO_SERVER):
        return _LOST_IN_A_ROW
    return int(isinstance(error, OSError) and not isinstance(error, _OF_ONE_MAIL))


def remove_old() -> None:
    """Remove what is older than 30 days, sent or not: mails, notices for one, and deliveries to webhooks."""
    now = timezone.now()
    DailyLine.objects.filter(at__lt=now - KEPT_FOR).delete()
    NoticeRecipient.objects.filter(at__lt=now - KEPT_FOR).delete()
    Email.objects.filter(created__lt=now - KEPT_FOR).delete()
    WebhookDelivery.objects.filter(created_at__lt=now - KEPT_FOR).delete()
    NoticeKey.objects.filter(created_at__lt=now - KEYS_KEPT_FOR).delete()
