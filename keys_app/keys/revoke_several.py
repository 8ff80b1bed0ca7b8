"""Revoking several keys in one go: each by itself, and no longer than one answer of Twilio may take."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from keys_app.core.actor import Actor
from keys_app.core.errors import NotDeleted, NotRecorded, PortalError
from keys_app.core.text import require_reason

from .models import ApiKey
from .revoke import begin_revoking, delete_now


class SeveralOutcome:
    """What became of one of several things done in one go, each of which may have failed by itself."""

    __slots__ = ()
    error: PortalError | None

    @property
    def is_recorded(self) -> bool:
        """Whether it is recorded, though Twilio may not have deleted the key yet: the portal does that by itself."""
        return self.error is None or isinstance(self.error, NotDeleted | NotRecorded)

    @property
    def problem(self) -> str:
        """What went wrong and what happens now; empty if nothing did."""
        return f"{self.error.message} {getattr(self.error, 'next_step', '')}".strip() if self.error else ""


@dataclass(frozen=True, slots=True)
class Revocation(SeveralOutcome):
    """What became of one of several keys: whether its revocation is recorded, and what went wrong."""

    key: ApiKey
    error: PortalError | None = None


def revoke_several(*, keys: Iterable[ApiKey], reason: str, actor: Actor) -> list[Revocation]:
    """Revoke keys for one reason, each as `revoke_key` does, and say of each what became of it.

    The intents are committed one by one before Twilio is asked about the first. One that can't be revoked stops no
    other. Raises `InvalidInput` without a reason.
    """
    reason = require_reason(reason)
    begun, refused = [], {}
    keys = list(keys)
    for key in keys:
        try:
            begin_revoking(key=key, reason=reason, actor=actor)
            begun.append(key)
        except PortalError as error:
            refused[key.sid] = error
    failed = {**refused, **delete_each(begun, actor=actor)}
    return [Revocation(key, failed.get(key.sid)) for key in keys]


def delete_each(keys: Iterable[ApiKey], *, actor: Actor) -> dict[str, PortalError]:
    """Delete keys whose revocation is recorded, one after the other; return what went wrong, by SID.

    All of them together take no longer than one call to Twilio may, so that a page that asks for many is answered;
    the reconciler deletes the others.
    """
    failed: dict[str, PortalError] = {}
    until = time.monotonic() + settings.TWILIO_DEADLINE
    for key in keys:
        left = until - time.monotonic()
        try:
            if left < settings.TWILIO_DEADLINE / 10:  # too short for an answer
                raise NotDeleted(
                    "There was no time left to ask Twilio about this key.",
                    next_step="The key may still work. The portal deletes it by itself with the next run.",
                )
            delete_now(key=key, actor=actor, deadline=left)
        except PortalError as error:
            failed[key.sid] = error
    return failed
