"""The simulator itself: its refusals, its state on the disk, its start and its end."""

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from requests import Response, Session

from keys_app.permissions.catalogue import catalogue
from keys_app.permissions.policy import Policy
from keys_app.twilio_iam.errors import Rejected

from .simulator import ROOT, Credential, StandIn

READ = '{"allow": ["/twilio/messaging/messages/read"]}'
MISSING = "SK" + "0" * 32


def ask(standin: StandIn, method: str, path: str, auth: tuple[str, str] | None = None, **options: Any) -> Response:
    with Session() as session:
        session.trust_env = False
        credential = auth or (standin.api_key, standin.api_secret)
        return session.request(method, standin.base_url + path, auth=credential, timeout=10, **options)


def create(standin: StandIn, **fields: str) -> Response:
    form = {"AccountSid": standin.account_sid, "KeyType": "restricted", "Policy": READ, **fields}
    return ask(standin, "POST", "/v1/Keys", data={name: value for name, value in form.items() if value != "-"})


MANY = json.dumps({"allow": [item.name for item in catalogue()][:101]})


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"AccountSid": "-"}, 20001),
        ({"AccountSid": "AC1"}, 70002),
        ({"AccountSid": "AC" + "0" * 32}, 20404),
        ({"FriendlyName": "x" * 65}, 70001),
        ({"KeyType": "main"}, 70001),
        ({"Policy": "-"}, 70001),
        ({"Policy": "{"}, 70001),
        ({"Policy": "[]"}, 70001),
        ({"Policy": '{"allow": []}'}, 70001),
        ({"Policy": '{"allow": {}}'}, 70001),
        ({"Policy": MANY}, 70001),
        ({"Policy": '{"allow": [7]}'}, 70002),
        ({"Policy": '{"allow": ["/twilio/lookup/nothing/*"]}'}, 70002),
    ],
)
def test_it_refuses_a_bad_form(standin: StandIn, fields: dict[str, str], code: int) -> None:
    before = len(standin.keys())
    answer = create(standin, **fields)
    assert answer.json()["code"] == code
    assert answer.json()["status"] == answer.status_code
    assert answer.json()["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert len(standin.keys()) == before


def test_only_a_201_has_the_secret(standin: StandIn, name: str) -> None:
    made = create(standin, FriendlyName=name)
    assert made.headers["Access-Control-Allow-Origin"] == "*"
    secret = made.json()["secret"]
    path = f"/v1/Keys/{made.json()['sid']}"
    for answer in (
        ask(standin, "GET", path),
        ask(standin, "POST", path, data={"FriendlyName": "x"}),
        ask(standin, "GET", f"/v1/Keys?AccountSid={standin.account_sid}&PageSize=1000"),
        ask(standin, "GET", "/_sandbox/keys"),
    ):
        assert secret not in answer.text
        assert "secret" not in answer.json()


def test_its_pages_link_to_each_other(standin: StandIn) -> None:
    for _ in range(3):
        create(standin)
    first = ask(standin, "GET", f"/v1/Keys?AccountSid={standin.account_sid}&PageSize=2").json()
    assert first["meta"]["previous_page_url"] is None
    assert first["meta"]["key"] == "keys"
    assert set(first["keys"][0]) == {"sid", "friendly_name", "date_created", "date_updated"}
    assert first["keys"][0]["date_created"].endswith(" +0000")
    link = first["meta"]["next_page_url"]
    assert link.startswith(standin.base_url + "/v1/Keys?")
    second = ask(standin, "GET", link.removeprefix(standin.base_url)).json()
    assert {key["sid"] for key in first["keys"]}.isdisjoint(key["sid"] for key in second["keys"])
    back = ask(standin, "GET", second["meta"]["previous_page_url"].removeprefix(standin.base_url)).json()
    assert back["keys"] == first["keys"]
    assert back["meta"]["first_page_url"] == first["meta"]["first_page_url"]


@pytest.mark.parametrize("query", ["PageSize=0", "PageSize=1001", "Page=-1", "Page=x", "PageToken=x"])
def test_it_refuses_bad_pages(standin: StandIn, query: str) -> None:
    assert ask(standin, "GET", f"/v1/Keys?AccountSid={standin.account_sid}&{query}").status_code == 400


def test_a_listing_needs_an_account(standin: StandIn) -> None:
    answer = ask(standin, "GET", "/v1/Keys")
    assert (answer.status_code, answer.json()["code"]) == (400, 20001)


def test_the_account_sid_is_a_username_too(standin: StandIn) -> None:
    auth = (standin.account_sid, standin.api_secret)
    assert ask(standin, "GET", f"/v1/Keys/{MISSING}", auth).status_code == 404


def test_a_standard_key_may_not_manage_keys(standin: StandIn) -> None:
    made = create(standin, KeyType="-").json()
    assert made["policy"] is None
    assert ask(standin, "GET", f"/v1/Keys/{MISSING}", (made["sid"], made["secret"])).status_code == 401


def test_its_controls_need_the_main_credential(standin: StandIn) -> None:
    for method, path in (("GET", "keys"), ("GET", "requests"), ("POST", "faults"), ("DELETE", "faults")):
        assert ask(standin, method, f"/_sandbox/{path}", ("SK1", "x")).status_code == 401


@pytest.mark.parametrize(
    "wish", [{}, [], {"fault": "x"}, {"fault": "hang", "operation": "x"}, {"fault": "hang", "times": 0},
             {"fault": "no_secret", "operation": "list"}],
)  # fmt: skip
def test_it_refuses_an_unknown_fault(standin: StandIn, wish: object) -> None:
    assert ask(standin, "POST", "/_sandbox/faults", json=wish).status_code == 400


def test_a_fault_comes_as_often_as_ordered_and_can_be_cancelled(standin: StandIn) -> None:
    standin.fault("rate_limit", times=2)
    standin.fault("error_before", times=3)
    assert [create(standin).status_code for _ in range(3)] == [429, 429, 500]
    standin.clear_faults()
    assert create(standin).status_code == 201


def test_keys_outlive_a_kill_and_their_secrets_are_on_no_disk(tmp_path: Path, policy: Policy) -> None:
    file = tmp_path / "state.json"
    standin = StandIn(state=file).start()
    try:
        with standin.client() as client:
            made = client.create_restricted_key(
                account_sid=standin.account_sid,
                friendly_name="kept",
                policy=Policy.of([*policy, "/twilio/iam/api-keys/read"]),
            )
        assert standin._process is not None
        standin._process.kill()
        standin._process.wait(10)
        standin.stop()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert made.secret.reveal() not in file.read_text()
        assert standin.api_secret not in file.read_text()
        assert hashlib.sha256(made.secret.reveal().encode()).hexdigest() not in file.read_text()
        standin.start()
        with standin.client(username=made.sid, password=made.secret) as theirs:
            assert theirs.fetch_key(made.sid).friendly_name == "kept"
        with standin.client() as client:
            client.delete_key(made.sid)
        code, out, err = standin.stop()
        assert (code, out, err) == (0, "", "")
        assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]
        with standin.start().client() as client, pytest.raises(Rejected):
            client.fetch_key(made.sid)
    finally:
        standin.stop()


def test_a_broken_state_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text("{}")
    ended = subprocess.run(
        [sys.executable, "-m", "keys_app.twilio_sandbox", "--state", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "is not the state of a simulator" in ended.stderr
    assert file.read_text() == "{}"


def test_the_management_command_needs_no_database(tmp_path: Path) -> None:
    given = {
        "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
        "TWILIO_API_KEY": "SK" + "2" * 32,
        "TWILIO_API_SECRET": "given",
    }
    script = (
        "import sys; from django.conf import settings; settings.configure(INSTALLED_APPS=['keys_app']);"
        "import django; django.setup(); from django.core.management import call_command;"
        "call_command('twilio_sandbox', '--port', '0')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, **given}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(4)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert lines[0].startswith("TWILIO_IAM_BASE_URL=http://127.0.0.1:")
    assert lines[1:] == [f"{name}={value}" for name, value in given.items()]
    assert (process.returncode, err) == (0, "")


def used_by(standin: StandIn, credential: Credential) -> dict[str, Response]:
    """Try each operation with a credential, on a key of its own; return the answers."""
    auth, sid = (credential.username, credential.password), create(standin).json()["sid"]
    form = {"AccountSid": standin.account_sid, "KeyType": "restricted", "Policy": READ}
    return {
        "list": ask(standin, "GET", f"/v1/Keys?AccountSid={standin.account_sid}", auth),
        "read": ask(standin, "GET", f"/v1/Keys/{sid}", auth),
        "update": ask(standin, "POST", f"/v1/Keys/{sid}", auth, data={"FriendlyName": "x"}),
        "create": ask(standin, "POST", "/v1/Keys", auth, data=form),
        "delete": ask(standin, "DELETE", f"/v1/Keys/{sid}", auth),
    }


@pytest.mark.parametrize("lacking", ["create", "read", "list", "update", "delete"])
def test_a_credential_lacks_one_permission(standin: StandIn, lacking: str) -> None:
    answers = used_by(standin, standin.credential(without=[lacking]))
    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code >= 400} == {lacking: 401}
    assert answers[lacking].json()["code"] == 20003


@pytest.mark.parametrize(
    ("refusal", "status", "code", "message"),
    [
        ("authenticate", 401, 20003, "Authenticate"),
        ("evaluation", 401, 20003, "Policy evaluation failed"),
        ("forbidden", 403, 20003, "Policy evaluation failed"),
        ("missing", 401, 70051, "Authorization Error: required permission twilio/iam/api-keys/read is missing"),
    ],
)
def test_it_is_refused_in_one_of_twilios_ways(
    standin: StandIn, refusal: str, status: int, code: int, message: str
) -> None:
    answer = used_by(standin, standin.credential(without=["read"], refusal=refusal))["read"]
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (status, code, message)


def test_a_main_key_may_do_everything_and_is_listed_with_flags(standin: StandIn) -> None:
    main, restricted = standin.credential(main=True), standin.credential()
    assert all(answer.ok for answer in used_by(standin, main).values())
    keys = ask(standin, "GET", f"/v1/Keys?AccountSid={standin.account_sid}&PageSize=1000").json()["keys"]
    flags = {key["sid"]: key.get("flags") for key in keys}
    assert flags[main.username] == ["rest_api", "signing"]
    assert flags[restricted.username] is None
    assert all(answer.ok for answer in used_by(standin, standin.auth_token).values())


def test_a_credential_may_be_unable_to_grant_more_than_it_has(standin: StandIn) -> None:
    answer = used_by(standin, standin.credential(grants_own_only=True))["create"]
    assert answer.json()["code"] == 70152
    same = standin.credential(grants_own_only=True, also=["/twilio/messaging/messages/read"])
    assert used_by(standin, same)["create"].status_code == 201


def test_an_account_may_be_full(standin: StandIn) -> None:
    standin.limit_keys(0)
    assert create(standin).json()["code"] == 70151
    standin.limit_keys(None)
    assert create(standin).status_code == 201


def test_a_credential_counts_neither_as_a_request_nor_in_the_history(standin: StandIn) -> None:
    before = standin.requests(), standin.truth()
    sid = standin.credential().username
    assert (standin.requests(), standin.truth()) == before
    assert standin.key(sid) is not None


@pytest.mark.parametrize(
    "order", [b"", b"[]", b"{", b'{"without": ["all"]}', b'{"refusal": "none"}', b'{"without": 7}', b'{"most": "all"}']
)
def test_it_refuses_what_orders_no_credential_and_no_limit(standin: StandIn, order: bytes) -> None:
    names = ["limit"] if b"most" in order else ["credentials"]
    for name in names:
        assert ask(standin, "POST", f"/_sandbox/{name}", data=order).json()["code"] == 20001


def test_a_key_can_be_older_and_missing_from_listings_for_a_while(standin: StandIn) -> None:
    sid = create(standin).json()["sid"]
    made = parsedate_to_datetime(ask(standin, "GET", f"/v1/Keys/{sid}").json()["date_created"])
    standin.change_key(sid, age=3600)
    older = parsedate_to_datetime(ask(standin, "GET", f"/v1/Keys/{sid}").json()["date_created"])
    assert (made - older).total_seconds() >= 3600
    standin.change_key(sid, unlisted=60)
    with standin.client() as client:
        assert sid not in {key.sid for key in client.list_keys(account_sid=standin.account_sid)}
        assert client.fetch_key(sid).sid == sid
    standin.show_hidden()
    assert sid in {key["sid"] for key in standin.keys()}
    for order in ({}, {"sid": "SK1", "age": 1}, {"sid": sid, "age": "x"}):
        assert ask(standin, "POST", "/_sandbox/key", json=order).status_code == 400


def test_the_keys_of_a_moment_can_be_had_again(standin: StandIn) -> None:
    kept = create(standin).json()["sid"]
    standin.remember()
    standin.delete_keys()
    made = create(standin).json()["sid"]
    standin.recall()
    assert standin.key(kept) is not None
    assert standin.key(made) is None


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "QUERY"])
def test_it_refuses_a_method_that_no_address_has(standin: StandIn, method: str) -> None:
    answer = ask(standin, method, "/v1/Keys")
    assert (answer.status_code, answer.json()["code"], answer.headers["Allow"]) == (
        405,
        20004,
        "GET, POST, DELETE, OPTIONS",
    )
