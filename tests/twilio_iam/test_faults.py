"""Each way the other side can fail, and what the caller is told. One create is one request, always."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from keys_app.permissions.policy import Policy
from keys_app.permissions.seen_policy import NoPolicy
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.errors import NotProcessed, OutcomeUnknown, Rejected, TwilioError

from .simulator import StandIn
from .wire import CEILING

UNKNOWN_NOTHING_MADE = ["error_before", "drop_before", "redirect"]
UNKNOWN_KEY_MADE = ["error_after", "drop_after", "reset", "html", "truncated", "no_secret", "oversized"]


def create(standin: StandIn, name: str, policy: Policy, **limits: Any) -> TwilioError:
    """Try to create a key with one failure ordered, check that one request was sent, and return the error."""
    before = standin.requests()["create"]
    with standin.client(**limits) as client, pytest.raises(TwilioError) as raised:
        client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy)
    assert standin.requests()["create"] == before + 1
    return raised.value


@pytest.mark.parametrize("fault", UNKNOWN_NOTHING_MADE)
def test_the_outcome_is_unknown_and_nothing_was_made(standin: StandIn, name: str, policy: Policy, fault: str) -> None:
    standin.fault(fault)
    assert type(create(standin, name, policy)) is OutcomeUnknown
    assert standin.named(name) == []


@pytest.mark.parametrize("fault", UNKNOWN_KEY_MADE)
def test_the_outcome_is_unknown_and_a_key_was_made(standin: StandIn, name: str, policy: Policy, fault: str) -> None:
    standin.fault(fault)
    assert type(create(standin, name, policy)) is OutcomeUnknown
    assert len(standin.named(name)) == 1


def test_no_answer_in_time_is_unknown(standin: StandIn, name: str, policy: Policy) -> None:
    standin.fault("hang", seconds=20)
    error = create(standin, name, policy, read_timeout=0.3)
    assert type(error) is OutcomeUnknown
    assert "did not answer in time" in error.message
    assert len(standin.named(name)) == 1


@pytest.mark.parametrize("part", ["all", "body"])
def test_a_dripping_answer_ends_at_the_deadline(standin: StandIn, name: str, policy: Policy, part: str) -> None:
    standin.fault("drip", interval=0.2, part=part)
    started = time.monotonic()
    error = create(standin, name, policy, read_timeout=2.0, deadline=0.5)
    assert time.monotonic() - started < CEILING  # undisturbed it would drip for over a minute
    assert type(error) is OutcomeUnknown
    assert "deadline" in error.message
    assert len(standin.named(name)) == 1


def test_a_rate_limit_was_not_processed(standin: StandIn, name: str, policy: Policy) -> None:
    standin.fault("rate_limit", retry_after=7)
    error = create(standin, name, policy)
    assert isinstance(error, NotProcessed)
    assert (error.code, error.retry_after) == (20429, 7.0)
    assert standin.named(name) == []


def test_a_refusal_comes_with_twilios_code_and_words(standin: StandIn, name: str, policy: Policy) -> None:
    standin.fault("refuse", code=70001, message="no\x00 \x1b[31mthanks\u202e " + "x" * 400)
    error = create(standin, name, policy)
    assert isinstance(error, Rejected)
    assert (error.status, error.code) == (400, 70001)
    assert error.message.startswith("no [31mthanks xxx")
    assert len(error.message) <= 300


def test_a_refused_credential_is_rejected(standin: StandIn, name: str, policy: Policy) -> None:
    standin.fault("unauthorized")
    error = create(standin, name, policy)
    assert isinstance(error, Rejected)
    assert (error.status, error.code) == (401, 20003)


def test_a_policy_of_null_reaches_the_caller_as_a_standard_key(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy
) -> None:
    standin.fault("null_policy")
    created = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy)
    assert created.policy is NoPolicy.STANDARD
    assert client.fetch_key(created.sid).policy is NoPolicy.STANDARD


@pytest.mark.parametrize("options", [{}, {"allow": ["/twilio/voice/calls/read"]}])
def test_another_policy_reaches_the_caller_as_it_is(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy, options: dict[str, Any]
) -> None:
    standin.fault("other_policy", **options)
    created = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy)
    assert created.policy is not None
    assert created.policy != policy
    assert client.fetch_key(created.sid).policy == created.policy


Call = Callable[[TwilioIamClient, str, str], object]
OTHERS: dict[str, Call] = {
    "list": lambda client, account_sid, sid: list(client.list_keys(account_sid=account_sid)),
    "fetch": lambda client, account_sid, sid: client.fetch_key(sid),
    "update": lambda client, account_sid, sid: client.update_key(sid, friendly_name="other"),
    "delete": lambda client, account_sid, sid: client.delete_key(sid),
}


@pytest.mark.parametrize("operation", OTHERS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate_limit", NotProcessed),
        ("refuse", Rejected),
        ("error_before", OutcomeUnknown),
        ("drop_before", OutcomeUnknown),
        ("redirect", OutcomeUnknown),
        ("error_after", OutcomeUnknown),
        ("drop_after", OutcomeUnknown),
    ],
)
def test_the_other_operations_fail_in_the_same_three_ways(
    client: TwilioIamClient,
    standin: StandIn,
    policy: Policy,
    operation: str,
    fault: str,
    kind: type[TwilioError],
) -> None:
    created = client.create_restricted_key(account_sid=standin.account_sid, friendly_name="x", policy=policy)
    before = standin.requests()[operation]
    standin.fault(fault, operation=operation)
    with pytest.raises(TwilioError) as raised:
        OTHERS[operation](client, standin.account_sid, created.sid)
    assert type(raised.value) is kind
    assert standin.requests()[operation] == before + 1


@pytest.mark.parametrize("operation", ["list", "fetch", "update"])
@pytest.mark.parametrize("fault", ["html", "truncated", "reset", "oversized"])
def test_an_unreadable_answer_is_unknown(
    client: TwilioIamClient, standin: StandIn, policy: Policy, operation: str, fault: str
) -> None:
    created = client.create_restricted_key(account_sid=standin.account_sid, friendly_name="x", policy=policy)
    standin.fault(fault, operation=operation)
    with pytest.raises(OutcomeUnknown):
        OTHERS[operation](client, standin.account_sid, created.sid)


def _make(standin: StandIn, name: str, policy: Policy, client: TwilioIamClient) -> str:
    return client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy).sid


@pytest.mark.parametrize("fault", ["late_listing", "drop_after"])
def test_a_new_key_may_be_listed_only_after_a_delay(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy, fault: str
) -> None:
    standin.fault(fault, hide=3600)
    if fault == "drop_after":
        with pytest.raises(OutcomeUnknown):
            _make(standin, name, policy, client)
    else:
        _make(standin, name, policy, client)
    sid = standin.named(name)[0]["sid"]
    assert sid not in {key.sid for key in client.list_keys(account_sid=standin.account_sid)}
    assert client.fetch_key(sid).friendly_name == name
    standin.show_hidden()
    assert sid in {key.sid for key in client.list_keys(account_sid=standin.account_sid)}


def test_a_late_key_is_listed_by_itself_in_the_end(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy
) -> None:
    standin.fault("late_listing", hide=0.05)
    sid = _make(standin, name, policy, client)
    while sid not in {key.sid for key in client.list_keys(account_sid=standin.account_sid)}:
        time.sleep(0.01)


def test_a_key_that_is_listed_twice_is_yielded_twice(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy
) -> None:
    sid = _make(standin, name, policy, client)
    standin.fault("duplicates")
    assert [key.sid for key in client.list_keys(account_sid=standin.account_sid)].count(sid) == 2


def test_a_next_page_elsewhere_is_not_followed(client: TwilioIamClient, standin: StandIn) -> None:
    with StandIn() as elsewhere:
        standin.fault("foreign_page", url=f"{elsewhere.base_url}/v1/Keys?Page=1&PageToken=PT0")
        with pytest.raises(OutcomeUnknown, match="another address"):
            list(client.list_keys(account_sid=standin.account_sid))
        assert elsewhere.requests()["list"] == 0


def _fates(standin: StandIn, seed: int, client: TwilioIamClient) -> list[str]:
    faults = [{"fault": fault, "operation": "list"} for fault in ("rate_limit", "reset")]
    standin.mix(faults, rate=0.5, seed=seed)
    fates = []
    for _ in range(30):
        try:
            list(client.list_keys(account_sid=standin.account_sid))
            fates.append("answered")
        except TwilioError as error:
            fates.append(type(error).__name__)
    return fates


def test_a_mix_fails_at_random_and_the_same_seed_fails_the_same(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy
) -> None:
    first = _fates(standin, 7, client)
    assert set(first) == {"answered", "NotProcessed", "OutcomeUnknown"}
    assert _fates(standin, 7, client) == first
    assert _fates(standin, 8, client) != first
    assert _make(standin, name, policy, client)  # creating is not in the mix
    standin.clear_faults()
    for _ in range(10):
        list(client.list_keys(account_sid=standin.account_sid))


def test_the_truth_knows_every_key_and_secret_that_was_given_out(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy
) -> None:
    standin.fault("drop_before")
    with pytest.raises(OutcomeUnknown):
        _make(standin, f"{name} lost", policy, client)
    created = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy)
    client.delete_key(created.sid)
    truth = standin.truth()
    assert truth["asked"][-2:] == [f"{name} lost", name]
    assert truth["keys"][-1] == {
        "sid": created.sid,
        "friendly_name": name,
        "policy": list(policy),
        "secret_sha256": hashlib.sha256(created.secret.reveal().encode()).hexdigest(),
        "exists": False,
    }
