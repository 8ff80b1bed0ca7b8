"""What a state means, what the reader can do next, and what happened before, in words.

The name of a state, as its badge shows it, is `core.text.label`; what stands beside it in a list is a `Mark` here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from keys_app.audit import ledger
from keys_app.connections.models import Connection
from keys_app.core.actor import name_and_login
from keys_app.core.present import present
from keys_app.core.times import duration, moment
from keys_app.key_requests import outcome
from keys_app.key_requests.approval_policy import ApprovalRequirement
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.key_requests.queries import Thread, is_overdue, replacements_left
from keys_app.key_requests.states import IssuanceState, RequestState
from keys_app.key_requests.turn import NO_ONE, Todo, Turn, turn_of
from keys_app.keys import refusals
from keys_app.keys.models import ApiKey
from keys_app.keys.states import KeyState
from keys_app.permissions.seen_policy import NoPolicy, stands_for_no_policy
from keys_app.reconcile.models import ReconcileRun, UnmanagedKey
from keys_app.twilio_errors.lookup import form_of

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from keys_app.key_requests.queries import RequestNotes


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to know about an object besides its state. `tone` is neutral, good, warn or bad."""

    label: str
    tone: str


@dataclass(frozen=True, slots=True)
class Status:
    """What a state means. `tone` is one of a `Mark`'s; `poll` says that Twilio is being asked, so it soon changes."""

    tone: str
    text: str
    next_step: str = ""
    poll: bool = False

    def poll_every(self, *, waits: bool) -> int:
        """Return after how many seconds its page looks again: sooner for Twilio than where users are waited for."""
        return 5 if self.poll else 15 * waits


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a history."""

    at: datetime
    who: str
    text: str
    reason: str = ""


NOT_REVIEWED = Mark("Glass broken, not reviewed", "bad")
ANSWER_NEEDED = Mark("Answer needed", "warn")
ANSWERED = Mark("Answered", "neutral")


def request_marks(key_request: "WithAnnotations[KeyRequest, RequestNotes]") -> list[Mark]:
    """Return what to know about a request, of those `visible_requests` finds, besides its state."""
    marks = {
        NOT_REVIEWED: key_request.unreviewed,
        ANSWER_NEEDED: key_request.thread == Thread.ASKED,
        ANSWERED: key_request.thread == Thread.ANSWERED,
        Mark("Outcome unknown", "warn"): key_request.outcome_unknown,
        Mark("Overdue", "warn"): is_overdue(key_request),
    }
    return [mark for mark, applies in marks.items() if applies]


def key_marks(key: ApiKey) -> list[Mark]:
    """Return what to know about a key besides its state."""
    active = key.state == KeyState.ACTIVE
    marks = {
        Mark("Overdue", "bad"): active and key.is_overdue,
        Mark("Not confirmed", "warn"): key.awaits_confirmation,
        Mark("Retiring", "warn"): active and key.retires_at,
        Mark("Changed outside", "bad"): active and key.is_changed,
        Mark(NoPolicy.STANDARD.words, "bad"): active and key.is_standard,
        Mark(NoPolicy.UNREADABLE.words, "bad"): active and key.is_unreadable,
        Mark("Adopted", "neutral"): key.adopted_at,
    }
    return [mark for mark, applies in marks.items() if applies]


def unmanaged_mark(key: UnmanagedKey) -> Mark:
    """Return the state of a key the portal did not make."""
    if key.is_the_portals:
        return Mark("The portal’s own", "neutral")
    if key.adopted_at:
        return Mark("Adopted", "good")
    if key.gone_at:
        return Mark("Gone", "neutral")
    if key.delete_since:
        return Mark("Being deleted", "warn")
    if key.is_in_doubt:
        return Mark("Keep or delete", "bad")
    return Mark(f"Proposed to {key.proposed_team}" if key.proposed_team else "No one’s", "warn")


def request_status(
    key_request: "WithAnnotations[KeyRequest, RequestNotes]",
    last: Issuance | None,
    key: ApiKey | None,
    turns: Sequence[Turn],
    user: User,
) -> Status:
    """Explain a request's state to a user who may see it.

    `last` is its latest attempt to issue, `key` its latest key, and `turns` whose turn it is.
    """
    match RequestState(key_request.state):
        case RequestState.PENDING:
            return _pending(key_request, turns, user)
        case RequestState.APPROVED:
            return _approved(key_request, last)
        case RequestState.ISSUING:
            return _issuing(key_request, last)
        case RequestState.FAILED:
            return _failed(key_request, last)
        case RequestState.ISSUED:
            return _after_rotation(_issued(key), key, last)
        case RequestState.REJECTED:
            return Status("bad", _rejection(key_request))
        case RequestState.CANCELLED:
            return Status("neutral", "The requester cancelled this request.")
    return Status("neutral", "It was not decided, or its approval not used, in time.")


def how_it_ended(key_request: KeyRequest) -> str:
    """Return how a request ended that came to no key, for the requester who sends it again, changed."""
    match RequestState(key_request.state):
        case RequestState.REJECTED:
            return _rejection(key_request)
        case RequestState.FAILED:
            return _failed(key_request, key_request.issuances.order_by("number").last()).text
        case RequestState.CANCELLED:
            return "You cancelled it."
    return "It was not decided, or its approval not used, in time."


def _approved(key_request: KeyRequest, last: Issuance | None) -> Status:
    before = _BEFORE[IssuanceState(last.state)] if last and last.state in _BEFORE else "No key exists yet."
    if last and last.state == IssuanceState.NOT_PROCESSED:
        before = f"{before} {refusals.busy(last.twilio_code, last.message)}".rstrip()
    return Status("good", f"Approved. {before}", outcome.press_until(key_request, "Press “Issue key”"))


def _rejection(key_request: KeyRequest) -> str:
    decision = key_request.approvals.filter(decision="rejected").select_related("approver").last()
    if decision is None:
        return "It was rejected."
    return f"{name_and_login(present(decision.approver))} rejected it: “{decision.reason}”"


_MAY_STILL_WORK = "Twilio has not confirmed the deletion yet; the key may still work."
_KEEPS_RETRYING = "Wait. The portal keeps retrying."


def _issued(key: ApiKey | None) -> Status:
    if key and key.state == KeyState.REVOKED:
        return Status("neutral", f"The key was issued, and revoked at {moment(present(key.revoked_at))}.")
    if key and key.state == KeyState.REVOKING:
        return Status(
            "warn",
            f"The key was issued, and is to be revoked. {_MAY_STILL_WORK}",
            f"{_KEEPS_RETRYING}{refusals.held_up(key.account)}",
            poll=True,
        )
    return Status("good", "The key was issued and its secret was shown once.")


def _pending(key_request: KeyRequest, turns: Sequence[Turn], user: User) -> Status:
    lapses = moment(key_request.pending_since + settings.PENDING_LAPSES_AFTER)
    if is_overdue(key_request):
        return Status("warn", f"No one decided this request by {lapses}, so it lapses.", "Send the request again.")
    text = next((one.theirs for one in turns if one.todo == Todo.DECIDE), NO_ONE)
    if ApprovalRequirement.now(key_request).total > 1:
        text = f"{ApprovalRequirement.now(key_request).words}. {text}"
    if key_request.reopened_at:
        text = f"It needs approval again. {key_request.reopened_reason} {text}"
    return Status("warn", f"{text} It lapses at {lapses} if no one decides.", _next_of(turn_of(turns, user), user))


def _next_of(turn: Turn | None, user: User) -> str:
    """Return what comes next of a pending request, unless its status says already who decides."""
    if turn is None or (turn.todo == Todo.DECIDE and not turn.is_of(user)):
        return ""
    return turn.yours_as_sentence if turn.is_of(user) else turn.theirs


def page_title(item: "ApiKey | WithAnnotations[KeyRequest, RequestNotes]", turns: Sequence[Turn], user: User) -> str:
    """Return the title of the page of a request or a key: what is to be done, or its state, and its name."""
    turn = turn_of(turns, user)
    if isinstance(item, ApiKey):
        name, marks = item.name or item.sid, key_marks(item)
    else:
        name, marks = item.friendly_name, request_marks(item)
    state = marks[0].label if marks else item.get_state_display()
    return f"{turn.title(user) if turn else state} · {name}"


_BEFORE = {
    IssuanceState.NOT_PROCESSED: "The last attempt was not processed by Twilio; nothing was created.",
    IssuanceState.ORPHAN_DELETED: "The answer to the last attempt was lost; the key it had made was deleted at Twilio.",
    IssuanceState.NEVER_CREATED: "The answer to the last attempt was lost; Twilio made no key.",
    IssuanceState.ISSUED: "The last key was given up because its secret was lost.",
}


ISSUE_AGAIN = "the key can be issued again"


def _issuing(key_request: "WithAnnotations[KeyRequest, RequestNotes]", last: Issuance | None) -> Status:
    again = "the key can be rotated again; the old one stays as it was" if last and last.rotates_id else ISSUE_AGAIN
    if last and any(key.is_in_doubt for key in UnmanagedKey.objects.filter(marker=last.marker)):
        return Status(
            "warn",
            "A key was found at Twilio that may be the one of this attempt. Nothing proves it, so it was not deleted.",
            "Wait for Security to keep or delete it. This page updates itself.",
            poll=True,
        )
    if key_request.outcome_unknown:
        return Status(
            "warn",
            "Twilio's answer was missing or could not be used. If Twilio made a key, its secret is lost.",
            f"Wait. The portal looks for that key and deletes it; then {again}. If Twilio made none, that takes at "
            f"least {duration(settings.RECONCILE_GRACE)}. This page updates itself.",
            poll=True,
        )
    return Status(
        "neutral",
        "The portal is asking Twilio for the key.",
        f"Wait. If no answer comes, the portal looks for the key, deletes it, and {again}. This page updates itself.",
        poll=True,
    )


def _failed(key_request: KeyRequest, last: Issuance | None) -> Status:
    if last and last.state == IssuanceState.BREACH:
        told = last.message.startswith("Twilio made")  # an older one has what was known before the breach
        made = last.message if told else "Twilio made a key that is not what was approved"
        return Status("bad", f"{made}. It was never shown.", "Tell Security before you try again.")
    if last is None:
        next_step = outcome.press_until(key_request, "Press “Issue key” again")
        return Status("bad", "Twilio refused to make this key. Nothing was created.", next_step)
    text = f"Twilio refused to make this key{_twilios_words(last)}. Nothing was created."
    return Status("bad", text, refusals.after_attempt(last, form_of(last.twilio_code, last.message)))


def _twilios_words(attempt: Issuance) -> str:
    """Return what Twilio said when it refused, as a clause: an unknown code too is shown with all its words."""
    code = f" (Twilio's code {attempt.twilio_code})" if attempt.twilio_code else ""
    return code + (f": {attempt.message.rstrip('.')}" if attempt.message else "")


def _after_rotation(status: Status, key: ApiKey | None, last: Issuance | None) -> Status:
    """Return the status of a key with what became of its last rotation, if that was refused and can be tried again."""
    if last is None or last.rotates_id is None or last.state != IssuanceState.REFUSED:
        return status
    if key is None or key.state != KeyState.ACTIVE or key.is_overdue:
        return status
    text = f"{status.text} Twilio refused to rotate it{_twilios_words(last)}. No new key was made."
    return Status("bad", text, refusals.after_attempt(last, form_of(last.twilio_code, last.message)))


def key_status(key: ApiKey) -> Status:
    """Explain a key's state to the people who may see it."""
    if key.state == KeyState.REVOKED:
        return Status("neutral", f"Gone at Twilio since {moment(present(key.revoked_at))}: {key.revoke_reason}")
    if key.state == KeyState.REVOKING:
        return Status("warn", _MAY_STILL_WORK, f"{_KEEPS_RETRYING}{refusals.held_up(key.account)}", poll=True)
    last = key.rotations.select_related("request__account").last() if key.request_id and not key.retires_at else None
    return _after_rotation(_active_key(key), key, last)


def _active_key(key: ApiKey) -> Status:
    if key.is_overdue:
        text = f"It should have ended at {moment(key.ends_at)} and may still work. The next run deletes it."
        return Status("bad", text, "Use another key now.")
    if key.retires_at:
        text = f"It was rotated. It works until {moment(key.retires_at)}; then the portal deletes it."
        return Status("warn", text, "Replace it with the new key everywhere before that.")
    if key.adopted_at:
        return Status("good", "The portal did not make this key. Its secret was never here.")
    if key.confirmed_at:
        return Status("good", "The owner has stored the secret.")
    if timezone.now() - key.issued_at < settings.CONFIRM_WITHIN:
        return Status("warn", "The owner has not confirmed yet that the secret is stored.")
    key_request = present(key.request)  # only an adopted key has none
    left = replacements_left(key_request) if key.owner_id == key_request.requester_id else 0
    lost = f"replace the key if the secret is lost ({left} left)" if left else "rotate or revoke it"
    next_step = f"The owner can say “I have stored it”, or {lost}."
    return Status("bad", "No one confirmed that the secret was stored.", next_step)


_WORDS = {
    "request.created": "sent the request",
    "request.approval_given": "approved it; another approval is needed",
    "request.approved": "approved it",
    "request.approval_void": "found that an approval no longer holds",
    "request.approval_withdrawn": "withdrew an approval",
    "request.narrowed": "narrowed it",
    "request.rated": "rated it anew",
    "request.commented": "wrote",
    "request.nudged": "reminded those who decide",
    "request.glass_broken": "broke glass for an incident",
    "request.reviewed": "reviewed it",
    "request.rejected": "rejected it",
    "request.cancelled": "cancelled it",
    "request.lapsed": "closed it",
    "access.refused": "was refused access",
    "key.issue_started": "pressed “Issue key”",
    "key.issue_refused": "got no key: Twilio refused",
    "key.issue_not_processed": "got no key: Twilio did not process it",
    "key.issue_unknown": "got no answer that can be used; the outcome is unknown",
    "key.issued": "issued key {key}",
    "key.policy_breach": "got a key with another policy, {key}; it was not shown",
    "key.breach_deleted": "had key {key} deleted at Twilio",
    "key.orphan_deleted": "deleted key {key}, whose secret nobody has",
    "key.never_created": "found that no key was made",
    "key.confirmed": "confirmed that the secret is stored",
    "key.replace_started": "gave up key {key} to replace it",
    "key.revoke_started": "asked for key {key} to be deleted",
    "key.revoked": "had key {key} deleted at Twilio",
    "key.breach": "found that key {key}, which was not what was approved, is gone",
    "key.rotate_started": "pressed “Rotate key” on {key}",
    "key.rotate_refused": "got no new key for {key}: Twilio refused",
    "key.rotate_not_processed": "got no new key for {key}: Twilio did not process it",
    "key.rotate_unknown": "got no answer that can be used while rotating {key}; the outcome is unknown",
    "key.rotated": "rotated key {key}; it stays until its overlap is over",
    "key.reminded": "reminded owner and team that key {key} expires",
    "key.vanished": "found that key {key} was deleted outside the portal",
    "key.reappeared": "found key {key} at Twilio though it was revoked",
    "key.came_back": "found key {key} at Twilio again; it counts as live",
    "key.drifted": "found that key {key} was changed outside the portal",
    "key.drift_cleared": "found key {key} as it was before it was changed",
    "key.owner_left": "asked the team's leads to take over key {key}: its owner left",
    "key.owner_back": "left key {key} with its owner, who is back",
    "key.handed_over": "took over key {key}; its secret was not shown",
    "key.adopted": "adopted key {key}, which the portal did not make",
    "key.adoption_proposed": "proposed key {key} to a team",
    "key.unmanaged_seen": "saw key {key}, which the portal never made",
    "key.unmanaged_gone": "no longer saw key {key}, which the portal never made",
    "trouble.began": "raised an alarm",
    "trouble.ended": "found that the trouble is over",
    "access_review.kept": "kept key {key} in an access review",
    "access_review.revoked": "had key {key} revoked in an access review",
}
_IN_PLACE_OF_A_POLICY = {
    ("key.policy_breach", NoPolicy.STANDARD): "got a Standard key with full access, {key}; it was not shown",
    ("key.policy_breach", NoPolicy.UNREADABLE): "got key {key}, whose policy cannot be read; it was not shown",
    ("key.drifted", NoPolicy.STANDARD): "found that key {key} is a Standard key at Twilio, with full access",
    ("key.drifted", NoPolicy.UNREADABLE): "found that the policy of key {key} at Twilio cannot be read",
}
_WITH_REASON = (
    "request.approval_given",
    "request.approved",
    "request.approval_void",
    "request.approval_withdrawn",
    "request.narrowed",
    "request.rated",
    "request.commented",
    "request.reviewed",
    "request.rejected",
    "request.lapsed",
    "key.revoke_started",
    "key.reappeared",
    "access_review.kept",
)


def history(*, request_id: object = "", key_sid: str = "") -> list[Moment]:
    """Return what the ledger says of a request or a key, oldest first."""
    return [
        Moment(
            event.time,
            event.who,
            _sentence(event.action, event.details).format(key=event.key_sid),
            str(event.details.get("message", "")) or (event.reason if event.action in _WITH_REASON else ""),
        )
        for event in ledger.history(request_id=str(request_id), key_sid=key_sid)
    ]


def _sentence(action: str, details: dict[str, object]) -> str:
    """Return what an event says, with `{key}` for its key. Older ones say null for what was there without a policy."""
    no_policy = stands_for_no_policy(details) if details.get("policy") else None
    by_policy = _IN_PLACE_OF_A_POLICY.get((action, no_policy)) if no_policy else None
    return by_policy or _WORDS.get(action, action)


_FINDINGS = {
    "orphans_deleted": "keys without a known secret deleted",
    "never_created": "attempts closed as never created",
    "still_open": "attempts still open",
    "connections_closed": "attempts to connect an account closed",
    "revoked": "keys revoked",
    "not_revoked": "keys not revoked yet",
    "vanished": "keys deleted outside the portal",
    "reappeared": "revoked keys that exist again",
    "compared": "keys compared",
    "drifted": "keys changed outside the portal",
    "unreadable": "keys whose policy cannot be read",
    "drift_cleared": "keys back as approved",
    "unmanaged_new": "keys seen that the portal never made",
    "unmanaged_gone": "of those gone",
    "owners_left": "keys whose owner left",
    "reminded": "reminders sent",
    "lapsed": "requests lapsed",
    "accounts_failed": "accounts not compared",
    "failures": "kinds of work failed",
}


def connection_in_words(connection: Connection) -> str:
    """Return what becomes of an attempt to connect an account of which something may be left at Twilio."""
    if connection.outcome or connection.in_flight_until <= timezone.now():
        return f"The reconciler removes what its check left at Twilio. {connection.message}".strip()
    return "Being connected: its credential is tried."


def findings_in_words(findings: dict[str, int]) -> str:
    """Return what a run of the reconciler did; how many attempts are open is always said."""
    counts = {name: findings.get(name, 0) for name in _FINDINGS}
    return "; ".join(_counted(n, _FINDINGS[name]) for name, n in counts.items() if n or name == "still_open")


def _counted(number: int, words: str) -> str:
    """Put a number before words that start with something in the plural."""
    return f"{number} {words.replace('s ', ' ', 1) if number == 1 else words}"


def run_in_words(run: ReconcileRun) -> str:
    """Return what a run did, after what it could not do."""
    return f"{run.error} {findings_in_words(run.findings)}".strip()
