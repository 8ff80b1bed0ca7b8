"""Whose turn a request is, and what they do: one notion for pages, lists, titles, badges, mails and refusals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth.models import User

from keys_app.core.actor import display_name, name_list
from keys_app.core.present import present
from keys_app.core.text import label, ordinal
from keys_app.organisation.access import Person

from .deciders import DecisionDue, decisions_due, reviewers_of_each, why_closed
from .decision_models import Comment
from .models import KeyRequest
from .queries import TO_PRESS, Thread, is_overdue
from .states import RequestState

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from .queries import RequestNotes

_IN_A_TITLE = 2
NO_ONE = "No one may decide this request now. Ask a portal admin: its team needs a lead, or Security a user."


class Todo(StrEnum):
    """What there is to do about a request or a key."""

    ANSWER = "answer"
    DECIDE = "decide"
    ISSUE = "issue"
    REVIEW = "review"
    CONFIRM = "confirm"
    TAKE_OVER = "take over"
    RENEW = "renew"


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be done about a request or a key, whose turn it is, by login, and since when.

    `yours` says it to those users, as “give the second approval”; `theirs` names them to others in a sentence. `calls`
    is how a title begins for those whose turn it is.
    """

    todo: Todo
    whose: tuple[User, ...]
    yours: str
    theirs: str
    calls: str
    since: datetime

    def is_of(self, user: User) -> bool:
        """Tell whether it is this user's turn."""
        return any(one.pk == user.pk for one in self.whose)

    @property
    def yours_as_sentence(self) -> str:
        return f"{self.yours[0].upper()}{self.yours[1:]}."

    def words(self, user: User) -> str:
        """Say whose turn it is, and what is to be done, to this user."""
        return f"Your turn: {self.yours}." if self.is_of(user) else self.theirs

    def in_a_row(self, user: User) -> str:
        """Say it to this user in a row of a list."""
        return f"Your turn: {self.yours}" if self.is_of(user) else self.title(user)

    def title(self, user: User) -> str:
        """Return how the title of its page begins for this user."""
        if self.is_of(user) or not self.whose:
            return self.calls
        few = self.whose if len(self.whose) <= _IN_A_TITLE else self.whose[:1]
        others = f" or {len(self.whose) - 1} others" if len(few) < len(self.whose) else ""
        return f"Waiting for {name_list(few)}{others}"


def turn_of(turns: Sequence[Turn], user: User) -> Turn | None:
    """Return the turn to show this user first: their own, or else the first there is; None without any."""
    return next((one for one in turns if one.is_of(user)), turns[0] if turns else None)


def note_turns(rows: Iterable[Any], turns: Mapping[Any, Sequence[Turn]], user: User) -> None:
    """Note on each row of a list, as `turn`, which of its turns to show this user; None without any."""
    for row in rows:
        row.turn = turn_of(turns[row.pk], user)


def turns_of(
    key_request: "WithAnnotations[KeyRequest, RequestNotes]", due: Mapping[UUID, DecisionDue] | None = None
) -> list[Turn]:
    """Return whose turn one request of `visible_requests` is, the most pressing first: see `turns_of_each`."""
    return turns_of_each([key_request], due)[key_request.pk]


def turns_of_each(
    key_requests: "Iterable[WithAnnotations[KeyRequest, RequestNotes]]",
    due: Mapping[UUID, DecisionDue] | None = None,
) -> dict[UUID, list[Turn]]:
    """Return whose turn each of these requests of `visible_requests` is, the most pressing first.

    None where it is no one's: it is closed, overdue, or the portal is asking Twilio. A request can be the turn of two
    sides: while a question waits for its answer, the request can still be decided. However many requests and users
    there are, it takes the same few queries; which decisions are `due` is read unless it is given.
    """
    asked = list(key_requests)
    due = decisions_due(asked) if due is None else due
    reviewers = reviewers_of_each(one for one in asked if one.unreviewed)
    questions = _questions(one for one in asked if one.thread == Thread.ASKED)
    turns: dict[UUID, list[Turn]] = {}
    for one in asked:
        question, decision = questions.get(one.pk), due.get(one.pk)
        mine = [_answer(one, question)] if question else []
        if decision:
            mine.append(_decide(one, decision))
        elif one.state in TO_PRESS and not is_overdue(one):
            mine.insert(0, _issue(one))
        if one.unreviewed:
            mine.append(_review(one, tuple(reviewers[one.pk])))
        turns[one.pk] = mine
    return turns


def _questions(key_requests: Iterable[KeyRequest]) -> dict[UUID, Comment]:
    """Return the newest question of each of these requests, with its author."""
    asked = [one.pk for one in key_requests]
    newest = Comment.objects.filter(request__in=asked).select_related("author") if asked else ()
    return {comment.request_id: comment for comment in newest}  # ordered, so that the last one stays


def _answer(key_request: KeyRequest, question: Comment) -> Turn:
    asker = display_name(question.author)
    return Turn(
        Todo.ANSWER,
        whose=(key_request.requester,),
        yours=f"answer {asker}’s question",
        theirs=f"{display_name(key_request.requester)} answers {asker}’s question.",
        calls=f"Answer needed – {asker} asks",
        since=question.created_at,
    )


def _decide(key_request: KeyRequest, due: DecisionDue) -> Turn:
    which = "" if due.needed == 1 else f"give the {ordinal(due.given + 1)} approval of {due.needed}"
    return Turn(
        Todo.DECIDE,
        whose=due.users,
        yours=which or "approve or reject it",
        theirs=decided_by(due),
        calls=f"Your turn – {which or 'decide'}" if due.users else "No one may decide",
        since=key_request.pending_since,
    )


def _issue(key_request: KeyRequest) -> Turn:
    state = label(RequestState(key_request.state))
    return Turn(
        Todo.ISSUE,
        whose=(key_request.requester,),
        yours="issue the key",
        theirs=f"{display_name(key_request.requester)} issues the key.",
        calls=f"{state} – issue your key" if key_request.state == RequestState.APPROVED else f"{state} – look at why",
        since=present(key_request.approved_at),
    )


def _review(key_request: KeyRequest, reviewers: tuple[User, ...]) -> Turn:
    return Turn(
        Todo.REVIEW,
        whose=reviewers,
        yours="review why glass was broken",
        theirs=f"{name_list(reviewers) if reviewers else 'No one'} may review why glass was broken.",
        calls="Glass broken – review it" if reviewers else "Glass broken, not reviewed",
        since=key_request.created_at,
    )


def decided_by(due: DecisionDue | None) -> str:
    """Say by name who decides a pending request next, and with which approval; None if no one does any more."""
    if due is None or not due.users:
        return NO_ONE
    names = name_list(due.users)
    if due.of_security and due.needed == 1:
        return f"Security alone decides this request: {names}."
    if due.of_security:
        return f"Security gives the {ordinal(due.given + 1)} approval: {names}."
    if due.needed == 1:
        return f"{names} decides this request."
    return f"{names} gives the {ordinal(due.given + 1)} approval of {due.needed}."


def next_decider(key_request: KeyRequest) -> str:
    """Say by name whose approval is missing next on a pending request."""
    return decided_by(decisions_due([key_request]).get(key_request.pk))


def why_not_decidable(who: Person, key_request: KeyRequest, due: Mapping[UUID, DecisionDue] | None = None) -> str:
    """Return why this person cannot decide a request they can see; empty if they can.

    Which decisions are `due` is read unless it is given.
    """
    own = key_request.requester_id == who.user.pk
    if closed := why_closed(key_request):
        return f"{'This is your own request. ' * own}{closed} There is nothing to decide."
    mine = (decisions_due([key_request]) if due is None else due).get(key_request.pk)
    if own:
        return f"This is your own request. {decided_by(mine)}"
    if mine and who.user in mine.users:
        return ""
    return f"{_voice_used(who, key_request)} {decided_by(mine)}".lstrip()


def _voice_used(who: Person, key_request: KeyRequest) -> str:
    """Return by whom this person has decided already, or stands in for; empty if neither."""
    standing = key_request.approvals.standing()
    if standing.filter(approver=who.user).exists():
        return "You have approved this request."
    if standing.filter(authority=who.user).exists():
        return "Your deputy has approved this request for you."
    authorities = who.authorities.get(key_request.team_id, [])
    if authorities == [key_request.requester_id]:
        return "You stand in for the person who sent this request."
    if standing.filter(authority__in=authorities).exists():
        return "The lead you stand in for has approved this request."
    return ""
