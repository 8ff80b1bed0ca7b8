"""The steps between states are closed: nothing leads out of them, and ends are ends."""

import pytest

from keys_app.domain.states import (
    KEY_STEPS,
    OPEN_ISSUANCES,
    REQUEST_STEPS,
    IssuanceState,
    KeyState,
    RequestState,
    request_after,
)


@pytest.mark.parametrize(("states", "steps"), [(RequestState, REQUEST_STEPS), (KeyState, KEY_STEPS)])
def test_every_state_has_its_steps_and_they_lead_to_states(states, steps):
    assert set(steps) == set(states)
    for source, targets in steps.items():
        assert targets <= set(states)
        assert source not in targets


@pytest.mark.parametrize(
    "final", [RequestState.REJECTED, RequestState.CANCELLED, RequestState.LAPSED, KeyState.REVOKED]
)
def test_nothing_leads_out_of_a_final_state(final):
    steps = REQUEST_STEPS if isinstance(final, RequestState) else KEY_STEPS
    assert steps[final] == frozenset()


def test_every_state_can_be_reached_and_every_other_one_can_be_left():
    final = {state for state, targets in REQUEST_STEPS.items() if not targets}
    reached, ahead = set(), {RequestState.PENDING}
    while ahead:
        reached |= ahead
        ahead = {target for state in ahead for target in REQUEST_STEPS[state]} - reached
    assert reached == set(RequestState)
    assert final == {RequestState.REJECTED, RequestState.CANCELLED, RequestState.LAPSED}


def test_a_key_is_only_issued_by_way_of_an_approval():
    before = {
        target: {source for source, targets in REQUEST_STEPS.items() if target in targets} for target in RequestState
    }
    assert before[RequestState.ISSUED] == {RequestState.ISSUING}
    assert before[RequestState.ISSUING] == {RequestState.APPROVED, RequestState.FAILED, RequestState.ISSUED}
    assert before[RequestState.PENDING] == {RequestState.APPROVED, RequestState.FAILED}


def test_a_rotation_without_a_key_leaves_the_request_issued():
    outcomes = set(IssuanceState) - OPEN_ISSUANCES
    assert {request_after(outcome, rotation=True) for outcome in outcomes} == {RequestState.ISSUED}
    assert request_after(IssuanceState.UNKNOWN, rotation=True) == RequestState.ISSUING
    for outcome in outcomes:
        assert request_after(outcome, rotation=False) in REQUEST_STEPS[RequestState.ISSUING]


def test_a_key_that_nobody_revoked_can_only_be_found_gone():
    before = {source for source, targets in KEY_STEPS.items() if KeyState.REVOKED in targets}
    assert before == {KeyState.REVOKING, KeyState.ACTIVE}
    assert KeyState.ACTIVE not in set().union(*KEY_STEPS.values())


def test_a_started_issuance_is_open():
    assert {IssuanceState.STARTED, IssuanceState.UNKNOWN} == OPEN_ISSUANCES
