"""How many approvals, and by whom: the rule in Python, the lists of who may decide, and the triggers say the same."""

import re
from itertools import product

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from keys_app.key_requests import deciders
from keys_app.key_requests.approval_policy import BY_RISK, ApprovalRequirement, trigger_sql
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation import access
from keys_app.organisation.models import Account
from tests.cast import MAKE_KEYS, READ_USAGE, person

APPROVERS = {"lead": ["lead", "colead"], "security": ["security", "security2"]}


def give(cast, key_request, capacity, role, stage, void):
    person = cast.people[role]
    values = {"void_at": timezone.now(), "void_reason": "It was withdrawn."} if void else {}
    one = Approval.objects.create(
        request=key_request,
        approver=person,
        authority=person,
        capacity=capacity,
        decision="approved",
        stage=stage,
        content_digest=key_request.content_digest,
        created_at=timezone.now(),
    )
    Approval.objects.filter(pk=one.pk).update(**values) if void else None


def database_approves(key_request):
    """Tell whether the triggers let the request be approved; nothing is changed."""
    try:
        with transaction.atomic():
            KeyRequest.objects.filter(pk=key_request.pk).update(state="approved", approved_at=timezone.now())
            transaction.set_rollback(True)
    except DatabaseError:
        return False
    return True


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("leads", [1, 2])
@pytest.mark.parametrize(("risk", "permissions"), [("low", READ_USAGE), ("critical", MAKE_KEYS)])
def test_it_is_one_rule_in_python_orm_and_triggers(cast, risk, permissions, leads, void):
    """With `void` each approval was given once before and is void: it must not count, nor be in the way."""
    Account.objects.update(leads_required=leads)
    fresh = {
        "lead": person("lead3", "Team leads", cast.team, is_lead=True),
        "security": person("security3", "Security", None),
    }
    required = ApprovalRequirement.of(risk, Account.objects.first())
    assert required.leads == leads
    for by_leads, by_security in product(range(3), repeat=2):
        key_request = cast.ask(permissions=permissions, friendly_name=f"by-{by_leads}-{by_security}")
        given = ["lead"] * by_leads + ["security"] * by_security
        numbers = {"lead": iter(APPROVERS["lead"]), "security": iter(APPROVERS["security"])}
        for stage, capacity in enumerate(given, start=1):
            role = next(numbers[capacity])
            for old in [True, False] if void else [False]:
                give(cast, key_request, capacity, role, stage, old)
        case = f"{risk}, {leads} leads, given {given}"
        assert database_approves(key_request) is (sum(required.missing(given)) == 0), case
        turns = {
            name: deciders.waiting_for(access.Person(user)).filter(pk=key_request.pk).exists()
            for name, user in fresh.items()
        }
        expected = {
            "lead": required.missing(given).leads > 0,
            "security": required.missing(given).leads == 0 and required.missing(given).security > 0,
        }
        assert turns == expected, case


def same(sql):
    """Return SQL without regard to where its lines are broken."""
    return re.sub(r"\( | (?=\))", lambda match: match[0].strip(), " ".join(sql.split()))


def installed(name):
    """Return what the database says of a trigger: the statement, or in PostgreSQL its function's body and itself."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = %s", [name])
        else:
            cursor.execute(
                "SELECT prosrc, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid "
                "WHERE tgname = %s AND tgenabled = 'O'",
                [name],
            )
        (found,) = cursor.fetchall()
    return [same(text) for text in found]


@pytest.mark.parametrize("name", list(trigger_sql("sqlite")))
def test_the_triggers_are_made_of_the_same_rule(db, name):
    """If this fails the rule was changed: write a migration that installs what `trigger_sql` returns now."""
    expected = [same(statement) for statement in trigger_sql(connection.vendor)[name]]
    if connection.vendor == "postgresql":
        expected[0] = expected[0].partition("$$")[2].rpartition("$$")[0].strip()
        expected[1] = expected[1].replace(" ON ", " ON public.")
    assert installed(name) == expected


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_another_rule_makes_other_triggers(monkeypatch, vendor):
    before = trigger_sql(vendor)
    monkeypatch.setitem(BY_RISK, "high", BY_RISK["critical"])
    after = trigger_sql(vendor)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"request_approved_insert", "request_approved_update", "request_incident_insert"}
