"""Reminds owners and their teams that a key expires."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Case, Q, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap
from keys_app.core.isolation import isolated
from keys_app.core.times import day, duration, moment
from keys_app.notifications import notify
from keys_app.organisation import access

from .models import ApiKey
from .queries import OWNER_LEFT
from .states import KeyState

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from .queries import KeyNotes

DAYS_BEFORE = (1, 3, 14)
"""When reminders are sent, in days before the expiry. What was missed meanwhile is not sent later."""


def remind_of_expiry(actor: Actor) -> int:
    """Send each reminder that is due, once, and return how many were.

    A key that lives no longer than the reminder's days gets none of that kind, and a retiring key none at all.
    """
    sent = 0
    now = timezone.now()
    keys = ApiKey.objects.filter(state=KeyState.ACTIVE, retires_at=None, expires_at__gt=now)
    left = Case(When(OWNER_LEFT, then=True), default=False)
    keys = keys.annotate(since=Coalesce("adopted_at", "issued_at"), owner_left=left).select_related(
        "owner", "team", "account"
    )
    for key in keys.filter(expires_at__lte=now + timedelta(days=max(DAYS_BEFORE))):
        days = min(days for days in DAYS_BEFORE if key.expires_at <= now + timedelta(days=days))
        if key.expires_at - key.since > timedelta(days=days):
            with isolated("reminders", key.pk):
                sent += _remind(key, days, now, actor)
    return sent


def _remind(key: "WithAnnotations[ApiKey, KeyNotes]", days: int, now: datetime, actor: Actor) -> bool:
    """Send the reminder of `days` before, unless it was sent. It says how long there is still, which may be less."""
    with transaction.atomic(durable=True):
        not_yet = Q(reminded_days=None) | Q(reminded_days__gt=days)
        if not compare_and_swap(key, not_yet & Q(state=KeyState.ACTIVE), reminded_days=days):
            return False
        notify.notify(
            "key.reminded",
            title=f"Key {key.name} expires in {duration(key.expires_at - now)}, on {day(key.expires_at)}",
            text=f"The portal deletes key {key.sid} on {key.account} at {moment(key.expires_at)}. If it is still "
            "needed, send a request for a new one in time.",
            path=key.get_absolute_url(),
            people=access.or_leads_or_security([] if key.owner_left else [key.owner], key.team),
            team=key.team,
            key=f"expiry:{key.sid}:{days}",
        )
        record("key.reminded", actor, key=key, days=days)
    return True
