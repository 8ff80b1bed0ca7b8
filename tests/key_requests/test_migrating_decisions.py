"""A database from before deputies, narrowing and rules comes up to date with its data and its triggers."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import KeyRequest

from .test_approval_rules import id_of, move, run

OLD = [("keys_app", "0004_probe")]
PEOPLE = {"asks": 1, "leads": 2, "secures": 3}
DIGEST = "a" * 64
POLICIES = {"low": '{"allow":["/twilio/billing/usage/read"]}', "critical": '{"allow":["/twilio/iam/api-keys/create"]}'}


def migrate(targets):
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


def newest():
    return MigrationExecutor(connection).loader.graph.leaf_nodes()


def old_request(apps, name, risk, approvals, state="pending"):
    """Write a request as the old portal did: first pending, then its decisions, then its state."""
    request = apps.get_model("keys_app", "KeyRequest").objects.create(
        requester_id=PEOPLE["asks"],
        team_id=1,
        account_id="AC" + "1" * 32,
        friendly_name=name,
        purpose="From before.",
        lifetime_days=30,
        policy_json=POLICIES[risk],
        content_digest=DIGEST,
        risk=risk,
        created_at=timezone.now(),
    )
    for stage, (who, decision) in enumerate(approvals, start=1):
        apps.get_model("keys_app", "Approval").objects.create(
            request=request,
            approver_id=PEOPLE[who],
            decision=decision,
            stage=stage,
            content_digest=DIGEST,
            reason="As it was.",
            created_at=timezone.now(),
        )
    apps.get_model("keys_app", "KeyRequest").objects.filter(pk=request.pk).update(
        state=state, approved_at=timezone.now() if state == "approved" else None
    )


def old_portal(apps):
    """Write what a portal of the time before could hold."""
    users = apps.get_model("auth", "User").objects
    for name, pk in PEOPLE.items():
        users.create(pk=pk, username=name)
    team = apps.get_model("keys_app", "Team").objects.create(pk=1, name="Payments")
    account = apps.get_model("keys_app", "Account").objects.create(
        sid="AC" + "1" * 32, name="Shop", environment="production", credential_user="SK" + "1" * 32,
        credential_ciphertext="x", connected_at=timezone.now(),
    )  # fmt: skip
    account.teams.add(team)
    old_request(apps, "waits", "low", [])
    old_request(apps, "approved", "low", [("leads", "approved")], "approved")
    old_request(apps, "half", "critical", [("leads", "approved")])
    old_request(apps, "both", "critical", [("leads", "approved"), ("secures", "approved")], "approved")
    old_request(apps, "refused", "critical", [("leads", "approved"), ("secures", "rejected")], "rejected")


@pytest.fixture
def migrated(transactional_db):
    """Go back to the old tables, fill them, come up to date; leave the newest tables empty behind."""
    try:
        old_portal(migrate(OLD))
        migrate(newest())
        yield
    finally:
        migrate(newest())


def test_it_keeps_the_data_and_says_whose_right_each_decision_was(migrated):
    states = dict(KeyRequest.objects.values_list("friendly_name", "state"))
    assert states == {"waits": "pending", "approved": "approved", "half": "pending", "both": "approved",
                      "refused": "rejected"}  # fmt: skip
    assert set(KeyRequest.objects.values_list("leads_required", "incident")) == {(1, "")}
    decisions = Approval.objects.order_by("request__friendly_name", "stage")
    fields = ("request__friendly_name", "decision", "approver__username", "authority__username", "capacity")
    assert list(decisions.values_list(*fields)) == [
        ("approved", "approved", "leads", "leads", "lead"),
        ("both", "approved", "leads", "leads", "lead"),
        ("both", "approved", "secures", "secures", "security"),
        ("half", "approved", "leads", "leads", "lead"),
        ("refused", "approved", "leads", "leads", "lead"),
        ("refused", "rejected", "secures", "secures", "security"),
    ]
    _triggers_hold()
    _old_approvals_count()


def refused(words, sql, *values):
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        run(sql, *values)


def _triggers_hold():
    waits = id_of(KeyRequest.objects.get(friendly_name="waits"))
    refused("what was asked for does not change", "UPDATE keys_app_keyrequest SET lifetime_days = 31")
    refused("a decision does not change", "UPDATE keys_app_approval SET capacity = 'lead'")
    jump = "UPDATE keys_app_keyrequest SET state = 'approved', approved_at = created_at WHERE id = %s"
    refused("approvals this request needs are missing", jump, waits)
    own = """INSERT INTO keys_app_approval (request_id, approver_id, authority_id, capacity, rule_name, decision,
        stage, content_digest, reason, created_at) VALUES (%s, 2, 1, 'deputy', '', 'approved', 1, %s, '', %s)"""
    refused("nobody decides their own request", own, waits, DIGEST, timezone.now())


def _old_approvals_count():
    """A critical request that was half approved before needs Security's approval still, and no more."""
    half = KeyRequest.objects.get(friendly_name="half")
    values = {"decision": "approved", "stage": 2, "content_digest": DIGEST, "capacity": "security"}
    half.approvals.create(approver_id=3, authority_id=3, created_at=timezone.now(), **values)
    move(half, "approved")
    assert half.state == "approved"
