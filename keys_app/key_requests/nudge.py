"""A reminder from the requester to those who may decide, at most once a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_list
from keys_app.core.errors import Conflict, NotAllowed
from keys_app.core.times import moment
from keys_app.notifications.recipients import recipients_of, without_mail
from keys_app.users.limits import limited

from .deciders import decisions_due, why_closed
from .models import KeyRequest
from .notices import Audience, request_nudged
from .queries import THREAD, Thread, lock_request
from .told import ToldOf, about, last_nudge
from .turn import NO_ONE, Todo, Turn, turn_of

EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Nudge:
    """A reminder that the requester may send; with `again` only from then on, since they did at `last`."""

    last: datetime | None
    again: datetime | None


def offered(key_request: KeyRequest, turns: Sequence[Turn], told: ToldOf, user: User) -> Nudge | None:
    """Return the reminder this user may send about a request; None if they may not, or it is no approver's turn."""
    turn = turn_of(turns, user)
    waits = turn is not None and turn.todo == Todo.DECIDE and bool(turn.whose)
    if not waits or key_request.requester_id != user.pk:
        return None
    return Nudge(told.nudged_at, _again(told.nudged_at))


def _again(last: datetime | None) -> datetime | None:
    """Return from when on another reminder may be sent; None if one may be now."""
    return last + EVERY if last and last + EVERY > timezone.now() else None


def send_reminder(*, key_request: KeyRequest, actor: Actor) -> str:
    """Remind those who may decide a pending request, as its requester, and say who was reminded and who can't be.

    Raises `NotAllowed` for others, `Conflict` if it is not an approver's turn or the last reminder was sent less than a
    day ago, `TooMany` for a user who wrote too much.
    """
    if key_request.requester_id != actor.signed_in.pk:
        raise NotAllowed("Only the requester sends a reminder.")
    audience = Audience.of(key_request)
    with limited("comments", actor):
        locked = lock_request(key_request.pk)  # of two presses the second waits here, and sees the first
        if closed := why_closed(locked):
            raise Conflict(f"{closed} No reminder was sent.")
        reminded = _whom(locked, audience)
        request_nudged(locked, reminded, audience)
        record("request.nudged", actor, key_request=locked, reminded=[user.get_username() for user in reminded])
    return _said(reminded)


def _said(reminded: Sequence[User]) -> str:
    """Return whom a reminder reaches and, where no mail does, whom its requester tells without the portal."""
    unreached = without_mail(reminded)
    reached = [user for user in reminded if user not in unreached]
    said = f"You reminded {name_list(reached, 'and')}." if reached else "Your reminder is recorded."
    return f"{said} No mail reaches {name_list(unreached)}: tell them yourself." if unreached else said


def _whom(key_request: KeyRequest, audience: Audience) -> list[User]:
    """Return whom a reminder is for. Raises `Conflict` where none may be sent now."""
    if KeyRequest.objects.filter(pk=key_request.pk).annotate(thread=THREAD).get().thread == Thread.ASKED:
        raise Conflict("It is your turn: answer the question first. No reminder was sent.")
    last = last_nudge(recipients_of(about(key_request)))
    if last and (again := _again(last)):
        raise Conflict(f"You reminded them at {moment(last)}; you can again at {moment(again)}.")
    due = decisions_due([key_request], around=audience.around).get(key_request.pk)
    reminded = list(due.users) if due else []
    if not reminded:
        raise Conflict(f"{NO_ONE} No reminder was sent.")
    return reminded
