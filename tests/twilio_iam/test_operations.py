"""Every operation, as Twilio's documentation says it works."""

from datetime import UTC, datetime
from typing import Any

import pytest

from keys_app.core.secret import Secret
from keys_app.permissions.catalogue import ACTIONS, catalogue
from keys_app.permissions.policy import Policy
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.errors import Rejected

from .simulator import StandIn

MISSING = "SK" + "0" * 32


def test_it_creates_a_restricted_key(client: TwilioIamClient, standin: StandIn, name: str, policy: Policy) -> None:
    created = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy)

    assert created.friendly_name == name
    assert created.policy == policy
    assert len(created.secret.reveal()) == 32
    assert created.secret.reveal() not in repr(created)
    assert standin.key(created.sid) == {
        "sid": created.sid,
        "friendly_name": name,
        "policy": list(policy),
        "account": standin.account_sid,
    }


def test_it_reads_a_wildcard_as_its_five_actions(client: TwilioIamClient, standin: StandIn, name: str) -> None:
    policy = Policy(("/twilio/voice/calls/*",))
    created = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy)
    assert created.policy == Policy.of(f"/twilio/voice/calls/{action}" for action in ACTIONS)


def test_it_sends_up_to_100_permissions(client: TwilioIamClient, standin: StandIn, name: str) -> None:
    policy = Policy.of([item.name for item in catalogue() if item.action != "*"][:100])
    created = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy)
    assert created.policy == policy


def test_it_lists_every_key_once_across_pages(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy
) -> None:
    made = {
        client.create_restricted_key(account_sid=standin.account_sid, friendly_name=f"{name} {n}", policy=policy).sid
        for n in range(7)
    }
    before = standin.requests()["list"]
    listed = list(client.list_keys(account_sid=standin.account_sid, page_size=2))

    known = [key["sid"] for key in standin.keys() if key["account"] == standin.account_sid]

    assert [key.sid for key in listed] == known
    assert made <= {key.sid for key in listed}
    assert standin.requests()["list"] - before == -(-len(listed) // 2)
    assert all(abs((key.date_updated or datetime.min) - datetime.now(UTC)).days == 0 for key in listed)


def test_it_fetches_a_key_with_its_policy(client: TwilioIamClient, standin: StandIn, name: str, policy: Policy) -> None:
    sid = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy).sid
    detail = client.fetch_key(sid)
    assert (detail.sid, detail.friendly_name, detail.policy) == (sid, name, policy)


def test_it_replaces_name_and_policy(client: TwilioIamClient, standin: StandIn, name: str, policy: Policy) -> None:
    sid = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy).sid
    other = Policy.of(["/twilio/voice/calls/read"])

    assert client.update_key(sid, friendly_name="renamed").policy == policy
    assert client.update_key(sid, policy=other).friendly_name == "renamed"
    assert client.fetch_key(sid).policy == other


def test_it_deletes_a_key_and_says_404_the_second_time(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy
) -> None:
    sid = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy).sid
    client.delete_key(sid)
    assert standin.key(sid) is None
    for again in (client.delete_key, client.fetch_key):
        with pytest.raises(Rejected) as raised:
            again(sid)
        assert (raised.value.status, raised.value.code) == (404, 20404)


def test_a_new_key_works_within_its_policy_until_it_is_deleted(
    client: TwilioIamClient, standin: StandIn, name: str
) -> None:
    lister = client.create_restricted_key(
        account_sid=standin.account_sid, friendly_name=name, policy=Policy.of(["/twilio/iam/api-keys/list"])
    )
    other = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=lister.policy)
    with standin.client(username=lister.sid, password=lister.secret) as theirs:
        assert lister.sid in {key.sid for key in theirs.list_keys(account_sid=standin.account_sid)}
        with pytest.raises(Rejected) as raised:
            theirs.delete_key(other.sid)
        assert (raised.value.status, raised.value.code) == (401, 20003)
        client.delete_key(lister.sid)
        with pytest.raises(Rejected):
            list(theirs.list_keys(account_sid=standin.account_sid))


def test_it_says_what_twilio_refused(client: TwilioIamClient, standin: StandIn, name: str) -> None:
    unknown = Policy(("/twilio/fakepermission/doesnotexist/read",))
    with pytest.raises(Rejected) as raised:
        client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=unknown)
    assert (raised.value.status, raised.value.code) == (400, 70002)
    assert raised.value.message == "assertion '/twilio/fakepermission/doesnotexist/read' is invalid"
    assert standin.named(name) == []


def test_a_wrong_credential_is_refused(standin: StandIn, name: str, policy: Policy) -> None:
    with standin.client(password=Secret("wrong")) as wrong, pytest.raises(Rejected) as raised:
        wrong.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy)
    assert (raised.value.status, raised.value.code, raised.value.message) == (401, 20003, "Authenticate")


def test_another_account_is_refused(client: TwilioIamClient) -> None:
    with pytest.raises(Rejected) as raised:
        list(client.list_keys(account_sid="AC" + "0" * 32))
    assert raised.value.code == 20404


@pytest.mark.parametrize(
    ("changes"),
    [
        {"policy": Policy(())},
        {"policy": Policy.of(f"/twilio/voice/calls/x{n}" for n in range(101))},
        {"friendly_name": "x" * 65},
        {"friendly_name": ""},
        {"account_sid": "AC123"},
        {"account_sid": "AC" + "0" * 32 + "\n"},
        {"account_sid": "SK" + "0" * 32},
    ],
)
def test_it_refuses_before_sending(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy, changes: dict[str, Any]
) -> None:
    before = standin.requests()
    arguments: dict[str, Any] = {
        "account_sid": standin.account_sid,
        "friendly_name": name,
        "policy": policy,
        **changes,
    }
    with pytest.raises(ValueError):
        client.create_restricted_key(**arguments)
    assert standin.requests() == before


def test_it_refuses_other_wrong_arguments_before_sending(client: TwilioIamClient, standin: StandIn) -> None:
    before = standin.requests()
    for call in (
        lambda: client.fetch_key("SK1/../../v1/Keys"),
        lambda: client.delete_key(""),
        lambda: client.update_key(MISSING),
        lambda: client.update_key(MISSING, policy=Policy(())),
        lambda: client.update_key(MISSING, friendly_name="x" * 65),
        lambda: client.list_keys(account_sid="AC1"),
        lambda: client.list_keys(account_sid=standin.account_sid, page_size=1001),
        lambda: client.list_keys(account_sid=standin.account_sid, page_size=0),
    ):
        with pytest.raises(ValueError):
            call()
    assert standin.requests() == before


def test_a_closed_client_sends_nothing(client: TwilioIamClient) -> None:
    client.close()
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.fetch_key(MISSING)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://iam.twilio.com",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://user:pw@iam.twilio.com",
        "https://iam.twilio.com?x=1",
        "https://iam.twilio.com/?",
        "https://iam.twilio.com#f",
        "https://iam.twilio.com:99999",
        "https://",
        "https://iam.twilio.com\n",
        "https://iam.twilio.com\\@evil.example",
        "iam.twilio.com",
        "",
    ],
)
def test_it_sends_no_credential_to_an_unsafe_address(base_url: str) -> None:
    with pytest.raises(ValueError):
        TwilioIamClient(base_url=base_url, username="SK1", password=Secret("x"))


@pytest.mark.parametrize(
    "base_url",
    [
        "https://iam.twilio.com",
        "https://iam.twilio.com/",
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://localhost",
    ],
)
def test_it_accepts_https_and_loopback(base_url: str) -> None:
    TwilioIamClient(base_url=base_url, username="SK1", password=Secret("x")).close()
