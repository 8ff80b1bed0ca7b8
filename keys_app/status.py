"""Each state in words: what it means and what the person can do next."""

from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from .domain.states import IssuanceState, KeyState, RequestState
from .models import ApiKey, Issuance, KeyRequest
from .selectors import approvals_needed, display_name


@dataclass(frozen=True, slots=True)
class Status:
    """`tone` is neutral, good, warn or bad; `poll` asks the page to look again by itself."""

    label: str
    tone: str
    text: str
    next_step: str = ""
    poll: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a history."""

    at: object
    who: str
    text: str
    reason: str = ""


def _when(moment) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def request_status(key_request: KeyRequest, last: Issuance | None) -> Status:
    """Explain a request's state to its requester. `last` is its latest attempt to issue."""
    state = key_request.state
    if state == RequestState.PENDING:
        return _pending(key_request)
    if state == RequestState.APPROVED:
        return _approved(key_request, last)
    if state == RequestState.ISSUING:
        return _issuing(last)
    if state == RequestState.FAILED:
        return _failed(last)
    return {
        RequestState.ISSUED: Status("Issued", "good", "The key was issued and its secret was shown once."),
        RequestState.REJECTED: Status("Rejected", "bad", "An approver rejected this request.", "Send a new request."),
        RequestState.CANCELLED: Status("Cancelled", "neutral", "The requester took this request back."),
        RequestState.LAPSED: Status(
            "Lapsed",
            "neutral",
            "Nobody decided it, or nobody used the approval, in time.",
            "Send a new request.",
        ),
    }[RequestState(state)]


def _pending(key_request: KeyRequest) -> Status:
    lapses = _when(key_request.created_at + settings.PENDING_LAPSES_AFTER)
    if approvals_needed(key_request) == 2:
        text = "Critical: a lead of the team approves first, then Security."
        if key_request.approvals.exists():
            text = "A lead has approved it. Security gives the second approval."
    else:
        text = "A lead of the team decides this request."
    return Status("Pending", "warn", text, f"It lapses {lapses} if nobody decides.")


def _approved(key_request: KeyRequest, last: Issuance | None) -> Status:
    text = "Approved. No key exists yet."
    if last and last.state == IssuanceState.NOT_PROCESSED:
        text = f"Approved. The last attempt was not processed by Twilio ({last.message}); nothing was created."
    elif last and last.state == IssuanceState.ORPHAN_DELETED:
        text = "Approved. The answer to the last attempt was lost; the key it had made was deleted at Twilio."
    elif last and last.state == IssuanceState.NEVER_CREATED:
        text = "Approved. The answer to the last attempt was lost; Twilio made no key."
    elif last and last.state == IssuanceState.ISSUED:
        text = "Approved. The last key was given up and is being deleted, because its secret was lost."
    return Status("Approved", "good", text, f"The approval lapses {_when(key_request.claim_until)}.")


def _issuing(last: Issuance | None) -> Status:
    if last and last.state == IssuanceState.UNKNOWN:
        return Status(
            "Outcome unknown",
            "warn",
            "Twilio's answer was missing or could not be used. A key may exist at Twilio; its secret is lost.",
            "The portal looks for that key and deletes it; then the key can be issued again. Nothing to do here.",
            poll=True,
        )
    return Status(
        "Issuing",
        "neutral",
        "The portal is asking Twilio for the key.",
        "If this lasts for more than a few minutes, the answer was lost: the portal finds the key, deletes it, and "
        "the key can be issued again.",
        poll=True,
    )


def _failed(last: Issuance | None) -> Status:
    if last and last.state == IssuanceState.BREACH:
        return Status(
            "Failed",
            "bad",
            "Twilio made a key with another policy than the approved one. It was never shown.",
            "Tell Security before you try again.",
        )
    code = f" (Twilio's code {last.twilio_code})" if last and last.twilio_code else ""
    message = f": {last.message}" if last and last.message else ""
    return Status(
        "Failed",
        "bad",
        f"Twilio refused to make this key{code}{message}. Nothing was created.",
        "Try again, or cancel this request and send another one.",
    )


def key_status(key: ApiKey) -> Status:
    """Explain a key's state to the people who may see it."""
    if key.state == KeyState.REVOKED:
        return Status("Revoked", "neutral", f"Deleted at Twilio {_when(key.revoked_at)}: {key.revoke_reason}")
    if key.state == KeyState.REVOKING:
        return Status(
            "Being revoked",
            "warn",
            "Twilio has not confirmed the deletion yet; the key may still work.",
            "The portal goes on trying.",
            poll=True,
        )
    if key.confirmed_at:
        return Status("Active", "good", "The owner has stored the secret.")
    if timezone.now() - key.issued_at < settings.CONFIRM_WITHIN:
        return Status("Active, not confirmed", "warn", "The owner has not confirmed yet that the secret is stored.")
    return Status(
        "Active, not confirmed",
        "bad",
        "Nobody confirmed that the secret was stored.",
        "The owner can say “I have stored it”, or replace the key if the secret is lost.",
    )


_ATTEMPTS = {
    IssuanceState.STARTED: "pressed “Issue key”",
    IssuanceState.UNKNOWN: "pressed “Issue key”; the outcome is unknown",
    IssuanceState.ISSUED: "pressed “Issue key”; the key was issued",
    IssuanceState.REFUSED: "pressed “Issue key”; Twilio refused",
    IssuanceState.NOT_PROCESSED: "pressed “Issue key”; Twilio did not process it",
    IssuanceState.NEVER_CREATED: "pressed “Issue key”; no key was created",
    IssuanceState.ORPHAN_DELETED: "pressed “Issue key”; the answer was lost and the key deleted",
    IssuanceState.BREACH: "pressed “Issue key”; Twilio's key had another policy and was deleted",
}


def request_history(key_request: KeyRequest, issuances: list[Issuance]) -> list[Moment]:
    """Return what happened to a request, oldest first."""
    requester = display_name(key_request.requester)
    moments = [Moment(key_request.created_at, requester, "sent the request")]
    for approval in key_request.approvals.select_related("approver"):
        text = f"{approval.decision} it" + (" (second approval)" if approval.stage == 2 else "")
        moments.append(Moment(approval.created_at, display_name(approval.approver), text, approval.reason))
    for issuance in issuances:
        moments.append(
            Moment(issuance.started_at, requester, _ATTEMPTS[IssuanceState(issuance.state)], issuance.message)
        )
    return sorted(moments, key=lambda moment: moment.at)


def key_history(key: ApiKey) -> list[Moment]:
    """Return what happened to a key, oldest first."""
    owner = display_name(key.owner)
    moments = [Moment(key.issued_at, owner, "issued the key")]
    if key.confirmed_at:
        moments.append(Moment(key.confirmed_at, owner, "confirmed that the secret is stored"))
    if key.revoked_at:
        moments.append(Moment(key.revoked_at, "", "deleted at Twilio", key.revoke_reason))
    return moments
