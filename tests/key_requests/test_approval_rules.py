"""Rules about approvals that the database holds whatever code writes."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import KeyRequest
from tests.cast import MAKE_KEYS, tamper

OWN = "nobody decides their own request"
DECIDED = "a decision does not change"
FIXED = "what was asked for does not change"
MISSING = "approvals this request needs are missing"
INSERT = """INSERT INTO keys_app_approval
    (request_id, approver_id, authority_id, capacity, rule_name, decision, stage, content_digest, reason, created_at)
    VALUES (%s, %s, %s, %s, '', %s, %s, %s, %s, %s)"""
MOVE = "UPDATE keys_app_keyrequest SET state = %s, approved_at = %s WHERE id = %s"
NEEDS_APPROVAL = ["approved", "issuing", "issued", "failed"]


def id_of(key_request):
    return KeyRequest._meta.pk.get_db_prep_value(key_request.pk, connection)


def run(sql, *values):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)


def approve(key_request, person, stage=1, decision="approved", digest=None):
    digest = key_request.content_digest if digest is None else digest
    capacity = "security" if stage == 2 else "lead"
    values = [person.pk, person.pk, capacity, decision, stage, digest, "because", timezone.now()]
    run(INSERT, id_of(key_request), *values)


def move(key_request, state):
    run(MOVE, state, timezone.now(), id_of(key_request))
    key_request.refresh_from_db()


@pytest.mark.parametrize("decision", ["approved", "rejected"])
@pytest.mark.parametrize("role", ["engineer", "lead", "admin"])
def test_nobody_decides_their_own_request(cast, role, decision):
    key_request = cast.ask()
    tamper(key_request, requester=cast.user(role))
    with pytest.raises(DatabaseError, match=OWN):
        approve(key_request, cast.user(role), decision=decision)
    assert not Approval.objects.exists()
    approve(key_request, cast.user("colead"), decision=decision)
    assert Approval.objects.count() == 1


def test_an_approval_cannot_become_the_requesters(cast):
    key_request = cast.ask()
    approve(key_request, cast.user("lead"))
    with pytest.raises(DatabaseError, match=DECIDED):
        run("UPDATE keys_app_approval SET approver_id = %s", cast.user("engineer").pk)
    assert Approval.objects.get().approver == cast.user("lead")


def test_an_approval_cannot_move_to_the_approvers_own_request(cast):
    own, other = cast.ask("lead"), cast.ask()
    approve(other, cast.user("lead"))
    with pytest.raises(DatabaseError, match=DECIDED):
        run("UPDATE keys_app_approval SET request_id = %s", id_of(own))


@pytest.mark.parametrize("state", NEEDS_APPROVAL)
def test_a_request_does_not_get_on_without_approval(cast, state):
    key_request = cast.ask()
    with pytest.raises(DatabaseError, match=MISSING):
        move(key_request, state)
    key_request.refresh_from_db()
    assert key_request.state == "pending"
    approve(key_request, cast.user("lead"))
    move(key_request, state)
    assert key_request.state == state


@pytest.mark.parametrize("state", NEEDS_APPROVAL)
def test_a_critical_request_does_not_get_on_with_one_approval(cast, state):
    key_request = cast.ask(permissions=MAKE_KEYS)
    approve(key_request, cast.user("lead"))
    with pytest.raises(DatabaseError, match=MISSING):
        move(key_request, state)
    key_request.refresh_from_db()
    assert key_request.state == "pending"
    approve(key_request, cast.user("security"), stage=2)
    move(key_request, state)
    assert key_request.state == state


@pytest.mark.parametrize("state", ["rejected", "cancelled", "lapsed"])
def test_a_request_ends_without_approval(cast, state):
    key_request = cast.ask()
    move(key_request, state)
    assert key_request.state == state


def test_an_approval_of_something_else_does_not_count(cast):
    key_request = cast.ask()
    approve(key_request, cast.user("lead"), digest="0" * 64)
    with pytest.raises(DatabaseError, match=MISSING):
        move(key_request, "approved")


def test_a_rejection_does_not_count(cast):
    key_request = cast.ask()
    approve(key_request, cast.user("lead"), decision="rejected")
    with pytest.raises(DatabaseError, match=MISSING):
        move(key_request, "approved")


def test_the_approval_of_another_request_does_not_count(cast):
    key_request, other = cast.ask(), cast.ask()
    assert key_request.content_digest == other.content_digest
    approve(other, cast.user("lead"))
    with pytest.raises(DatabaseError, match=MISSING):
        move(key_request, "approved")


def test_one_person_is_not_two_approvals(cast):
    key_request = cast.ask(permissions=MAKE_KEYS)
    approve(key_request, cast.user("security"))
    with pytest.raises(DatabaseError):
        approve(key_request, cast.user("security"), stage=2)
    assert Approval.objects.count() == 1


def test_what_was_approved_cannot_be_exchanged_afterwards(cast):
    key_request = cast.approved()
    with pytest.raises(DatabaseError, match=MISSING):
        run("UPDATE keys_app_keyrequest SET content_digest = %s", "0" * 64)
    with pytest.raises(DatabaseError, match=MISSING):
        run("UPDATE keys_app_keyrequest SET risk = 'critical' WHERE id = %s", id_of(key_request))


@pytest.mark.parametrize("state", NEEDS_APPROVAL)
def test_a_request_is_not_inserted_as_approved(cast, state):
    key_request = cast.ask()
    copied = KeyRequest.objects.get(pk=key_request.pk)
    copied.pk, copied.state, copied.approved_at = None, state, timezone.now()
    copied.pk = KeyRequest._meta.pk.get_default()
    with pytest.raises(DatabaseError, match=MISSING), transaction.atomic():
        copied.save(force_insert=True)
    copied.state = "pending"
    copied.save(force_insert=True)
    assert KeyRequest.objects.count() == 2


@pytest.mark.parametrize(
    "change",
    ["state = 'unheard-of'", "risk = 'none'", "lifetime_days = 0", "lifetime_days = 366"],
)
def test_a_request_keeps_to_known_values(cast, change):
    cast.ask()
    with pytest.raises(DatabaseError):
        run(f"UPDATE keys_app_keyrequest SET {change}")


def test_one_request_has_one_open_issuance(cast):
    key_request = cast.approved()
    now = timezone.now()
    key_request.issuances.create(number=1, marker="A" * 12, started_at=now)
    with pytest.raises(DatabaseError), transaction.atomic():
        key_request.issuances.create(number=2, marker="B" * 12, started_at=now, state="unknown")
    key_request.issuances.create(number=2, marker="B" * 12, started_at=now, state="refused")
    assert key_request.issuances.count() == 2


@pytest.mark.parametrize(
    "change", ["risk = 'low'", "lifetime_days = 364", "friendly_name = 'other'", "policy_json = '{}'"]
)
def test_what_was_asked_for_does_not_change(cast, change):
    key_request = cast.ask(permissions=MAKE_KEYS)
    with pytest.raises(DatabaseError, match=FIXED):
        run(f"UPDATE keys_app_keyrequest SET {change}")
    before = key_request.content_digest
    key_request.refresh_from_db()
    assert (key_request.risk, key_request.content_digest) == ("critical", before)
