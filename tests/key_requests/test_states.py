"""The steps between states are closed: nothing leads out of them, and ends are ends."""

import pytest

from keys_app.key_requests.states import OPEN_ISSUANCES, IssuanceState, RequestState, RequestStep, step_after
from keys_app.keys.states import KeyState, KeyStep


def after(state, steps):
    """Return the states that one step leads to from this one."""
    return {step.after for step in steps if state in step.before}


def before(state, steps):
    """Return the states from which one step leads to this one."""
    return {source for step in steps if step.after == state for source in step.before}


@pytest.mark.parametrize(("states", "steps"), [(RequestState, RequestStep), (KeyState, KeyStep)])
def test_every_step_leads_from_states_to_another_state(states, steps):
    for step in steps:
        assert step.before
        assert {*step.before, step.after} <= set(states)
    assert {step for step in steps if step.after in step.before} <= {RequestStep.REOPEN}


@pytest.mark.parametrize("final", [RequestState.REJECTED, RequestState.CANCELLED, RequestState.LAPSED])
def test_nothing_leads_out_of_a_final_state(final):
    assert after(final, RequestStep) == set()


def test_a_revoked_key_goes_back_to_be_deleted_again_or_as_one_that_had_only_vanished():
    """Whoever found a key deleted outside did not want it deleted: it works again if Twilio shows it again."""
    assert {step for step in KeyStep if KeyState.REVOKED in step.before} == {KeyStep.REAPPEARED, KeyStep.CAME_BACK}
    assert KeyStep.REAPPEARED.after == KeyState.REVOKING


def test_every_state_can_be_reached_and_every_other_one_can_be_left():
    final = {state for state in RequestState if not after(state, RequestStep)}
    reached, ahead = set(), {RequestState.PENDING}
    while ahead:
        reached |= ahead
        ahead = {target for state in ahead for target in after(state, RequestStep)} - reached
    assert reached == set(RequestState)
    assert final == {RequestState.REJECTED, RequestState.CANCELLED, RequestState.LAPSED}


def test_a_key_is_only_issued_by_way_of_an_approval():
    assert before(RequestState.ISSUED, RequestStep) == {RequestState.ISSUING}
    assert before(RequestState.ISSUING, RequestStep) == {
        RequestState.APPROVED,
        RequestState.FAILED,
        RequestState.ISSUED,
    }
    reopened = {RequestState.APPROVED, RequestState.FAILED, RequestState.PENDING}
    assert before(RequestState.PENDING, RequestStep) == reopened


def test_a_rotation_without_a_key_leaves_the_request_issued():
    outcomes = set(IssuanceState) - OPEN_ISSUANCES
    assert {step_after(outcome, rotation=True).after for outcome in outcomes} == {RequestState.ISSUED}
    assert step_after(IssuanceState.UNKNOWN, rotation=True) is None
    assert step_after(IssuanceState.UNKNOWN, rotation=False) is None
    for outcome in outcomes:
        assert step_after(outcome, rotation=False).before == (RequestState.ISSUING,)


def test_a_key_that_nobody_revoked_can_only_be_found_gone():
    assert before(KeyState.REVOKED, KeyStep) == {KeyState.REVOKING, KeyState.ACTIVE}
    assert before(KeyState.ACTIVE, KeyStep) == {KeyState.REVOKED}


def test_a_started_issuance_is_open():
    assert {IssuanceState.STARTED, IssuanceState.UNKNOWN} == OPEN_ISSUANCES
