"""How many approvals, and by whom: the rule in Python, the lists of who may decide, and the triggers say the same."""

from itertools import product

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from keys_app import selectors
from keys_app.domain.approval_rules import Need
from keys_app.models import Account, Approval, KeyRequest
from tests.cast import MAKE_KEYS, READ_USAGE, _person

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
        "lead": _person("lead3", "Team leads", cast.team, is_lead=True),
        "security": _person("security3", "Security", None),
    }
    need = Need.of(risk=risk, leads=leads)
    for by_leads, by_security in product(range(3), repeat=2):
        key_request = cast.ask(permissions=permissions, friendly_name=f"by-{by_leads}-{by_security}")
        given = ["lead"] * by_leads + ["security"] * by_security
        numbers = {"lead": iter(APPROVERS["lead"]), "security": iter(APPROVERS["security"])}
        for stage, capacity in enumerate(given, start=1):
            role = next(numbers[capacity])
            for old in [True, False] if void else [False]:
                give(cast, key_request, capacity, role, stage, old)
        case = f"{risk}, {leads} leads, given {given}"
        assert database_approves(key_request) is (need.missing(given) == 0), case
        turns = {
            name: selectors.waiting_for(selectors.Person(user)).filter(pk=key_request.pk).exists()
            for name, user in fresh.items()
        }
        expected = {
            "lead": need.leads_missing(given) > 0,
            "security": need.leads_missing(given) == 0 and need.missing(given) > 0,
        }
        assert turns == expected, case
