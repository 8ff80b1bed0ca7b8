"""Who was told that a request waits for them, and by what: only what is known to be so."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import User

from keys_app.core.actor import name_list
from keys_app.notifications.models import NoticeRecipient
from keys_app.notifications.recipients import Recipient, recipients_of

from .models import KeyRequest
from .states import RequestState

if TYPE_CHECKING:
    from .turn import Turn

How = NoticeRecipient.How
NUDGED = "request.nudged"


@dataclass(frozen=True, slots=True)
class ToldLine:
    """Part of who was told, without its full stop, and when."""

    words: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ToldOf:
    """Who of those whose turn a pending request is was told, in lines; and when they were last reminded."""

    lines: Sequence[ToldLine] = ()
    nudged_at: datetime | None = None


def about(key_request: KeyRequest) -> str:
    """Return what notices about this request are said to be about."""
    return f"request:{key_request.pk}"


def told_of(key_request: KeyRequest, turns: "Sequence[Turn]") -> ToldOf:
    """Return who was told of a pending request since it waits for them; nothing of what an older portal sent."""
    if key_request.state != RequestState.PENDING:
        return ToldOf()
    rows = recipients_of(about(key_request))
    whose = {user.pk: user for turn in turns if turn.todo == "decide" for user in turn.whose}
    since = [row for row in rows if row.at >= key_request.pending_since]
    newest = {row.user_id: row for row in since if row.user_id in whose}
    unreached = [user for pk, user in whose.items() if since and pk not in newest and not user.email]
    lines = [
        *_lines(whose, newest.values()),
        *([ToldLine(_words(How.NO_ADDRESS, False, unreached))] if unreached else []),
    ]
    return ToldOf(tuple(lines), last_nudge(rows))


def last_nudge(rows: Iterable[Recipient]) -> datetime | None:
    """Return when the requester last sent a reminder."""
    return max((row.at for row in rows if row.kind == NUDGED), default=None)


def _lines(users: dict[int, User], rows: Iterable[Recipient]) -> Iterable[ToldLine]:
    """Return a line for each thing that became of a notice, with those it is true of."""
    alike: dict[tuple[str, datetime | None], list[Recipient]] = defaultdict(list)
    for row in rows:
        sent = row.sent_at.replace(second=0, microsecond=0) if row.sent_at else None
        alike["failed" if row.failed else row.how, sent].append(row)
    for (how, sent), some in alike.items():
        named = {row.user_id for row in some}
        yield ToldLine(_words(how, bool(sent), [user for pk, user in users.items() if pk in named]), sent)


def _words(how: str, is_sent: bool, users: Sequence[User]) -> str:
    names, many = name_list(users, "and"), len(users) > 1
    words: dict[str, str] = {
        "failed": f"The mail to {names} could not be sent",
        How.NO_ADDRESS: f"{names} {'have' if many else 'has'} no mail address here",
        How.DAILY: f"{names} {'get' if many else 'gets'} such mails once a day",
        How.NO_MAIL: f"No mail is sent here, so tell {names} yourself",
        How.MAIL: f"{names} {'were' if many else 'was'} told by mail"
        if is_sent
        else f"A mail to {names} is on its way",
    }
    return words[how]
