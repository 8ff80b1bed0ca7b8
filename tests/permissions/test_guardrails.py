"""Guardrails hold for every permission, and two of them together never allow more than one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.permissions.catalogue import PRODUCT_TITLES, WILDCARD, catalogue, expand
from keys_app.permissions.guardrails import GuardRails
from keys_app.permissions.risk import Risk, risk_of

NAMES = sorted(permission.name for permission in catalogue())
EXPLICIT = [name for name in NAMES if not name.endswith(WILDCARD)]
READ = "/twilio/messaging/messages/read"
SEND = "/twilio/messaging/messages/create"
CALL = "/twilio/voice/calls/create"
rails = st.builds(
    GuardRails,
    allowed_products=st.frozensets(st.sampled_from(sorted(PRODUCT_TITLES)), max_size=5),
    forbidden=st.frozensets(st.sampled_from(NAMES), max_size=10),
    max_risk=st.none() | st.sampled_from(list(Risk)),
    max_lifetime_days=st.none() | st.integers(1, 400),
)
policies = st.lists(st.sampled_from(NAMES), max_size=20, unique=True)
days = st.none() | st.integers(1, 400)


@given(policies, days)
def test_no_rails_stop_nothing(names, lifetime):
    assert GuardRails().problems(names, lifetime) == ()
    assert not [name for name in names if GuardRails().blocks(name)]


@given(rails, policies, days)
def test_a_set_has_a_problem_if_and_only_if_something_of_it_is_blocked(rail, names, lifetime):
    too_long = None not in (lifetime, rail.max_lifetime_days) and lifetime > rail.max_lifetime_days
    blocked = [name for name in names if rail.blocks(name)]
    assert bool(rail.problems(names, lifetime)) == bool(blocked or too_long)
    assert bool(rail.problems(names)) == bool(blocked)


@given(rails, policies)
def test_every_blocked_permission_is_named_and_no_other(rail, names):
    said = " ".join(rail.problems(names)).replace(",", " ").replace(". ", " ").rstrip(".").split()
    blocked = {one for name in names for one in expand(name) if rail.blocks(one)}
    assert {word for word in said if word.startswith("/twilio/")} == blocked


@given(rails, rails, policies, days)
def test_two_rails_together_allow_what_both_allow(one, other, names, lifetime):
    both = one | other
    for name in names:
        assert bool(both.blocks(name)) == bool(one.blocks(name) or other.blocks(name))
    assert bool(both.problems(names, lifetime)) == bool(
        one.problems(names, lifetime) or other.problems(names, lifetime)
    )


@given(rails, rails, rails)
def test_the_order_in_which_rails_are_joined_does_not_matter(one, other, third):
    assert one | other == other | one
    assert (one | other) | third == one | (other | third)
    assert one | one == one == one | GuardRails()


def test_rails_without_a_common_product_allow_nothing():
    both = GuardRails(frozenset({"voice"})) | GuardRails(frozenset({"messaging"}))
    assert all(both.blocks(name) == "The guardrails together allow no product." for name in EXPLICIT)
    assert (both | GuardRails(frozenset({"voice"}))).blocks(CALL)


@pytest.mark.parametrize(
    ("rail", "problem"),
    [
        (GuardRails(frozenset({"messaging", "verify"})), f"Only permissions of Messaging, Verify are allowed: {CALL}."),
        (GuardRails(forbidden=frozenset({CALL})), f"Forbidden by the guardrails: {CALL}."),
        (GuardRails(max_risk=Risk.LOW), f"The risk is medium, and low is the highest allowed: {SEND}, {CALL}."),
        (GuardRails(max_lifetime_days=30), "Maximum lifetime: 30 days. You chose 31."),
        (GuardRails(max_lifetime_days=1), "Maximum lifetime: 1 day. You chose 31."),
    ],
)
def test_a_problem_is_a_plain_sentence(rail, problem):
    assert problem in rail.problems([SEND, CALL], 31)


def test_each_broken_rule_is_said():
    rail = GuardRails(frozenset({"verify"}), frozenset({READ}), Risk.MEDIUM, 10)
    assert len(rail.problems([READ], 11)) == 4
    assert rail.problems([READ], 10) == rail.problems([READ])


def test_a_forbidden_wildcard_forbids_each_action_and_a_forbidden_action_its_wildcard():
    assert GuardRails(forbidden=frozenset({"/twilio/voice/calls/*"})).blocks(CALL)
    assert GuardRails(forbidden=frozenset({CALL})).blocks("/twilio/voice/calls/*")
    assert not GuardRails(forbidden=frozenset({CALL})).blocks("/twilio/voice/calls/read")
    assert GuardRails(forbidden=frozenset({"/twilio/voice/calls/*"})).forbidden == set(expand("/twilio/voice/calls/*"))


@pytest.mark.parametrize("risk", list(Risk))
def test_the_highest_risk_allowed_is_exact(risk):
    rail = GuardRails(max_risk=risk)
    assert all(bool(rail.blocks(name)) == (risk_of(name).weight > risk.weight) for name in EXPLICIT)


@pytest.mark.parametrize(
    "name", ["", "x", "voice/calls", "/twilio/voice/*", "/twilio/Voice/calls/read", "/twilio/voice/calls"]
)
def test_a_slip_in_what_is_forbidden_is_refused(name):
    with pytest.raises(ValueError, match="not permissions"):
        GuardRails(forbidden=frozenset({name}))


@pytest.mark.parametrize("name", ["", "x", "/twilio/voice", "/twilio/voice/calls/READ"])
def test_what_is_no_permission_is_blocked(name):
    assert GuardRails(max_risk=Risk.HIGH).blocks(name) == "Not a permission."


def test_it_joins_with_rails_only():
    with pytest.raises(TypeError):
        GuardRails() | {"voice"}
