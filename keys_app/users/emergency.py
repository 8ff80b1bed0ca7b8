"""The one way in without the provider where passwords are off: a link that an operator makes, for one use."""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.db import compare_and_swap
from keys_app.core.errors import SignInRefused
from keys_app.core.secret import Secret
from keys_app.core.text import require_reason
from keys_app.notifications import notify

from .models import EmergencyLink

WORKS_FOR = timedelta(minutes=15)


def make_link(*, user: User, reason: str, actor: Actor) -> Secret:
    """Return the token of a link that signs a user in once within 15 minutes; Security gets an alarm.

    Raises `InvalidInput` without a reason, `SignInRefused` for a user who may not sign in.
    """
    reason = require_reason(reason)
    if not user.is_active:
        raise SignInRefused("This user is not active.")
    token = Secret(secrets.token_urlsafe(32))
    expires = timezone.now() + WORKS_FOR
    with transaction.atomic(durable=True):
        EmergencyLink.objects.filter(expires_at__lt=timezone.now()).delete()
        EmergencyLink.objects.create(user=user, digest=_digest(token.reveal()), expires_at=expires)
        title = f"{actor.label} made an emergency link for {name_and_login(user)}"
        text = f"It signs them in once, until {expires:%H:%M} UTC, without the sign-in provider. Why: {reason}"
        notify.notify("alarm.emergency_sign_in", title=title, text=text, path="/audit/?q=action:user.emergency_link")
        record("user.emergency_link", actor, subject=user.get_username(), subject_id=str(user.pk), reason=reason)
    return token


def use_link(token: str) -> User:
    """Return whose link this is, and use it up. Raises `SignInRefused` for one that is none, or not any more."""
    link = EmergencyLink.objects.select_related("user").filter(digest=_digest(token)).first()
    now = timezone.now()
    if link is None or not compare_and_swap(link, Q(used_at=None, expires_at__gt=now), used_at=now):
        raise SignInRefused("This link was used, or is older than 15 minutes. Ask for another.")
    return link.user


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
