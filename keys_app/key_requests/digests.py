"""What is said without anybody doing something: the digest of what waits, and what lapses soon."""

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys_app.core.actor import name_and_login
from keys_app.core.isolation import isolated
from keys_app.core.present import present
from keys_app.core.times import day, moment, rfc3339
from keys_app.notifications.models import NoticeKey
from keys_app.notifications.notify import notify

from .deciders import deciders_of_each
from .models import KeyRequest
from .queries import TO_PRESS, pending_between
from .states import RequestState

DAY = timedelta(days=1)
LAPSES = "announcing what lapses"
_LISTED = 20


def send_digests(now: datetime | None = None) -> None:
    """Queue a mail for each lead and for Security with what has waited for them since the digest's hour.

    At most one a day for each, after `PORTAL_DIGEST_HOUR`. It goes to that person alone, so to no webhook.
    """
    now = now or timezone.now()
    hour = now.replace(hour=settings.DIGEST_HOUR, minute=0, second=0, microsecond=0)
    if now < hour or not settings.SENDS_MAIL:
        return
    pending = KeyRequest.objects.filter(state=RequestState.PENDING, created_at__lt=hour).order_by("created_at", "id")
    requests = {one.pk: one for one in pending.select_related("requester", "team", "account")}
    waiting: dict[User, list[KeyRequest]] = defaultdict(list)
    deciders = deciders_of_each(requests.values())
    for key_request in requests.values():
        for user in deciders.get(key_request.pk, []):
            waiting[user].append(key_request)
    told = set(NoticeKey.objects.filter(key__startswith=_digest_key(hour)).values_list("key", flat=True))
    for user, asked in waiting.items():
        if user.email and _digest_key(hour, user) not in told:
            with isolated("digests", user.pk):
                _digest(user, asked, hour)


def _digest(user: User, waiting: list[KeyRequest], hour: datetime) -> None:
    number = f"{len(waiting)} requests wait" if len(waiting) > 1 else "1 request waits"
    lines = [_line(key_request) for key_request in waiting[:_LISTED]]
    if len(waiting) > _LISTED:
        lines.append(f"and {len(waiting) - _LISTED} more")
    with transaction.atomic():
        notify(
            "request.digest",
            title=f"{number} for your decision",
            text="The oldest first:\n\n" + "\n".join(lines),
            path=reverse("admin:keys_app_keyrequest_changelist"),
            people=[user],
            key=_digest_key(hour, user),
            to_webhooks=False,
        )


def _digest_key(hour: datetime, user: User | None = None) -> str:
    return f"digest:{day(hour)}:{user.pk if user else ''}"


def _line(key_request: KeyRequest) -> str:
    who = name_and_login(key_request.requester)
    return (
        f"- “{key_request}” for {who}, {key_request.team}, on {key_request.account}, risk {key_request.rated_risk}, "
        f"since {moment(key_request.created_at)}"
    )


def announce_lapses(now: datetime | None = None) -> None:
    """Say once, a day before, that a pending request or an approval that nobody used comes to its end.

    Where these live two days or less, it is said after half the time.
    """
    now = now or timezone.now()
    requests = KeyRequest.objects.select_related("requester", "team", "account")
    lifetime = settings.PENDING_LAPSES_AFTER
    soon = now - lifetime + min(DAY, lifetime / 2)
    undecided = list(pending_between(earliest=now - lifetime, latest=soon))
    deciders = deciders_of_each(undecided)
    for item in undecided:
        with isolated(LAPSES, item.pk):
            _announce_undecided(item, item.pending_since + lifetime, deciders.get(item.pk, []))
    soon = now + min(DAY, settings.APPROVAL_LAPSES_AFTER / 2)
    for item in requests.filter(state__in=TO_PRESS, claim_until__range=(now, soon)):
        with isolated(LAPSES, item.pk):
            _announce_unused(item)


def _announce_undecided(key_request: KeyRequest, end: datetime, deciders: list[User]) -> None:
    with transaction.atomic():
        notify(
            "request.lapses_soon",
            title=f"“{key_request}” lapses soon unless it is decided",
            text=f"Nobody has decided it yet. It lapses at {moment(end)}.\n\n{_line(key_request)}",
            path=key_request.get_absolute_url(),
            people=[*deciders, key_request.requester],
            team=key_request.team,
            key=f"request.lapses_soon:{key_request.pk}:{rfc3339(end)}",
        )


def _announce_unused(key_request: KeyRequest) -> None:
    end = present(key_request.claim_until)
    with transaction.atomic():
        notify(
            "request.approval_lapses_soon",
            title=f"The approval of “{key_request}” lapses soon",
            text=f"The key has not been issued yet. Press “Issue key” before {moment(end)}; after that it lapses.",
            path=key_request.get_absolute_url(),
            people=[key_request.requester],
            team=key_request.team,
            key=f"request.approval_lapses_soon:{key_request.pk}:{rfc3339(end)}",
        )
