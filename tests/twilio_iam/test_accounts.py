"""Which credential works on which account's keys at the simulator, and what it says where one does not."""

import json
from typing import Any

import pytest
from requests import Response

from .simulator import Credential, StandIn, Tenancy
from .test_simulator import READ, ask

FIVE = {
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Credentials",
    "Access-Control-Expose-Headers",
}


@pytest.fixture
def parent(standin: StandIn) -> Tenancy:
    return standin.account()


@pytest.fixture
def below(standin: StandIn, parent: Tenancy) -> Tenancy:
    return standin.account(parent.sid)


def call(standin: StandIn, who: Credential, method: str, path: str, **options: Any) -> Response:
    return ask(standin, method, path, (who.username, who.password), **options)


def make(standin: StandIn, who: Credential, account_sid: str, policy: str = READ) -> Response:
    form = {"AccountSid": account_sid, "KeyType": "restricted", "Policy": policy}
    return call(standin, who, "POST", "/v1/Keys", data=form)


def listing(standin: StandIn, who: Credential, account_sid: str) -> Response:
    return call(standin, who, "GET", f"/v1/Keys?AccountSid={account_sid}")


def said(answer: Response) -> tuple[int, int | None]:
    return answer.status_code, answer.json().get("code") if answer.status_code >= 400 else None


def test_each_account_has_its_own_keys_and_credentials(standin: StandIn, parent: Tenancy, below: Tenancy) -> None:
    for one in (parent, below):
        for who in (one.token, one.main):
            assert said(make(standin, who, one.sid)) == (201, None)
        assert len(listing(standin, one.main, one.sid).json()["keys"]) == 2
    assert said(listing(standin, Credential(parent.sid, below.token.password), parent.sid)) == (401, 20003)
    assert said(listing(standin, Credential(parent.main.username, "x"), parent.sid)) == (401, 20003)


def test_a_parents_auth_token_works_below_and_its_main_key_does_not(
    standin: StandIn, parent: Tenancy, below: Tenancy
) -> None:
    assert said(listing(standin, parent.token, below.sid)) == (200, None)
    assert said(make(standin, parent.token, below.sid)) == (201, None)
    for refused in (listing(standin, parent.main, below.sid), make(standin, parent.main, below.sid)):
        assert said(refused) == (401, 70051)
    messages = f"/2010-04-01/Accounts/{below.sid}/Messages.json"
    assert said(call(standin, parent.main, "GET", messages)) == (200, None)  # the 2010 API is another matter


def test_a_key_of_another_account_is_refused(standin: StandIn, parent: Tenancy, below: Tenancy) -> None:
    other = standin.account()
    for who in (below.token, below.main, other.token, other.main):
        assert said(listing(standin, who, parent.sid)) == (401, 70051)
    assert said(listing(standin, parent.token, "AC" + "0" * 32)) == (404, 20404)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_whether_a_call_about_one_key_is_scoped_is_a_switch(
    standin: StandIn, parent: Tenancy, below: Tenancy, method: str
) -> None:
    """No one has published what Twilio does: these calls name no account."""
    other = standin.account()
    sid = make(standin, below.main, below.sid).json()["sid"]
    for who in (other.main, other.token, parent.main):
        assert said(call(standin, who, method, f"/v1/Keys/{sid}", data={"FriendlyName": "x"})) == (404, 20404)
    standin.scope_keys("any")
    assert call(standin, other.main, method, f"/v1/Keys/{sid}", data={"FriendlyName": "x"}).ok
    standin.clear_faults()
    sid = make(standin, below.main, below.sid).json()["sid"]
    assert said(call(standin, other.main, method, f"/v1/Keys/{sid}", data={"FriendlyName": "x"})) == (404, 20404)
    assert call(standin, parent.token, method, f"/v1/Keys/{sid}", data={"FriendlyName": "x"}).ok


@pytest.mark.parametrize("body", [{}, {"keys": "all"}, {"keys": 1}, {"keys": None}, []])
def test_it_refuses_an_unknown_scope(standin: StandIn, body: object) -> None:
    assert said(ask(standin, "POST", "/_sandbox/scope", json=body)) == (400, 20001)


def test_it_refuses_an_account_below_none(standin: StandIn) -> None:
    assert said(ask(standin, "POST", "/_sandbox/accounts", json={"parent": "AC" + "0" * 32})) == (400, 20001)


@pytest.mark.parametrize(
    ("path", "permission", "code"),
    [
        ("/2010-04-01/Accounts/{account}/Messages.json", "/twilio/messaging/messages/list", 70051),
        ("/v2/Services", "/twilio/verify/service/list", 8021),
    ],
)
def test_a_restricted_key_needs_the_permission_for_another_api(
    standin: StandIn, parent: Tenancy, path: str, permission: str, code: int
) -> None:
    path = path.format(account=parent.sid)
    without, having = (
        make(standin, parent.main, parent.sid, json.dumps({"allow": [name]})).json()
        for name in ("/twilio/messaging/services/read", permission)
    )
    refused = call(standin, Credential(without["sid"], without["secret"]), "GET", path)
    assert said(refused) == (401, code)
    missing = f"Authorization Error: required permission {permission[1:]} is missing"
    assert refused.json()["message"] == missing
    for who in (Credential(having["sid"], having["secret"]), parent.main, parent.token):
        assert said(call(standin, who, "GET", path)) == (200, None)
    assert said(call(standin, Credential(having["sid"], "x"), "GET", path)) == (401, 20003)


def test_a_key_of_another_account_cannot_list_its_messages(standin: StandIn, parent: Tenancy) -> None:
    answer = call(standin, standin.account().main, "GET", f"/2010-04-01/Accounts/{parent.sid}/Messages.json")
    assert said(answer) == (401, 70051)
    assert answer.json()["message"] == "Authorization Error: actor doesn't have any assertions"


def test_the_maximum_of_keys_is_each_accounts_own(standin: StandIn, parent: Tenancy, below: Tenancy) -> None:
    standin.limit_keys(1)
    assert said(make(standin, parent.main, parent.sid)) == (201, None)
    assert said(make(standin, parent.main, parent.sid)) == (400, 70151)
    assert said(make(standin, below.main, below.sid)) == (201, None)


def test_every_answer_has_all_five_headers_and_says_whose_it_is(standin: StandIn, parent: Tenancy) -> None:
    made = make(standin, parent.main, parent.sid)
    path = f"/v1/Keys/{made.json()['sid']}"
    standin.fault("rate_limit", operation="list")
    answers = [
        made,
        ask(standin, "GET", f"/v1/Keys?AccountSid={standin.account_sid}"),
        ask(standin, "GET", "/v1/Keys"),
        ask(standin, "GET", path),
        ask(standin, "GET", path, ("SK1", "x")),
        ask(standin, "GET", "/nowhere"),
        call(standin, parent.main, "GET", path),
        call(standin, parent.main, "DELETE", path),
        ask(standin, "OPTIONS", "/v1/Keys", ("", "")),
        ask(standin, "OPTIONS", path, ("", "")),
    ]
    assert [answer.status_code for answer in answers] == [201, 429, 400, 404, 401, 404, 200, 204, 204, 204]
    for answer in answers:
        assert set(answer.headers) >= {*FIVE, "Twilio-Simulator"}


@pytest.mark.parametrize(("status", "message"), [(401, "Policy evaluation failed"), (403, "Policy evaluation failed")])
def test_20003_has_more_texts_than_one(standin: StandIn, status: int, message: str) -> None:
    standin.fault("unauthorized", operation="list", status=status, message=message)
    answer = ask(standin, "GET", f"/v1/Keys?AccountSid={standin.account_sid}")
    assert (*said(answer), answer.json()["message"]) == (status, 20003, message)


def test_names_are_counted_in_utf16(standin: StandIn, parent: Tenancy) -> None:
    form = {"AccountSid": parent.sid, "KeyType": "restricted", "Policy": READ}
    for name, expected in (("😀" * 32, (201, None)), ("😀" * 32 + "x", (400, 70001))):
        assert said(call(standin, parent.main, "POST", "/v1/Keys", data={**form, "FriendlyName": name})) == expected


def test_the_old_address_makes_a_standard_key_whatever_is_asked_for(standin: StandIn, parent: Tenancy) -> None:
    path, form = f"/2010-04-01/Accounts/{parent.sid}/Keys.json", {"KeyType": "restricted", "Policy": READ}
    made = call(standin, parent.main, "POST", path, data=form)
    assert said(made) == (201, None)
    assert "policy" not in made.json()
    shown = call(standin, parent.main, "GET", f"/v1/Keys/{made.json()['sid']}").json()
    assert shown["policy"] is None
    (listed,) = listing(standin, parent.main, parent.sid).json()["keys"]
    assert listed["flags"] == ["rest_api", "signing"]
    standard = Credential(made.json()["sid"], made.json()["secret"])
    assert said(call(standin, standard, "POST", path)) == (401, 20003)
    assert said(call(standin, standin.account().main, "POST", path)) == (401, 70051)
