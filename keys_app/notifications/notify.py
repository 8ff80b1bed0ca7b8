"""Queues notices: mail to people and teams, and a delivery for each webhook that wants them.

They are rows written in the transaction of the change they tell of, so none is lost with a crash and none is
sent for a change that was rolled back. `manage.py send_notices` sends them.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from post_office.models import Email

from keys_app.organisation import preferences
from keys_app.organisation.access import in_security
from keys_app.organisation.models import Team

from .daily import put_off
from .mail_queue import addresses_of, queue_mail
from .models import NoticeKey, Webhook, WebhookDelivery
from .recipients import note_recipients
from .webhooks import body_for

ALARM = "alarm."
MAX_TITLE = 150
MAX_TEXT = 4000
_INVISIBLE = ("C", "Zl", "Zp")  # control and format characters, and separators of lines


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a notice asks of the database: which mails its `people` want, and the webhooks there are.

    A service that locks a row reads them before, since they are no part of what it decides.
    """

    people: frozenset[int]
    mails: Mapping[int, Mapping[str, str]]
    webhooks: Sequence[Webhook]

    @classmethod
    def of(cls, people: Iterable[User]) -> "Wishes":
        """Read the wishes of these people. Two queries."""
        asked = list(people)
        stored = preferences.stored_of(asked) if settings.SENDS_MAIL and asked else {}
        return cls(frozenset(user.pk for user in asked), stored, list(Webhook.objects.filter(is_active=True)))

    def cover(self, people: Iterable[User]) -> bool:
        """Tell whether these people are among those whose wishes they are."""
        return self.people.issuperset(user.pk for user in people)


def notify(
    kind: str,
    *,
    title: str,
    text: str,
    path: str,
    people: Iterable[User] = (),
    team: Team | None = None,
    addresses: Iterable[str] = (),
    key: str = "",
    about: str = "",
    to_webhooks: bool = True,
    wishes: Wishes | None = None,
) -> None:
    """Queue a notice in the running transaction; with a `key`, before `record`, since it may have to wait for another.

    `kind` is the ledger's name of the event, or `alarm.<what>`: an alarm goes to everybody in Security too.
    Mail goes to those of `people` who are active and have an address, as they chose, once to each address, to the
    team's and to `addresses`. `path` is the portal's page it is about. A second with the same `key` is not queued.
    With `about`, as `request:<uuid>`, it is written down which of `people` it was for: see `recipients`.
    `wishes` are read here unless those given cover `people`.
    Title and text must not hold a secret. Raises `TransactionManagementError` outside a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("a notice belongs to the transaction of its change")
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("the path of a notice begins with one slash")
    if key and not _first_with(key):
        return
    people = list(people)
    wishes = wishes if wishes and wishes.cover(people) else Wishes.of(people)
    title, text, url = one_line(title, MAX_TITLE), plain_text(text), settings.BASE_URL.geturl() + path
    mails: list[Email] = []
    now: list[User] = []
    if settings.SENDS_MAIL:
        now, urgent = put_off(kind, people, wishes.mails, title=title, path=path), kind.startswith(ALARM)
        to = addresses_of([*now, *(in_security() if urgent else ())], team, addresses)
        mails = queue_mail(title, f"{text}\n\n{url}\n", to, urgent=urgent)
    if about:
        note_recipients(about, kind, people, now=now, mails=mails)
    if to_webhooks:
        wanted = [one for one in wishes.webhooks if one.team_id in (None, team and team.pk) and one.wants(kind)]
        _queue_webhooks(wanted, kind, title, text, url)


def one_line(text: str, most: int) -> str:
    """Return text as one line of visible characters, at most `most` of them, and without a link to click.

    The words of people are in it: they can neither add a header to a mail nor a second address to its own.
    """
    visible = "".join(" " if unicodedata.category(char).startswith(_INVISIBLE) else char for char in text)
    line = " ".join(visible.split()).replace("://", ":// ")
    return line if len(line) <= most else line[: most - 1] + "…"


def plain_text(text: str) -> str:
    """Return text of several lines, each as `one_line` leaves it."""
    whole = "\n".join(one_line(line, MAX_TEXT) for line in text.splitlines()).strip()
    return whole if len(whole) <= MAX_TEXT else whole[: MAX_TEXT - 1] + "…"


def _first_with(key: str) -> bool:
    """Claim a key. Of several at once, PostgreSQL lets the others wait until the first has committed."""
    mine = NoticeKey(key=key)
    NoticeKey.objects.bulk_create([mine], ignore_conflicts=True)
    return NoticeKey.objects.filter(pk=mine.pk).exists()


def _queue_webhooks(webhooks: Iterable[Webhook], kind: str, title: str, text: str, url: str) -> None:
    now = timezone.now()
    deliveries = []
    for webhook in webhooks:
        delivery = WebhookDelivery(webhook=webhook, created_at=now, next_try_at=now)
        delivery.body = body_for(
            webhook.kind, message_id=f"msg_{delivery.pk.hex}", kind=kind, title=title, text=text, url=url, time=now
        )
        deliveries.append(delivery)
    WebhookDelivery.objects.bulk_create(deliveries)
