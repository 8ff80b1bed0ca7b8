"""Issuing a key without ever losing one, and without keeping its secret.

Twilio's create call cannot be repeated safely and its answer is the only place the secret exists, so:
an intent with a random marker is committed first, Twilio is asked once outside any transaction, its
answer is checked, the outcome is committed, and only then does the caller get the secret to render.
A process that dies in between leaves an open `Issuance`; the reconciler finds the key by its marker.
"""

import logging
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from .. import selectors
from ..domain.errors import (
    AlreadyIssued,
    Conflict,
    NotAllowed,
    OutcomeUnknown,
    PolicyBreach,
    TwilioRefused,
    TwilioUnavailable,
)
from ..domain.naming import marked_name, new_marker
from ..domain.secret import Secret
from ..domain.states import OPEN_ISSUANCES, IssuanceState, KeyState, RequestState
from ..models import ApiKey, Approval, Issuance, KeyRequest
from ..twilio_iam.client import CreatedKey, TwilioIamClient
from ..twilio_iam.errors import NotProcessed, Rejected, TwilioError
from .actors import Actor, record
from .credentials import client_for
from .deleting import delete_at_twilio
from .requests import current_digest, lapse, require_guard_rails
from .slots import twilio_slot
from .transitions import move_request

log = logging.getLogger(__name__)

NOTHING_CREATED = "Nothing was created."
RECONCILED = (
    "The portal compares its records with Twilio's list, deletes a key nobody has the secret of, and then lets "
    "you press “Issue key” again. You need not do anything; this page shows when it is done."
)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key whose row is committed, and its secret, which exists only here."""

    key: ApiKey
    secret: Secret


@sensitive_variables()
def issue_key(*, request_id: uuid.UUID, actor: Actor) -> IssuedKey:
    """Make the key that was approved and return it with its secret, once.

    Raises `Conflict`, `NotAllowed` or `PortalBusy` before anything is started; `TwilioRefused`, `TwilioUnavailable`,
    `OutcomeUnknown` or `PolicyBreach` afterwards, each with the outcome committed.
    """
    key_request = _fetch_issuable(request_id, actor)
    with twilio_slot(), client_for(key_request.account) as client:
        issuance = _record_intent(key_request, actor)
        created = _ask_twilio(client, issuance, actor)
        if created.policy != issuance.request.policy:
            _withdraw(client, issuance, created.sid, actor)
        return IssuedKey(_record_key(issuance, created.sid, actor), created.secret)


def _fetch_issuable(request_id: uuid.UUID, actor: Actor) -> KeyRequest:
    key_request = KeyRequest.objects.select_related("account", "team").get(pk=request_id)
    if actor.user is None or key_request.requester_id != actor.user.pk:
        raise NotAllowed("Only the person who asked for a key can issue it.")
    unused = key_request.state in (RequestState.APPROVED, RequestState.FAILED)
    if unused and key_request.claim_until < timezone.now():
        lapse(key_request, actor, "The approval was not used in time.")
        raise Conflict("The approval was not used in time and has lapsed. Send the request again.")
    return key_request


def _record_intent(key_request: KeyRequest, actor: Actor) -> Issuance:
    """T1: approved → issuing with the marker, durable before Twilio is asked."""
    with transaction.atomic(durable=True):
        locked = KeyRequest.objects.select_for_update(no_key=True).get(pk=key_request.pk)
        _check_state(locked)
        _check_still_granted(locked, actor)
        move_request(locked, RequestState.ISSUING)
        issuance = Issuance.objects.create(
            request=locked,
            number=locked.issuances.count() + 1,
            marker=new_marker(),
            started_at=timezone.now(),
        )
        record("key.issue_started", actor, key_request=locked, marker=issuance.marker, attempt=issuance.number)
    return issuance


def _check_state(key_request: KeyRequest) -> None:
    """Refuse a request that cannot be issued, with what there is to know about it."""
    if key_request.state == RequestState.ISSUED:
        key = key_request.keys.select_related("owner").latest("issued_at")
        raise AlreadyIssued(
            f"Key {key.sid} was issued at {key.issued_at:%Y-%m-%d %H:%M} UTC by "
            f"{selectors.display_name(key.owner)}. A second one was not made, and the secret of the first "
            "cannot be shown again."
        )
    if key_request.state == RequestState.ISSUING:
        last = key_request.issuances.latest("number")
        raise Conflict(
            f"“Issue key” was pressed at {last.started_at:%Y-%m-%d %H:%M:%S} UTC and that attempt is not settled "
            "yet. A second key was not made. The request's page shows how it ends."
        )
    if key_request.state not in (RequestState.APPROVED, RequestState.FAILED):
        raise Conflict(f"This request is {key_request.get_state_display().lower()}. No key was made.")
    if key_request.keys.filter(state=KeyState.REVOKING).exists():
        raise Conflict("Twilio has not deleted the key that is replaced yet. Try again when it is gone.")
    end = _end_of_first_key(key_request)
    if end and end < timezone.now() + timedelta(minutes=5):
        raise Conflict("The lifetime that was approved is over. Send a new request.")


def _end_of_first_key(key_request: KeyRequest) -> datetime | None:
    """Return when the first key of this request expires: one that replaces it does not live longer."""
    return key_request.keys.order_by("issued_at").values_list("expires_at", flat=True).first()


def _check_still_granted(key_request: KeyRequest, actor: Actor) -> None:
    """Refuse unless what was approved is what is stored, and the requester still has the account."""
    digest = current_digest(key_request)
    given = key_request.approvals.filter(decision=Approval.Decision.APPROVED, content_digest=digest).count()
    if given < selectors.approvals_needed(key_request):
        raise Conflict("This request is not what was approved, so no key is made. Tell Security.")
    require_guard_rails(key_request)
    who = selectors.Person(actor.user)
    in_team = selectors.teams_for(who, key_request.account).filter(pk=key_request.team_id).exists()
    if not (key_request.account.is_active and in_team and who.may_request):
        raise Conflict(
            "The Twilio account is switched off, or no longer one of yours through the team of this request. "
            "No key is made. Ask a portal admin."
        )


@sensitive_variables()
def _ask_twilio(client: TwilioIamClient, issuance: Issuance, actor: Actor) -> CreatedKey:
    """Ask Twilio once. On anything but a readable success, commit the outcome and raise it."""
    key_request = issuance.request
    try:
        return client.create_restricted_key(
            account_sid=key_request.account_id,
            friendly_name=marked_name(key_request.friendly_name, issuance.marker),
            policy=key_request.policy,
        )
    except Rejected as error:
        _settle(issuance, IssuanceState.REFUSED, RequestState.FAILED, actor, error, code=error.code)
        raise TwilioRefused(
            f"Twilio refused to make this key: {_words(error)}. {NOTHING_CREATED}",
            code=error.code,
            next_step=_after_refusal(error),
        ) from None
    except NotProcessed as error:
        _settle(issuance, IssuanceState.NOT_PROCESSED, RequestState.APPROVED, actor, error, code=error.code)
        raise TwilioUnavailable(
            f"Twilio did not take the request: {_words(error)}. {NOTHING_CREATED}",
            code=error.code,
            next_step=_try_again(error.retry_after),
        ) from None
    except TwilioError as error:
        _settle(issuance, IssuanceState.UNKNOWN, None, actor, error)
        raise _unknown(f"{_words(error)}.") from None


def _unknown(what: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{what} It is not known whether Twilio made a key. If it did, its secret is lost.", next_step=RECONCILED
    )


def _words(error: TwilioError) -> str:
    return error.message.rstrip(".")


def _after_refusal(error: Rejected) -> str:
    if error.status in (401, 403):
        return "The portal's own credential was not accepted. Ask a portal admin to connect the account again."
    return "You can try again, or cancel this request and send one that Twilio accepts."


def _try_again(retry_after: float | None) -> str:
    when = f"in {max(1, round(retry_after))} seconds" if retry_after else "in a minute"
    return f"Press “Issue key” again {when}. The approval still stands."


def _settle(
    issuance: Issuance,
    outcome: IssuanceState,
    request_state: RequestState | None,
    actor: Actor,
    error: TwilioError,
    code: int | None = None,
) -> None:
    """T2 without a key: commit what became of the attempt. No `request_state` leaves it issuing."""
    with transaction.atomic(durable=True):
        key_request = close_issuance(issuance, outcome, twilio_code=code, message=error.message[:400])
        if request_state:
            move_request(key_request, request_state)
        record(
            f"key.issue_{outcome.value}",
            actor,
            key_request=key_request,
            marker=issuance.marker,
            twilio_code=code,
            message=error.message,
        )


def close_issuance(
    issuance: Issuance,
    outcome: IssuanceState,
    *,
    expected: Collection[IssuanceState] = OPEN_ISSUANCES,
    **values: object,
) -> KeyRequest:
    """Move an attempt from one of the `expected` states to `outcome`, under a lock on its request.

    Returns the request. Raises `Conflict` if somebody else has settled the attempt. Call it inside a
    transaction.
    """
    key_request = KeyRequest.objects.select_for_update(no_key=True).get(pk=issuance.request_id)
    rows = Issuance.objects.filter(pk=issuance.pk, state__in=expected, request__state=RequestState.ISSUING)
    if not rows.update(state=outcome, finished_at=timezone.now(), **values):
        raise Conflict("This attempt was settled meanwhile.")
    return key_request


def _withdraw(client: TwilioIamClient, issuance: Issuance, key_sid: str, actor: Actor) -> None:
    """Delete a key that does not carry the approved policy. It is never shown. Always raises."""
    log.error("Twilio made key %s with another policy than the approved one", key_sid)
    with transaction.atomic(durable=True):
        key_request = close_issuance(issuance, IssuanceState.UNKNOWN, key_sid=key_sid)
        record("key.policy_breach", actor, key_request=key_request, key_sid=key_sid, marker=issuance.marker)
    try:
        delete_at_twilio(client, account_sid=issuance.request.account_id, key_sid=key_sid)
    except TwilioError:
        raise PolicyBreach(
            "Twilio made a key with another policy than the approved one. It was not shown, but could not be "
            "deleted yet.",
            next_step="The portal goes on trying to delete it. Security has to look at this.",
        ) from None
    with transaction.atomic(durable=True):
        key_request = close_issuance(issuance, IssuanceState.BREACH)
        move_request(key_request, RequestState.FAILED)
        record("key.breach_deleted", actor, key_request=key_request, key_sid=key_sid, marker=issuance.marker)
    raise PolicyBreach(
        "Twilio made a key with another policy than the approved one. It was deleted at once and never shown.",
        next_step="Tell Security before you try again.",
    )


def _record_key(issuance: Issuance, key_sid: str, actor: Actor) -> ApiKey:
    """T2: issued, with the SID, durable before the secret is rendered."""
    try:
        with transaction.atomic(durable=True):
            key_request = close_issuance(
                issuance,
                IssuanceState.ISSUED,
                expected={IssuanceState.STARTED},  # the reconciler says unknown before it deletes a key
                key_sid=key_sid,
            )
            move_request(key_request, RequestState.ISSUED)
            now = timezone.now()
            end = _end_of_first_key(key_request) or now + timedelta(days=key_request.lifetime_days)
            key = ApiKey.objects.create(
                sid=key_sid,
                request=key_request,
                issuance=issuance,
                account_id=key_request.account_id,
                team_id=key_request.team_id,
                owner_id=key_request.requester_id,
                friendly_name=marked_name(key_request.friendly_name, issuance.marker),
                policy_json=key_request.policy_json,
                issued_at=now,
                expires_at=end,
            )
            record("key.issued", actor, key=key, marker=issuance.marker, expires=key.expires_at.isoformat())
    except (DatabaseError, Conflict):
        log.error("key %s was made but could not be recorded; the reconciler will delete it", key_sid)
        raise _unknown("The key was made but could not be recorded, so it is not shown.") from None
    return key
