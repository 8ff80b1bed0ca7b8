"""What became of a request or a key, read now: for a user who acted on an older page."""

from keys_app.core.actor import name_and_login
from keys_app.core.present import present
from keys_app.core.text import label
from keys_app.core.times import moment

from .models import KeyRequest
from .queries import is_overdue
from .states import RequestState


def happened(key_request: KeyRequest) -> str:
    """Return the state of a request, and who or what brought it there."""
    state = RequestState(key_request.state)
    return f"This request is {label(state).lower()}{_cause(key_request, state)}."


def _cause(key_request: KeyRequest, state: RequestState) -> str:
    if state == RequestState.ISSUED:
        key = key_request.keys.select_related("owner").latest("issued_at")
        return f": key {key.sid} was issued to {name_and_login(key.owner)} at {moment(key.issued_at)}"
    if state == RequestState.ISSUING:
        started = key_request.issuances.latest("number").started_at
        return f": the portal has been asking Twilio for the key since {moment(started)}, and the outcome is still open"
    if state in (RequestState.APPROVED, RequestState.REJECTED):
        last = key_request.approvals.filter(void_at=None).select_related("approver").last()
        who = "" if last is None else name_and_login(last.approver) if last.approver else f"the rule “{last.rule_name}”"
        return f": {who} decided it at {moment(last.created_at)}" if last else ""
    ends = {
        RequestState.CANCELLED: ": the requester cancelled it",
        RequestState.LAPSED: ": it was not decided, or its approval not used, in time",
        RequestState.FAILED: ": Twilio refused to make the key",
    }
    return ends.get(state, "")


def press_until(key_request: KeyRequest, what: str) -> str:
    """Return `what` the requester does, and until when: then the approval lapses, or has lapsed."""
    end = moment(present(key_request.claim_until))
    if is_overdue(key_request):
        return f"The approval was not used by {end}, so it lapses. Send the request again."
    return f"{what} before {end}; then the approval lapses."
