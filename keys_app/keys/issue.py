"""Issuing a key without ever losing one, and without keeping its secret.

Twilio's create call cannot be repeated safely and its answer is the only place the secret exists, so:
an intent with a random marker is committed first, Twilio is asked once outside any transaction, its
answer is checked, the outcome is committed, and only then does the caller get the secret to render.
A process that dies in between leaves an open `Issuance`; the reconciler finds the key by its marker.
After each commit the mark outside the database is raised: whoever puts an older database back can't hide that there
was an attempt, or a key somebody has the secret of.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys_app.audit.incarnation import advance, check
from keys_app.audit.incarnation.mark import LedgerMark
from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.errors import (
    AlreadyIssued,
    Conflict,
    MarkNotKept,
    NotAllowed,
    SecretWithheld,
    TwilioRefused,
    TwilioUnavailable,
)
from keys_app.core.present import present
from keys_app.core.secret import Secret
from keys_app.core.times import duration, moment
from keys_app.key_requests import approvals_today, outcome
from keys_app.key_requests.approval_policy import approvals_given, rated_today
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.expire import lapse
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.key_requests.queries import TO_PRESS, has_account, is_overdue, lock_request
from keys_app.key_requests.rating import record_rating
from keys_app.key_requests.reopen import reopen_void
from keys_app.key_requests.states import IssuanceState, RequestState, RequestStep, move_request
from keys_app.organisation import access
from keys_app.organisation.credentials import client_for, twilio_slot
from keys_app.organisation.models import Account
from keys_app.permissions.naming import marked_name
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.errors import NotProcessed, Rejected, TwilioError
from keys_app.twilio_iam.types import CreatedKey
from keys_app.users.limits import limited

from . import refusals
from .breaches import withdraw
from .issuance import begin_attempt, close_issuance, move_on, settle, unknown
from .models import ApiKey
from .revoke import record_retirement, retire
from .states import KeyState

log = logging.getLogger(__name__)

NOTHING_CREATED = "Nothing was created."
OVERDUE = "The approval was not used in time, so it lapses."
SHORTEST_LIFE = timedelta(minutes=5)
"""No key is made for a lifetime that ends before it could be put to use."""


class Intent(NamedTuple):
    """An attempt, and the mark outside the database that says there is one, to be raised after its commit."""

    issuance: Issuance
    mark: LedgerMark


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key whose row is committed, and its secret, which exists only here."""

    key: ApiKey
    secret: Secret


@sensitive_variables()
def issue_key(*, key_request: KeyRequest, actor: Actor) -> IssuedKey:
    """Make the key that was approved and return it with its secret, once. The request is read again under its lock.

    Raises `Conflict`, `NotAllowed`, `TooMany` or `PortalBusy` before anything is started, `ApprovalNeeded` where the
    approvals no longer suffice and the request went back to pending; `TwilioRefused`, `TwilioUnavailable`,
    `TwilioOutcomeUnknown` or `PolicyBreach` afterwards, each with the outcome committed.
    """
    if actor.user is None or key_request.requester_id != actor.user.pk:
        raise NotAllowed("Only the requester can issue the key.")
    if key_request.state in TO_PRESS and is_overdue(key_request):
        lapse(key_request, actor)
        raise Conflict("The approval was not used in time and has lapsed. Send the request again.")
    _check_state(key_request, ())  # as T1 does; here so that Twilio is not connected to in vain
    return make_key(key_request.account, lambda incarnation: _record_intent(key_request, incarnation, actor), actor)


@sensitive_variables()
def make_key(account: Account, record_intent: Callable[[str], Intent], actor: Actor) -> IssuedKey:
    """Take the five steps of making a key, for the first one of a request and for a rotation.

    `record_intent` is T1: given the incarnation of the database, it commits the attempt, or raises and no key is made.
    Raises `PortalBusy` or `MarkNotKept` before.
    """
    with twilio_slot(), client_for(account) as client:
        client.connect_ahead()  # nothing is sent on it before the attempt is durable
        issuance, of_attempt = record_intent(check.current())  # 1. durable, with a random marker
        _mark_attempt(issuance, of_attempt, actor)
        created = _ask_twilio(client, issuance, actor)  # 2. once
        if created.policy != issuance.request.policy:  # 3. nothing but what was approved is ever shown
            raise withdraw(client, issuance, created.sid, created.policy, actor)
        key, of_key = _record_key(issuance, created.sid, actor)  # 4. durable
        _mark_key(key, of_key)
    return IssuedKey(key, created.secret)  # 5. for the answer to the same POST


def why_not_issuable(key_request: KeyRequest, keys: Sequence[ApiKey], who: access.Person) -> str:
    """Return why “Issue key” would be refused to the requester now; empty if it would not. `keys`: the request's.

    The approvals are looked at when it is pressed: then the request goes back to whoever has to approve it anew.
    """
    if is_overdue(key_request):
        return OVERDUE
    try:
        _check_state(key_request, keys)
        require_access(key_request, who)
    except Conflict as error:
        return error.message
    return ""


def _record_intent(key_request: KeyRequest, incarnation: str, actor: Actor) -> Intent:
    """T1: approved → issuing with the marker, durable before Twilio is asked.

    Raises `ApprovalNeeded` where the approvals no longer suffice; then T1 has sent the request back to pending.
    """
    with limited("issues", actor):
        locked = lock_request(key_request.pk)
        _check_state(locked, locked.keys.all())
        standing = approvals_today.standing_approvals(locked)
        require_as_approved(locked, standing)
        require_access(locked, access.Person(actor.signed_in))
        today = approvals_today.approvals_today(locked, standing)
        if today.suffices:
            was = locked.risk
            move_request(locked, RequestStep.ISSUE, **rated_today(locked))  # the triggers count by it
            issuance = begin_attempt(locked, incarnation)
            record_rating(locked, was, actor)
            record("key.issue_started", actor, key_request=locked, marker=issuance.marker, attempt=issuance.number)
            return Intent(issuance, advance.next_mark())
        needed = reopen_void(locked, today, actor)
    raise needed


def _check_state(key_request: KeyRequest, keys: Iterable[ApiKey]) -> None:
    """Refuse a request that cannot be issued, with what there is to know about it."""
    if key_request.state == RequestState.ISSUED:
        key = key_request.keys.select_related("owner").latest("issued_at")
        raise AlreadyIssued(
            f"Key {key.sid} was issued at {moment(key.issued_at)} by {name_and_login(key.owner)}. A second "
            "one was not made, and the secret of the first cannot be shown again."
        )
    if key_request.state == RequestState.ISSUING:
        raise Conflict(f"{outcome.happened(key_request)} No second key was made. Its page shows the outcome.")
    if key_request.state not in RequestStep.ISSUE.before:
        raise Conflict(f"{outcome.happened(key_request)} No key was made.")
    keys = list(keys)
    if any(key.state == KeyState.REVOKING for key in keys):
        raise Conflict("Twilio has not deleted the key that is replaced yet. Try again when it is gone.")
    end = _end_of_first(keys)
    if end and end < timezone.now() + SHORTEST_LIFE:
        raise Conflict("The lifetime that was approved is over. Send a new request.")


def _end_of_first(keys: Iterable[ApiKey]) -> datetime | None:
    """Return when the first of a request's keys expires: one that replaces it does not live longer."""
    first = min(keys, key=lambda key: key.issued_at, default=None)
    return first.expires_at if first else None


def require_not_approved_by(key_request: KeyRequest, user: User) -> None:
    """Refuse a secret to whoever approved the request: they may own the key since its owner left."""
    if key_request.approvals.standing().filter(Q(approver=user.pk) | Q(authority=user.pk)).exists():
        raise Conflict("You approved this request yourself, so you get no key for it. Send a request of your own.")


def require_access(key_request: KeyRequest, who: access.Person) -> None:
    """Refuse unless this person may still have keys on the account, through the team."""
    if not has_account(who, key_request):
        raise Conflict(
            "The Twilio account is switched off, or no longer one of yours through the team of this request. "
            "No key is made. Ask a portal admin."
        )


def require_as_approved(key_request: KeyRequest, standing: Sequence[Approval]) -> None:
    """Refuse unless what is stored is what its `standing` approvals are of. If not, someone changed the database."""
    digest = key_request.content_digest
    approved = key_request.needs_no_approval or standing
    same = digest == key_request.current_digest and len(approvals_given(key_request, standing)) == len(standing)
    of_just_this = standing and all(one.content_digest == digest for one in standing)
    widened = not of_just_this and any(step.difference.added for step in key_request.narrowings.all())
    if widened or not (approved and same):
        raise Conflict("This request is not what was approved, so no key is made. Tell Security.")


def _mark_attempt(issuance: Issuance, mark: LedgerMark, actor: Actor) -> None:
    """Raise the mark to the attempt. Where that fails, Twilio is not asked, and `MarkNotKept` is raised."""
    try:
        advance.raise_to(mark)
    except MarkNotKept as error:
        settle(issuance, IssuanceState.NOT_PROCESSED, actor, error)
        raise


def _mark_key(key: ApiKey, mark: LedgerMark | None) -> None:
    """Raise the mark to the key: the secret is shown only if no older database can pass for one that knows the key."""
    try:
        advance.raise_to(present(mark))
    except Exception:  # whatever it is, the key is recorded and its secret not shown
        log.exception("the mark was not raised after key %s was issued, so its secret is not shown", key.pk)
        raise SecretWithheld(
            f"Key {key.pk} was made and recorded, but the portal's mark outside the database could not be written, so "
            "its secret is not shown.",
            next_step="Tell a portal admin. When the portal can write again, press “Replace key” on the key's page.",
        ) from None


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
        settle(issuance, IssuanceState.REFUSED, actor, error, code=error.code)
        refusals.tell(key_request.account, error, refusals.MAKING, actor)
        raise TwilioRefused(
            f"Twilio refused to make this key: {error.kept.rstrip('.')}. {NOTHING_CREATED}",
            code=error.code,
            next_step=refusals.after_attempt(issuance, error.form),
        ) from None
    except NotProcessed as error:
        settle(issuance, IssuanceState.NOT_PROCESSED, actor, error, code=error.code)
        raise TwilioUnavailable(
            f"Twilio did not take the request: {_words(error)}. {NOTHING_CREATED}",
            code=error.code,
            next_step=refusals.busy(error.code, error.message) + _try_again(issuance, error.retry_after),
        ) from None
    except TwilioError as error:
        settle(issuance, IssuanceState.UNKNOWN, actor, error)
        raise unknown(issuance, f"{_words(error)}.") from None


def _words(error: TwilioError) -> str:
    return error.message.rstrip(".")


def _try_again(issuance: Issuance, retry_after: float | None) -> str:
    when = f"in {duration(timedelta(seconds=max(1.0, retry_after)))}" if retry_after else "in a minute"
    if issuance.rotates_id:
        return f"Press “Rotate key” again {when}. The old key stays as it is."
    return f"Press “Issue key” again {when}. The approval still stands."


def _record_key(issuance: Issuance, key_sid: str, actor: Actor) -> tuple[ApiKey, LedgerMark | None]:
    """T2: issued, with the SID, durable before the secret is rendered. Return the mark to raise then, None without."""
    try:
        with transaction.atomic(durable=True):
            key_request = close_issuance(
                issuance,
                IssuanceState.ISSUED,
                expected={IssuanceState.STARTED},  # the reconciler says unknown before it deletes a key
                key_sid=key_sid,
            )
            move_on(issuance, key_request, IssuanceState.ISSUED)
            if issuance.rotates:
                retire(issuance.rotates, overlap_hours=present(issuance.overlap_hours), actor=actor)
            key = _store_key(issuance, key_request, key_sid, actor)
            if issuance.rotates:
                record_retirement(issuance.rotates, successor=key, actor=actor)
            rotates = {"rotates": issuance.rotates_id} if issuance.rotates_id else {}
            record("key.issued", actor, key=key, marker=issuance.marker, expires=key.expires_at, details=rotates)
            mark = _next_mark()
    except Exception as error:  # whatever it is, the reconciler will settle it
        log.exception("key %s was made but could not be recorded; the reconciler will delete it", key_sid)
        why = f" {error.message}" if isinstance(error, Conflict) and issuance.rotates_id else ""
        raise unknown(issuance, f"The key was made but could not be recorded, so it is not shown.{why}") from None
    return key, mark


def _next_mark() -> LedgerMark | None:
    """Return the mark that goes with this transaction, None if there can be none: the key is recorded all the same."""
    try:
        return advance.next_mark()
    except MarkNotKept as error:
        log.error("no mark can be raised: %s", error.why)
        return None


def _store_key(issuance: Issuance, key_request: KeyRequest, key_sid: str, actor: Actor) -> ApiKey:
    """Write the row of a new key. Its owner is whoever gets to see its secret."""
    now = timezone.now()
    first_ends = _end_of_first(key_request.keys.all()) if issuance.number > 1 else None
    return ApiKey.objects.create(
        sid=key_sid,
        request=key_request,
        issuance=issuance,
        account=issuance.request.account,  # as read before: the page with the secret needs no more of the database
        team=issuance.request.team,
        owner_id=actor.signed_in.pk,
        friendly_name=marked_name(key_request.friendly_name, issuance.marker),
        policy_json=key_request.policy_json,
        issued_at=now,
        expires_at=first_ends or now + timedelta(days=key_request.lifetime_days),
        checked_at=now,
    )
