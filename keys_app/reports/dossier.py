"""Everything the portal knows of one key or one person, for a file about them."""

from collections.abc import Iterator
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from keys_app.audit import ledger
from keys_app.core.actor import display_name
from keys_app.core.present import present
from keys_app.core.times import rfc3339
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.organisation.access import person

Record = dict[str, object]


def records_of_key(key: ApiKey) -> Iterator[Record]:
    """Return what a key is now, and its request with the decisions on it; an adopted key has none."""
    yield {
        "key": {
            "sid": key.pk,
            "name": key.friendly_name,
            "owner": key.owner.get_username(),
            "team": key.team.name,
            "account": key.account_id,
            "policy": list(key.policy) if key.policy_json else None,
            "risk": key.risk,
            "state": key.state,
            "issued_at": _written(key.issued_at),
            "adopted_at": _written(key.adopted_at),
            "expires_at": _written(key.expires_at),
            "retires_at": _written(key.retires_at),
            "confirmed_at": _written(key.confirmed_at),
            "changed_at_twilio": key.drift or None,
            "twilio_updated_at": _written(key.twilio_updated_at),
            "revoked_at": _written(key.revoked_at),
            "revoke_reason": key.revoke_reason,
        }
    }
    if key.request is None:
        return
    yield _request(key.request)
    for approval in key.request.approvals.select_related("approver", "authority"):
        yield _approval(approval)


def records_of_person(user: User) -> Iterator[Record]:
    """Return who somebody is, and their requests, keys and decisions, also those a deputy took in their place."""
    teams = {one.team.name: "lead" if one.is_lead else "member" for one in user.memberships.select_related("team")}
    yield {
        "person": {
            "username": user.get_username(),
            "name": display_name(user),
            "active": user.is_active,
            "superuser": user.is_superuser,
            "groups": sorted(person(user).groups),
            "teams": teams,
        }
    }
    for key_request in user.key_requests.select_related("requester", "team").order_by("created_at"):
        yield _request(key_request)
    for key in user.api_keys.select_related("owner", "team").order_by("issued_at"):
        yield next(records_of_key(key))
    theirs = Approval.objects.filter(Q(approver=user) | Q(authority=user))
    for approval in theirs.select_related("approver", "authority"):
        yield _approval(approval)


def _request(key_request: KeyRequest) -> Record:
    return {
        "request": {
            "id": str(key_request.pk),
            "name": key_request.friendly_name,
            "requester": key_request.requester.get_username(),
            "team": key_request.team.name,
            "account": key_request.account_id,
            "purpose": key_request.purpose,
            "ticket": key_request.ticket_url,
            "policy": list(key_request.policy),
            "risk": key_request.risk,
            "state": key_request.state,
            "created_at": _written(key_request.created_at),
        }
    }


def _approval(approval: Approval) -> Record:
    deputy = approval.capacity == Approval.Capacity.DEPUTY
    return {
        "decision": {
            "request": str(approval.request_id),
            "decision": approval.decision,
            "by": approval.approver.get_username() if approval.approver else f"rule “{approval.rule_name}”",
            "capacity": approval.capacity,
            "for": present(approval.authority).get_username() if deputy else None,
            "reason": approval.reason,
            "at": _written(approval.created_at),
            "void_at": _written(approval.void_at),
            "void_reason": approval.void_reason,
        }
    }


def _written(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def events_about(subject: ApiKey | User) -> QuerySet[ledger.AuditEvent]:
    """Return every event about a key and its request; or by a person, about their requests and keys, and about them."""
    if isinstance(subject, ApiKey):
        about = Q(key_sid=subject.pk)
        return ledger.matching().filter(about | Q(request_id=str(subject.request_id)) if subject.request_id else about)
    requests = [str(one) for one in subject.key_requests.values_list("pk", flat=True)]
    keys = list(subject.api_keys.values_list("pk", flat=True))
    edited = Q(action__startswith="user.", canonical__contains=f'"subject_id":"{subject.pk}"')
    return ledger.matching().filter(
        Q(actor_id=str(subject.pk)) | Q(request_id__in=requests) | Q(key_sid__in=keys) | edited
    )
