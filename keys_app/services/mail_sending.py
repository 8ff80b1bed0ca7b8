"""Sends the mail that `notifications` queued, and clears away what is old."""

import logging
import smtplib
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from post_office.models import STATUS, Email

from ..domain.backoff import MAX_ATTEMPTS, wait_after
from ..models import NoticeKey, WebhookDelivery
from .actors import Actor, record

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=30)
KEYS_KEPT_FOR = timedelta(days=400)  # longer than any notice that may be sent only once can come up again
LEASE = timedelta(minutes=10)  # longer than one mail or delivery can take; then another process may try
_BATCH = 100
_WAITING = (STATUS.queued, STATUS.requeued)
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


@dataclass(slots=True)
class Sent:
    """What a run did: delivered, to be tried again, given up."""

    done: int = 0
    not_yet: int = 0
    gave_up: int = 0

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(self.done + other.done, self.not_yet + other.not_yet, self.gave_up + other.gave_up)


def send_mails(stopping: Callable[[], bool] = lambda: False) -> Sent:
    """Send the mails that are due, the urgent ones first.

    After a failure the other mails to that address wait for the next run, and so does every mail where the server
    cannot be reached, or is lost several times in a row. Several processes may do so at once; `stopping` ends it early.
    """
    result = Sent()
    if not settings.SENDS_MAIL:
        return result
    connection, troubled, lost = get_connection(), set[str](), 0
    for email in _in_turn():
        if stopping() or lost >= _LOST_IN_A_ROW:
            break
        if str(email.to) in troubled or not _claim(email):
            continue
        error = _dispatch(email, connection)
        if error is None:
            result.done, lost = result.done + 1, 0
            continue
        _failed(email, error, result)
        troubled.add(str(email.to))
        lost += _losses(error)
    return result


def _dispatch(email: Email, connection: BaseEmailBackend) -> Exception | None:
    """Send a mail; return what was wrong. The next mail has a connection of its own then."""
    try:
        email.dispatch(commit=False, disconnect_after_delivery=False, connection=connection)
    except Exception as error:  # noqa: BLE001 whatever it is, the other mails must still go out
        with suppress(Exception):
            connection.close()
        return error
    Email.objects.filter(pk=email.pk).update(status=STATUS.sent, last_updated=timezone.now())
    return None


def _losses(error: Exception) -> int:
    """Return how far an error speaks for a server that is lost, not for one mail that is wrong."""
    if isinstance(error, _NO_SERVER):
        return _LOST_IN_A_ROW
    return int(isinstance(error, OSError) and not isinstance(error, _OF_ONE_MAIL))


def _in_turn() -> QuerySet[Email]:
    """Return mails that are due: the urgent ones first, and of those first one for each address, then the next."""
    turn = Window(RowNumber(), partition_by=["priority", "to"], order_by=["scheduled_time", "id"])
    return _due().annotate(turn=turn).order_by("-priority", "turn", "scheduled_time", "id")[:_BATCH]


def _due() -> QuerySet[Email]:
    return Email.objects.filter(status__in=_WAITING, scheduled_time__lte=timezone.now())


def _claim(email: Email) -> bool:
    """Count an attempt and move the mail's time, unless another process has. Killed now, it is sent later."""
    mine = Email.objects.filter(pk=email.pk, status__in=_WAITING, scheduled_time=email.scheduled_time)
    email.number_of_retries = (email.number_of_retries or 0) + 1
    now = timezone.now()
    return bool(
        mine.update(
            status=STATUS.requeued,
            scheduled_time=now + LEASE,
            number_of_retries=email.number_of_retries,
            last_updated=now,
        )
    )


def _failed(email: Email, error: Exception, result: Sent) -> None:
    kind = type(error).__name__
    if email.number_of_retries < MAX_ATTEMPTS:
        log.warning("mail %s was not sent (%s) and is tried again", email.pk, kind)
        later = timezone.now() + wait_after(email.number_of_retries)
        Email.objects.filter(pk=email.pk).update(scheduled_time=later)
        result.not_yet += 1
        return
    log.error("mail %s was not sent in %s attempts (%s) and is given up", email.pk, MAX_ATTEMPTS, kind)
    with transaction.atomic(durable=True):
        Email.objects.filter(pk=email.pk).update(status=STATUS.failed, last_updated=timezone.now())
        record("mail.gave_up", Actor.system("notices"), mail=email.pk, title=email.subject, error=kind)
    result.gave_up += 1


def remove_old() -> None:
    """Remove what is older than 30 days, sent or not: mails, and deliveries to webhooks."""
    now = timezone.now()
    Email.objects.filter(created__lt=now - KEPT_FOR).delete()
    WebhookDelivery.objects.filter(created_at__lt=now - KEPT_FOR).delete()
    NoticeKey.objects.filter(created_at__lt=now - KEYS_KEPT_FOR).delete()
