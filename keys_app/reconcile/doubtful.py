"""What a person decides about a key that may be an attempt's but is not proved to be: to keep it, or to delete it."""

from contextlib import suppress
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.connections.others import is_the_portals_own
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.db import compare_and_swap, lock_row
from keys_app.core.errors import Conflict
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.key_requests.states import OPEN_ISSUANCES, IssuanceState
from keys_app.keys.issuance import close_issuance, move_on
from keys_app.keys.models import ApiKey
from keys_app.twilio_iam.ensure_deleted import delete_at_twilio

from .account_run import Visit
from .models import IN_DOUBT, UnmanagedKey
from .orphans import close_without_key

DELETING = "deleting what a person decided"


def keep_key(entry: UnmanagedKey, actor: Actor) -> ApiKey | None:
    """Keep a key in doubt: with the owner, team, policy and lifetime of its attempt.

    Without a record of the attempt, or of a request, it stays a key the portal never made, for a lead to adopt, and
    None is returned. Raises `Conflict` if it was decided meanwhile.
    """
    issuance = Issuance.objects.filter(marker=entry.marker).select_related("request").first()
    with transaction.atomic(durable=True):
        if issuance is not None:
            lock_row(KeyRequest, issuance.request_id)
            issuance.refresh_from_db()
        key = _adopt(entry, issuance) if issuance and not ApiKey.objects.filter(pk=entry.pk).exists() else None
        _decide(entry, adopted_at=timezone.now() if key else None, weighed=None)
        if key is None:
            record("key.left_unmanaged", actor, account=entry.account, key_sid=entry.pk, marker=entry.marker)
        else:
            owner = {"owner": name_and_login(key.owner), "owner_id": str(key.owner_id)}
            record("key.kept", actor, key=key, marker=entry.marker, expires=key.expires_at, details=owner)
    return key


def _decide(entry: UnmanagedKey, **values: object) -> None:
    if not compare_and_swap(entry, IN_DOUBT, **values):
        raise Conflict("This key was decided about, or is gone, since you looked.")


def _adopt(entry: UnmanagedKey, issuance: Issuance) -> ApiKey:
    """Make the key one of the portal's. An open attempt to make a request's first key ends as if it had been recorded.

    The successor in a rotation, and the key of an attempt that was closed, belong to no request: the keys that it has
    are left as they are.
    """
    key_request, now = issuance.request, timezone.now()
    is_open = issuance.state in OPEN_ISSUANCES
    as_issued = is_open and issuance.rotates_id is None
    if is_open:
        close_issuance(issuance, IssuanceState.ISSUED, key_sid=entry.pk)
        move_on(issuance, key_request, IssuanceState.ISSUED)
    made = min(entry.created_at or issuance.started_at, now)
    return ApiKey.objects.create(
        sid=entry.pk,
        request=key_request if as_issued else None,
        issuance=issuance if as_issued else None,
        account=entry.account,
        team=key_request.team,
        owner=_owner(issuance),
        friendly_name=entry.friendly_name[: ApiKey._meta.get_field("friendly_name").max_length],
        policy_json=key_request.policy_json,
        issued_at=made,
        adopted_at=None if as_issued else now,
        expires_at=made + timedelta(days=key_request.lifetime_days),
    )


def _owner(issuance: Issuance) -> User:
    return issuance.rotates.owner if issuance.rotates else issuance.request.requester


def delete_key(entry: UnmanagedKey, actor: Actor) -> None:
    """Have a key in doubt deleted by the next run. Raises `Conflict` for the portal's own, or one decided meanwhile."""
    if is_the_portals_own(entry.pk):
        raise Conflict("The portal itself works with this key. It is not deleted.")
    with transaction.atomic(durable=True):
        if ApiKey.objects.filter(pk=entry.pk).exists():
            raise Conflict("This is a key of the portal. Revoke it on its page.")
        _decide(entry, delete_since=timezone.now(), delete_by=actor.label[:320])
        record("key.deletion_decided", actor, account=entry.account, key_sid=entry.pk, marker=entry.marker)


def carry_out_decisions(visit: Visit) -> None:
    """Delete what people decided is deleted, and close its attempt. Raises `TwilioError`."""
    for entry in UnmanagedKey.objects.filter(account=visit.account, delete_since__isnull=False, gone_at=None):
        if not visit.may_delete():
            return
        with visit.attempt(DELETING, entry.pk):
            delete_at_twilio(visit.client, account_sid=visit.account.sid, key_sid=entry.pk)
            _record_deletion(visit, entry)


def _record_deletion(visit: Visit, entry: UnmanagedKey) -> None:
    issuance = Issuance.objects.filter(marker=entry.marker, state__in=OPEN_ISSUANCES).first()
    with transaction.atomic(durable=True):
        key_request = None
        with suppress(Conflict):  # it was settled meanwhile
            key_request = issuance and close_without_key(issuance, IssuanceState.ORPHAN_DELETED, key_sid=entry.pk)
        if compare_and_swap(entry, Q(gone_at=None), gone_at=timezone.now()):
            about = {"key_request": key_request} if key_request else {"account": entry.account}
            record(
                "key.doubtful_deleted",
                visit.actor,
                **about,
                key_sid=entry.pk,
                marker=entry.marker,
                decided_by=entry.delete_by,
            )
            visit.found.orphans_deleted += 1
