"""What is said without anybody doing something: the digest of what waits, and what lapses soon."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from .. import selectors
from ..domain.states import RequestState
from ..domain.wording import moment
from ..models import KeyRequest, NoticeKey
from .isolation import isolated
from .notifications import notify

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
    approvers = Q(memberships__is_lead=True) | Q(groups__name=selectors.SECURITY)
    told = set(NoticeKey.objects.filter(key__startswith=_digest_key(hour)).values_list("key", flat=True))
    for user in User.objects.filter(approvers, is_active=True).exclude(email="").distinct():
        if _digest_key(hour, user) in told:
            continue
        with isolated("digests", user.pk):
            waiting = list(selectors.waiting_for(selectors.Person(user)).filter(created_at__lt=hour))
            if waiting:
                _digest(user, waiting, hour)


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
    return f"digest:{hour:%Y-%m-%d}:{user.pk if user else ''}"


def _line(key_request: KeyRequest) -> str:
    who = selectors.display_name(key_request.requester)
    return (
        f"- “{key_request}” for {who}, {key_request.team}, on {key_request.account}, risk {key_request.risk}, "
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
    for item in requests.filter(state=RequestState.PENDING, created_at__range=(now - lifetime, soon)):
        with isolated(LAPSES, item.pk):
            _announce_undecided(item, item.created_at + lifetime)
    soon = now + min(DAY, settings.APPROVAL_LAPSES_AFTER / 2)
    for item in requests.filter(state__in=selectors.TO_PRESS, claim_until__range=(now, soon)):
        with isolated(LAPSES, item.pk):
            _announce_unused(item)


def _announce_undecided(key_request: KeyRequest, end: datetime) -> None:
    with transaction.atomic():
        notify(
            "request.lapses_soon",
            title=f"“{key_request}” lapses soon unless it is decided",
            text=f"Nobody has decided it yet. It lapses at {moment(end)}.\n\n{_line(key_request)}",
            path=key_request.get_absolute_url(),
            people=[*selectors.deciders_of(key_request), key_request.requester],
            team=key_request.team,
            key=f"request.lapses_soon:{key_request.pk}",
        )


def _announce_unused(key_request: KeyRequest) -> None:
    end = key_request.claim_until
    with transaction.atomic():
        notify(
            "request.approval_lapses_soon",
            title=f"The approval of “{key_request}” lapses soon",
            text=f"The key has not been issued yet. Press “Issue key” before {moment(end)}; after that it lapses.",
            path=key_request.get_absolute_url(),
            people=[key_request.requester],
            team=key_request.team,
            key=f"request.approval_lapses_soon:{key_request.pk}:{end:%Y-%m-%dT%H:%M:%S}",
        )
