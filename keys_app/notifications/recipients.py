"""Whom notices about one thing were for, and what became of their mails."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from post_office.models import STATUS, Email

from .mail_queue import addresses_of
from .models import NoticeRecipient

How = NoticeRecipient.How


@dataclass(frozen=True, slots=True)
class Recipient:
    """One user a notice was for. `sent_at` and `failed` are of their mail; a mail that is neither waits to be sent."""

    user_id: int
    kind: str
    how: str
    at: datetime
    sent_at: datetime | None
    failed: bool


def note_recipients(about: str, kind: str, people: Iterable[User], *, now: Sequence[User], mails: list[Email]) -> None:
    """Write down whom a notice is for, in the running transaction: those of `people` mailed `now`, and the others."""
    at, mailed = timezone.now(), {user.pk for user in now}
    by_address = {mail.to[0].casefold(): mail for mail in mails}
    rows = []
    for user in {user.pk: user for user in people if user.is_active}.values():
        mail = by_address.get(user.email.casefold()) if user.pk in mailed else None
        rows.append(NoticeRecipient(about=about, kind=kind, user=user, how=_how(user, mail), mail=mail, at=at))
    NoticeRecipient.objects.bulk_create(rows)


def _how(user: User, mail: Email | None) -> str:
    if not settings.SENDS_MAIL:
        return How.NO_MAIL
    if mail:
        return How.MAIL
    return How.DAILY if addresses_of([user], None, []) else How.NO_ADDRESS


def without_mail(users: Iterable[User]) -> list[User]:
    """Return those of the users whom no mail of the portal reaches: it sends none, or knows no address of theirs."""
    return [user for user in users if not settings.SENDS_MAIL or not addresses_of([user], None, [])]


def recipients_of(about: str) -> list[Recipient]:
    """Return whom the notices about one thing were for, the oldest first, with one query."""
    rows = NoticeRecipient.objects.filter(about=about).values_list(
        "user_id", "kind", "how", "at", "mail__status", "mail__last_updated"
    )
    return [
        Recipient(user, kind, how, at, updated if status == STATUS.sent else None, status == STATUS.failed)
        for user, kind, how, at, status, updated in rows
    ]
