"""Tokens with which another system follows the audit. Only their hash is stored."""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from .. import selectors
from ..domain.errors import Conflict, InvalidInput, NotAllowed
from ..domain.secret import Secret
from ..models import FeedToken
from .actors import Actor, record

PREFIX = "kpf_"
RECORDED_EVERY = timedelta(hours=1)
_USE_NOTED_EVERY = timedelta(minutes=1)


def create_token(*, name: str, actor: Actor) -> tuple[FeedToken, Secret]:
    """Make a token for a system called `name`. The token itself is in the answer and nowhere else."""
    _require_right(actor)
    name = " ".join(name.split())
    if not (1 <= len(name) <= 80 and name.isprintable()):
        raise InvalidInput("name", "Give the system a name of 1 to 80 characters, all of them visible.")
    secret = Secret(PREFIX + secrets.token_urlsafe(32))
    with transaction.atomic(durable=True):
        token = FeedToken.objects.create(
            name=name, digest=_digest(secret.reveal()), created_by=actor.user, created_at=timezone.now()
        )
        record("audit.feed_created", actor, name=name, feed=token.pk)
    return token, secret


def revoke_token(*, token: FeedToken, actor: Actor) -> None:
    """Take the right away, at once. Raises `Conflict` if that was done before."""
    _require_right(actor)
    with transaction.atomic(durable=True):
        if not FeedToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            raise Conflict("This token is revoked already.")
        record("audit.feed_revoked", actor, name=token.name, feed=token.pk)


def revoke_tokens_of(*, maker: User, actor: Actor) -> None:
    """Revoke every token of a user who is deactivated, in the running transaction."""
    tokens = list(FeedToken.objects.select_for_update(no_key=True).filter(created_by=maker, revoked_at=None))
    FeedToken.objects.filter(pk__in=[token.pk for token in tokens]).update(revoked_at=timezone.now())
    for token in tokens:
        record("audit.feed_revoked", actor, name=token.name, feed=token.pk, maker_deactivated=maker.get_username())


def token_for(presented: str) -> FeedToken | None:
    """Return the valid token that was presented, if it is one."""
    if not presented.startswith(PREFIX) or len(presented) > 100:
        return None
    return FeedToken.objects.filter(digest=_digest(presented), revoked_at=None).first()


def note_use(*, token: FeedToken, address: str, after: int) -> None:
    """Note that a token was used: in its row once a minute, in the audit once an hour."""
    now = timezone.now()
    if token.last_used_at and now - token.last_used_at < _USE_NOTED_EVERY:
        return
    due = Q(last_recorded_at=None) | Q(last_recorded_at__lte=now - RECORDED_EVERY)
    with transaction.atomic(durable=True):
        FeedToken.objects.filter(pk=token.pk).update(last_used_at=now)
        if FeedToken.objects.filter(due, pk=token.pk).update(last_recorded_at=now):
            record("audit.feed_read", Actor(None, f"feed {token.name}", address), feed=token.pk, after=after)


def _digest(token: str) -> str:
    """Return the stored form. The token has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


def _require_right(actor: Actor) -> None:
    if actor.user is None or not selectors.may_manage_feeds(actor.user):
        raise NotAllowed("Only Security manages feeds.")
