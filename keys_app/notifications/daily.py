"""Notices that a user wants once a day: they wait, and go out in one mail after `PORTAL_DIGEST_HOUR`."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from keys_app.core.db import locked
from keys_app.core.isolation import isolated
from keys_app.core.text import counted
from keys_app.core.times import moment
from keys_app.organisation import preferences

from .mail_queue import addresses_of, queue_mail
from .models import DailyLine

_LISTED = 50


def put_off(
    kind: str, people: Iterable[User], stored: Mapping[int, Mapping[str, str]], *, title: str, path: str
) -> list[User]:
    """Return who is mailed now, in the running transaction; let it wait for those who want it once a day.

    `stored` is what they chose, as `preferences.stored_of` returns it.
    """
    people, mails = list(people), preferences.about(kind)
    if mails is None or not people:
        return people
    chosen = preferences.choices_in(stored, mails)
    if mails is preferences.WAITING:  # which is sent once a day as it is
        return [user for user in people if chosen.get(user.pk) != preferences.NEVER]
    later = {user.pk for user in people if chosen.get(user.pk) == preferences.DAILY}
    now = timezone.now()
    DailyLine.objects.bulk_create(DailyLine(user_id=user, title=title, path=path, at=now) for user in sorted(later))
    return [user for user in people if chosen.get(user.pk, preferences.EACH) == preferences.EACH]


def send_daily(now: datetime | None = None) -> None:
    """Queue one mail, after the digest's hour, for each user with notices that have waited since before it."""
    now = now or timezone.now()
    hour = now.replace(hour=settings.DIGEST_HOUR, minute=0, second=0, microsecond=0)
    hour = hour if hour <= now else hour - timedelta(days=1)
    waiting = DailyLine.objects.filter(at__lt=hour).values("user")
    for user in User.objects.filter(pk__in=waiting) if settings.SENDS_MAIL else ():
        with isolated("daily notices", user.pk), transaction.atomic():
            _send(user, hour)


def _send(user: User, hour: datetime) -> None:
    """Queue it, in the running transaction. Of two processes the second finds nothing left to send."""
    lines = list(locked(DailyLine.objects.filter(user=user, at__lt=hour).order_by("at", "pk")))
    if not lines:
        return
    base = settings.BASE_URL.geturl()
    words = [f"- {moment(one.at)}: {one.title}\n  {base}{one.path}" for one in lines[-_LISTED:]]
    if len(lines) > _LISTED:
        words.insert(0, f"The last {_LISTED} of {len(lines)}:")
    queue_mail(counted(len(lines), "notice"), "\n\n".join(words) + "\n", addresses_of([user], None, []), urgent=False)
    DailyLine.objects.filter(pk__in=[one.pk for one in lines]).delete()
