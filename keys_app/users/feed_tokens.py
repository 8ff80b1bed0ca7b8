"""Tokens with which another system follows the audit. Only their hash is stored.

A token works until it expires, and as long as its maker may read the audit: `why_over` decides that at each use.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap, locked
from keys_app.core.errors import Conflict, InvalidInput, NotAllowed
from keys_app.core.isolation import isolated
from keys_app.core.present import present
from keys_app.core.secret import Secret
from keys_app.core.times import moment
from keys_app.core.typed import line_problem
from keys_app.notifications import notify
from keys_app.organisation import access
from keys_app.organisation.access import in_security, person
from keys_app.organisation.sent_forms import claim

from .models import FeedToken

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


PREFIX = "kpf_"
MAX_NAME = 80
MAX_DAYS = 365
WARN_BEFORE = timedelta(days=14)
RECORDED_EVERY = timedelta(hours=1)
_USE_NOTED_EVERY = timedelta(minutes=1)
_EXPIRED = "It expired."
_MAKER_LEFT = "The user who created it is no longer in Security."


def create_token(*, name: str, actor: Actor, lifetime_days: int = MAX_DAYS) -> tuple[FeedToken, Secret]:
    """Create a token for a system called `name`. The token itself is in the answer and nowhere else.

    Raises `NotAllowed` for others than Security, `InvalidInput` for the name or the lifetime.
    """
    _require_right(actor)
    if problem := line_problem(name.strip(), "name"):
        raise InvalidInput("name", problem)
    name = " ".join(name.split())
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidInput("name", f"Give the system a name of 1 to {MAX_NAME} characters.")
    if not 1 <= lifetime_days <= MAX_DAYS:
        raise InvalidInput("lifetime_days", f"Choose a lifetime of 1 to {MAX_DAYS} days.")
    secret = Secret(PREFIX + secrets.token_urlsafe(32))
    now = timezone.now()
    expires = now + timedelta(days=lifetime_days)
    with transaction.atomic(durable=True):
        claim(actor, reverse("portal:audit_feeds"))
        token = FeedToken.objects.create(
            name=name, digest=_digest(secret.reveal()), created_by=actor.signed_in, created_at=now, expires_at=expires
        )
        record("audit.feed_created", actor, name=name, feed=token.pk, expires=expires)
    return token, secret


def revoke_token(*, token: FeedToken, actor: Actor) -> None:
    """Revoke a token, immediately. Raises `Conflict` if that was done before."""
    _require_right(actor)
    with transaction.atomic(durable=True):
        if not compare_and_swap(token, Q(revoked_at=None), revoked_at=timezone.now()):
            token.refresh_from_db()
            raise Conflict(f"This token is revoked, since {moment(present(token.revoked_at))}.")
        record("audit.feed_revoked", actor, name=token.name, feed=token.pk)


def revoke_tokens_of(*, maker: User, actor: Actor) -> None:
    """Revoke every token of a user who is deactivated, in the running transaction."""
    tokens = list(locked(FeedToken.objects.filter(created_by=maker, revoked_at=None)))
    ended = {"revoked_at": timezone.now(), "end_reason": "The user who created it was deactivated."}
    FeedToken.objects.filter(pk__in=[token.pk for token in tokens]).update(**ended)
    for token in tokens:
        record("audit.feed_revoked", actor, name=token.name, feed=token.pk, maker_deactivated=maker.get_username())


def why_over(token: "WithAnnotations[FeedToken, TokenNotes]", now: datetime) -> str:
    """Return why a token of `feed_tokens` that no one revoked no longer works; empty if it does."""
    if token.expires_at <= now:
        return _EXPIRED
    return "" if token.maker_may else _MAKER_LEFT


def token_for(presented: Secret) -> FeedToken | None:
    """Return the valid token that was presented, if it is one. One that is over by now is ended for good."""
    if not presented.reveal().startswith(PREFIX) or len(presented.reveal()) > 100:
        return None
    token = feed_tokens().filter(digest=_digest(presented.reveal()), revoked_at=None).first()
    return None if token is None or _ended(token) else token


def check_tokens() -> None:
    """End the tokens that are over though no one uses them, and warn Security of those that expire soon."""
    for token in feed_tokens().filter(revoked_at=None):
        with isolated("ending feed tokens", token.name):
            if not _ended(token) and _expires_soon(token):
                _warn(token)


def _ended(token: "WithAnnotations[FeedToken, TokenNotes]") -> bool:
    """Tell whether a token is over; if it is, end it, tell Security and record it, once."""
    why = why_over(token, timezone.now())
    if not why:
        return False
    with transaction.atomic(durable=True):
        if compare_and_swap(token, Q(revoked_at=None), revoked_at=timezone.now(), end_reason=why):
            again = "The system gets no more events until it has a new token."
            _tell_security("audit.feed_ended", f"The token of feed {token.name} no longer works", f"{why} {again}")
            record("audit.feed_ended", Actor.system("feeds"), name=token.name, feed=token.pk, why=why)
    return True


def _expires_soon(token: FeedToken) -> bool:
    """Tell whether a token's last days have begun: `WARN_BEFORE` of them, or the last half of a short lifetime."""
    last = min(WARN_BEFORE, (token.expires_at - token.created_at) / 2)
    return token.warned_at is None and token.expires_at - last <= timezone.now()


def _warn(token: FeedToken) -> None:
    with transaction.atomic(durable=True):
        if compare_and_swap(token, Q(revoked_at=None, warned_at=None), warned_at=timezone.now()):
            when = moment(token.expires_at)
            text = "Create a new token, give it to the system, and revoke this one."
            _tell_security("audit.feed_expires", f"The token of feed {token.name} expires at {when}", text)
            record("audit.feed_reminded", Actor.system("feeds"), name=token.name, feed=token.pk, expires=when)


def _tell_security(kind: str, title: str, text: str) -> None:
    people = access.in_security()
    notify.notify(kind, title=title, text=text, path=reverse("portal:audit_feeds"), people=people)


def note_use(*, token: FeedToken, address: str, after: int) -> None:
    """Note that a token was used: in its row once a minute, in the audit once an hour."""
    now = timezone.now()
    if token.last_used_at and now - token.last_used_at < _USE_NOTED_EVERY:
        return
    due = Q(last_recorded_at=None) | Q(last_recorded_at__lte=now - RECORDED_EVERY)
    with transaction.atomic(durable=True):
        FeedToken.objects.filter(pk=token.pk).update(last_used_at=now)
        if compare_and_swap(token, due, last_recorded_at=now):
            record("audit.feed_read", Actor(None, f"feed {token.name}", address), feed=token.pk, after=after)


def _digest(token: str) -> str:
    """Return the stored form. The token has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


def _require_right(actor: Actor) -> None:
    if actor.user is None or not may_manage_feeds(actor.user):
        raise NotAllowed("Only Security manages feeds.")


class TokenNotes(TypedDict):
    """What `feed_tokens` says of each token besides its columns."""

    maker_may: bool


def may_manage_feeds(user: User) -> bool:
    """Tell whether a user may create tokens that read the whole audit: who may read it anyway."""
    return user.is_active and person(user).is_security


def feed_tokens() -> "QuerySet[WithAnnotations[FeedToken, TokenNotes]]":
    """Return all tokens, each with `maker_may`: whether its maker may still create one. One query."""
    maker_may = Exists(in_security().filter(pk=OuterRef("created_by")))
    return FeedToken.objects.select_related("created_by").annotate(maker_may=maker_may)
