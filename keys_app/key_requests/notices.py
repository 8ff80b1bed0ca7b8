"""The words of each notice about a request, and who gets it.

A notice says what happened in a few lines and links to the page; a decision is made there, signed in. What
people typed is quoted, without what looks like a credential.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from keys_app.core.actor import Actor, name_and_login
from keys_app.core.present import present
from keys_app.core.text import counted
from keys_app.core.times import duration, moment
from keys_app.notifications.notify import Wishes, notify
from keys_app.organisation import access
from keys_app.permissions.paste.credentials import drop_credentials

from . import deciders, turn
from .deciders import Around, DecisionDue
from .decision_models import Approval
from .models import KeyRequest
from .told import about

if TYPE_CHECKING:
    from keys_app.keys.models import ApiKey


MAX_QUOTED = 1500


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom notices about a request may be for, and how these get them: read before the request is locked.

    `around` is None where only its requester is told.
    """

    wishes: Wishes
    around: Around | None = None

    @classmethod
    def of(cls, key_request: KeyRequest) -> "Audience":
        """Read who is around a request's team, and what they and its requester wish."""
        around = Around.teams({key_request.team_id})
        return cls(Wishes.of([key_request.requester, *around.users]), around)

    @classmethod
    def requester(cls, key_request: KeyRequest) -> "Audience":
        """Read what a request's requester wishes."""
        return cls(Wishes.of([key_request.requester]))


def request_sent(key_request: KeyRequest, audience: Audience) -> None:
    """Tell those who may decide a new request."""
    title = f"{_requester(key_request)} asks for the key “{key_request}”"
    what = f"{_facts(key_request)}\n\nWhat for:\n{quoted(key_request.purpose)}"
    to_decide = deciders.deciders_of(key_request, (), audience.around)
    _ask("request.created", key_request, (title, what), to_decide, audience)


def second_approval_needed(
    key_request: KeyRequest, actor: Actor, approvals: Sequence[Approval], audience: Audience
) -> None:
    """Tell those who may give the next approval that one was given. `approvals` are those that stand now."""
    title, what = f"“{key_request}” needs another approval", f"{actor.label} has approved it.\n\n{_facts(key_request)}"
    to_decide = deciders.deciders_of(key_request, approvals, audience.around)
    _ask("request.approval_given", key_request, (title, what), to_decide, audience)


def request_nudged(key_request: KeyRequest, to_decide: Iterable[User], audience: Audience) -> None:
    """Remind those who may decide a request that it waits for them, in the name of its requester."""
    waited = duration(timezone.now() - key_request.pending_since)
    title = f"{_requester(key_request)} reminds you of the key “{key_request}”"
    what = f"It has waited for {waited}.\n\n{_facts(key_request)}"
    _ask("request.nudged", key_request, (title, what), to_decide, audience)


def _ask(
    kind: str, key_request: KeyRequest, words: tuple[str, str], to_decide: Iterable[User], audience: Audience
) -> None:
    title, what = words
    notify(
        kind,
        title=title,
        text=f"{what}\n\nRead and decide it here:",
        path=_approval_path(key_request),
        people=_reached(to_decide, key_request),
        team=key_request.team,
        about=about(key_request),
        wishes=audience.wishes,
    )


def request_decided(key_request: KeyRequest, actor: Actor, decision: str, reason: str, audience: Audience) -> None:
    """Tell the requester how it was decided. `decision` is one of `Approval.Decision`."""
    approved = decision == Approval.Decision.APPROVED
    next_step = f"Press “Issue key” until {moment(present(key_request.claim_until))}." if approved else ""
    parts = [f"{actor.label} {decision} your request.", _reason(reason), _facts(key_request), next_step]
    notify(
        f"request.{decision}",
        title=f"“{key_request}” is {decision}",
        text="\n\n".join(part for part in parts if part),
        path=key_request.get_absolute_url(),
        people=[key_request.requester],
        team=key_request.team,
        wishes=audience.wishes,
    )


def request_asked(key_request: KeyRequest, author: User, question: str, audience: Audience) -> None:
    """Tell the other side of a request what was asked or answered: its requester, or who has to do with it."""
    asks = author.pk != key_request.requester_id
    people = [key_request.requester] if asks else _other_side(key_request, audience)
    verb = "asks about" if asks else "answers about"
    notify(
        "request.asked" if asks else "request.answered",
        title=f"{name_and_login(author)} {verb} “{key_request}”",
        text=f"{quoted(question)}\n\n{_facts(key_request)}",
        path=key_request.get_absolute_url() if asks else _approval_path(key_request),
        people=people,
        team=key_request.team,
        wishes=audience.wishes,
    )


def _other_side(key_request: KeyRequest, audience: Audience) -> list[User]:
    """Return who hears a requester's answer: who asked since the answer before, who decided, and who may now.

    Whose turn it is would not be enough: once a request is approved, or glass was broken, it is no one's.
    """
    newest_first = key_request.comments.select_related("author").reverse()
    before = dropwhile(lambda one: one.author_id == key_request.requester_id, newest_first)
    asked = takewhile(lambda one: one.author_id != key_request.requester_id, before)
    decisions = list(key_request.approvals.select_related("approver"))
    standing = [one for one in decisions if one.stands]
    around = audience.around
    unreviewed = key_request.is_break_glass and not any(one.decision == Approval.Decision.REVIEWED for one in decisions)
    people = [
        *(one.author for one in asked),
        *(one.approver for one in decisions if one.approver),
        *deciders.deciders_of(key_request, standing, around),
        *(deciders.reviewers_of_each([key_request], around)[key_request.pk] if unreviewed else ()),
    ]
    return _reached(people, key_request)


def request_narrowed(
    key_request: KeyRequest, actor: Actor, removed: Iterable[str], reason: str, audience: Audience
) -> None:
    """Tell the requester what an approver took away; issuing the key accepts it."""
    taken = "\n".join(f"- {permission}" for permission in removed)
    parts = [
        f"{actor.label} approved less than you asked for. You accept it by issuing the key.",
        f"Taken away:\n{taken}" if taken else "",
        _reason(reason),
        _facts(key_request),
        f"Press “Issue key” until {moment(key_request.claim_until)}." if key_request.claim_until else "",
    ]
    notify(
        "request.narrowed",
        title=f"“{key_request}” was narrowed",
        text="\n\n".join(part for part in parts if part),
        path=key_request.get_absolute_url(),
        people=[key_request.requester],
        team=key_request.team,
        wishes=audience.wishes,
    )


def approval_void(key_request: KeyRequest, reason: str, due: DecisionDue | None) -> None:
    """Tell the requester and those who may decide now that what was approved no longer holds."""
    notify(
        "request.approval_void",
        title=f"“{key_request}” needs approval again",
        text=f"{reason}\n\nNo key was made. {turn.decided_by(due)}\n\n{_facts(key_request)}",
        path=key_request.get_absolute_url(),
        people=[key_request.requester, *_reached(due.users if due else (), key_request)],
        team=key_request.team,
        about=about(key_request),
    )


def _reached(people: Iterable[User], key_request: KeyRequest) -> list[User]:
    """Return those of the people whom mail reaches; where it reaches none of them, whom else it has to reach."""
    return access.or_leads_or_security(people, key_request.team, but_not=key_request.requester)


def approval_withdrawn(key_request: KeyRequest, actor: Actor, reason: str, due: DecisionDue | None) -> None:
    """Tell the requester, the leads of the team and who may decide now that an approval was withdrawn."""
    to_decide = _reached(due.users if due else (), key_request)
    people = [key_request.requester, *access.leads_of(key_request.team), *to_decide]
    parts = [_reason(reason), f"No key can be issued now. {turn.decided_by(due)}", _facts(key_request)]
    notify(
        "request.approval_withdrawn",
        title=f"{actor.label} withdrew an approval of “{key_request}”",
        text="\n\n".join(parts),
        path=key_request.get_absolute_url(),
        people=people,
        team=key_request.team,
        about=about(key_request),
    )


def rotated_on_old_approval(key_request: KeyRequest, key: "ApiKey", doubts: Iterable[str]) -> None:
    """Tell leads and Security that a key is rotated whose approval would not suffice, or is rated higher, today."""
    listed = "\n".join(f"- {doubt}" for doubt in doubts)
    notify(
        "key.rotate_started",
        title=f"{name_and_login(key.owner)} rotates “{key.name}”: look at its approval",
        text=f"A rotation needs no new approval. What is not as it was:\n{listed}\n\nRevoke the key if it must go.",
        path=key.get_absolute_url(),
        people=[*access.leads_of(key_request.team), *access.in_security()],
        team=key_request.team,
    )


def break_glass_used(key_request: KeyRequest, audience: Audience) -> None:
    """Tell all leads of the team, and everybody in Security, at once."""
    parts = [
        f"{_requester(key_request)} used break-glass: the key needs no approval, and this use has to be reviewed.",
        f"Incident: {key_request.incident}",
        _reason(key_request.purpose),
        _facts(key_request),
    ]
    around = present(audience.around)
    reviewers = deciders.reviewers_of_each([key_request], around)[key_request.pk]
    notify(
        "alarm.break_glass",
        title=f"Break-glass: “{key_request}” on {key_request.account}",
        text="\n\n".join(part for part in parts if part),
        path=_approval_path(key_request),
        people=[*around.leads_of(key_request.team_id), *reviewers],
        team=key_request.team,
        wishes=audience.wishes,
    )


def quoted(words: str) -> str:
    """Return somebody's words with a mark before each line, cut, and without what looks like a credential."""
    words, _ = drop_credentials(words)
    words = words if len(words) <= MAX_QUOTED else words[:MAX_QUOTED] + "…"
    return "\n".join(f"> {line}" for line in words.splitlines())


def _reason(reason: str) -> str:
    return f"Reason:\n{quoted(reason)}" if reason.strip() else ""


def _facts(key_request: KeyRequest) -> str:
    lines = {
        "Asked by": _requester(key_request),
        "Team": key_request.team,
        "Account": key_request.account,
        "Risk": key_request.rated_risk,
        "Lifetime": counted(key_request.lifetime_days, "day"),
        "Permissions": len(key_request.policy),
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


def _requester(key_request: KeyRequest) -> str:
    return name_and_login(key_request.requester)


def _approval_path(key_request: KeyRequest) -> str:
    return reverse("admin:keys_app_keyrequest_change", args=[key_request.pk])
