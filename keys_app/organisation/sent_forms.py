"""A form that creates something creates it once, however often it is sent: in three presses, two tabs, after a retry.

A page gives each such form a token of its own. What the form makes is made in the transaction that writes the token
down, so of several that are sent together one makes it, and the others learn where it is. A form without a token, as a
script sends it, makes something each time.
"""

import re
import secrets
from collections.abc import Mapping
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys_app.core.actor import Actor

from .models import SentForm

KEPT = timedelta(days=1)
FIELD = "once"
_TOKEN = re.compile(r"[\w-]{8,64}", re.ASCII)


class AlreadyMade(Exception):
    """The form was sent before. `path` is where what it made is shown."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def new_token() -> str:
    """Return a token for a form that is about to be shown."""
    return secrets.token_urlsafe(16)


def token_in(posted: Mapping[str, str]) -> str:
    """Return the token a form was sent with; empty without one, or for what can be none."""
    token = posted.get(FIELD, "")
    return token if _TOKEN.fullmatch(token) else ""


def claim(actor: Actor, path: str) -> None:
    """Write down, in the running transaction, that the actor's form makes what is shown at `path`.

    Call it before anything else is written. Waits for another transaction with the same form. Raises `AlreadyMade` if
    the form was sent before.
    """
    if not actor.once:
        return
    try:
        with transaction.atomic():
            SentForm.objects.create(user=actor.signed_in, token=actor.once, path=path, sent_at=timezone.now())
    except IntegrityError:
        check_unsent(actor)
        raise


def check_unsent(actor: Actor) -> None:
    """Raise `AlreadyMade` if the actor's form was sent before, whatever would refuse it now."""
    if actor.once and (made := SentForm.objects.filter(user=actor.signed_in, token=actor.once).first()):
        raise AlreadyMade(made.path)


def clear_old() -> None:
    """Forget forms that were sent more than a day ago."""
    SentForm.objects.filter(sent_at__lt=timezone.now() - KEPT).delete()
