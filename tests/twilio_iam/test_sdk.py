"""Twilio's own Python library works against the simulator, so the simulator speaks the contract."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from .simulator import StandIn

ALLOW = ["/twilio/messaging/messages/read", "/twilio/messaging/messages/list"]


class Redirected(TwilioHttpClient):
    """Sends what is meant for Twilio to the simulator."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        assert self.session is not None
        self.session.trust_env = False
        self._base = urlsplit(base_url)

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Response:
        there = urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc).geturl()
        return super().request(method, there, *args, **options)


@pytest.fixture
def sdk(standin: StandIn) -> Iterator[Any]:
    http = Redirected(standin.base_url)
    yield Client(standin.api_key, standin.api_secret, standin.account_sid, http_client=http).iam.v1
    assert http.session is not None
    http.session.close()


@pytest.fixture
def stranger(standin: StandIn) -> Any:
    http = Redirected(standin.base_url)
    return Client(standin.api_key, "wrong", standin.account_sid, http_client=http).iam.v1


def make(sdk: Any, standin: StandIn, name: str, allow: list[str]) -> Any:
    return sdk.new_api_key.create(
        account_sid=standin.account_sid, friendly_name=name, key_type="restricted", policy={"allow": allow}
    )


def test_it_creates_a_restricted_key(sdk: Any, standin: StandIn, name: str) -> None:
    made = make(sdk, standin, name, ALLOW)
    assert (made.friendly_name, len(made.secret), made.date_created.utcoffset().seconds) == (name, 32, 0)
    assert sorted(made.policy["allow"]) == sorted(ALLOW)
    assert made.policy["allow"] == sorted(ALLOW, reverse=True)
    stored = standin.key(made.sid)
    assert stored is not None
    assert stored["policy"] == sorted(ALLOW)


def test_all_five_actions_come_back_as_a_wildcard(sdk: Any, standin: StandIn, name: str) -> None:
    calls = [f"/twilio/voice/calls/{action}" for action in ("create", "delete", "list", "read", "update")]
    made = make(sdk, standin, name, [*calls, ALLOW[0]])
    assert made.policy == {"allow": ["/twilio/voice/calls/*", ALLOW[0]]}


def test_without_a_key_type_it_makes_a_standard_key(sdk: Any, standin: StandIn, name: str) -> None:
    made = sdk.new_api_key.create(account_sid=standin.account_sid, policy={"allow": ALLOW})
    assert (made.policy, made.friendly_name) == (None, None)


def test_it_lists_across_pages(sdk: Any, standin: StandIn, name: str) -> None:
    made = {make(sdk, standin, f"{name} {n}", ALLOW).sid for n in range(5)}
    before = standin.requests()["list"]
    listed = [key.sid for key in sdk.get_api_keys.list(account_sid=standin.account_sid, page_size=2)]
    assert made <= set(listed)
    mine = [key for key in standin.keys() if key["account"] == standin.account_sid]
    assert len(listed) == len(set(listed)) == len(mine)
    assert standin.requests()["list"] - before == -(-len(listed) // 2)


def test_it_fetches_updates_and_deletes(sdk: Any, standin: StandIn, name: str) -> None:
    sid = make(sdk, standin, name, ALLOW).sid
    assert sdk.api_key(sid).fetch().friendly_name == name
    changed = sdk.api_key(sid).update(friendly_name="other", policy={"allow": ALLOW[:1]})
    assert (changed.friendly_name, changed.policy) == ("other", {"allow": ALLOW[:1]})
    assert sdk.api_key(sid).delete() is True
    assert standin.key(sid) is None


def test_list_raises_the_general_exception_on_a_401(stranger: Any, standin: StandIn) -> None:
    with pytest.raises(TwilioException) as raised:
        stranger.get_api_keys.list(account_sid=standin.account_sid)
    assert type(raised.value) is TwilioException


def test_fetch_raises_with_code_and_status(sdk: Any, stranger: Any) -> None:
    for who, sid, status, code in (
        (stranger, "SK" + "0" * 32, 401, 20003),
        (sdk, "SK" + "0" * 32, 404, 20404),
        (sdk, "SK1", 400, 70002),
    ):
        with pytest.raises(TwilioRestException) as raised:
            who.api_key(sid).fetch()
        assert (raised.value.status, raised.value.code) == (status, code)


def test_a_restricted_key_lists_messages_only_with_the_permission(sdk: Any, standin: StandIn, name: str) -> None:
    for allow, may in ((ALLOW, True), (["/twilio/messaging/services/read"], False)):
        made = make(sdk, standin, name, allow)
        http = Redirected(standin.base_url)
        messages = Client(made.sid, made.secret, standin.account_sid, http_client=http).messages
        assert http.session is not None
        with http.session:
            if may:
                assert messages.list(limit=1) == []
            else:
                with pytest.raises(TwilioException, match="401"):
                    messages.list(limit=1)


def test_a_key_of_another_account_is_told_apart(standin: StandIn) -> None:
    parent = standin.account()
    below, http = standin.account(parent.sid), Redirected(standin.base_url)
    as_main = Client(parent.main.username, parent.main.password, below.sid, http_client=http)
    as_token = Client(parent.sid, parent.token.password, below.sid, http_client=http)
    assert http.session is not None
    with http.session:
        assert as_token.iam.v1.get_api_keys.list(account_sid=below.sid) == []
        with pytest.raises(TwilioException, match="401"):
            as_main.iam.v1.get_api_keys.list(account_sid=below.sid)
        assert as_main.messages.list(limit=1) == []
