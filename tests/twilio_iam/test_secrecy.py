"""The environment does not steer the credential; no credential and no secret is in an error or a log."""

import io
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from keys_app.core.secret import Secret
from keys_app.permissions.policy import Policy
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.errors import NotProcessed, TwilioError
from tests.frames import places

from . import wire as twilio_iam_wire
from .simulator import StandIn
from .wire import Wire, answer

ACCOUNT = "AC" + "a" * 32
PASSWORD = "Passw0rdPassw0rdPassw0rdPassw0rd"
BASIC = "U0sxOlBhc3N3MHJkUGFzc3cwcmRQYXNzdzByZFBhc3N3MHJk"
SECRET = "N3wSecretN3wSecretN3wSecretN3wSe"
SID = "SK" + "b" * 32
CREATED = f'{{"sid": "{SID}", "secret": "{SECRET}", "policy": null}}'.encode()


def call(base_url: str) -> object:
    with TwilioIamClient(
        base_url=base_url,
        username="SK1",
        password=Secret(PASSWORD),
        read_timeout=0.3,
        deadline=0.6,
        max_bytes=500,
    ) as client:
        return client.create_restricted_key(
            account_sid=ACCOUNT, friendly_name="n", policy=Policy(("/twilio/voice/calls/read",))
        )


def test_proxies_and_netrc_are_ignored(wire: type[Wire], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    proxy, server = wire(answer("201 Created", CREATED)), wire(answer("201 Created", CREATED))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.base_url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    call(server.base_url)
    assert proxy.accepted == 0
    assert f"Authorization: Basic {BASIC}".encode() in server.received[0]


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_does_not_say_whom_to_trust(
    wire: type[Wire], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    context, trusted = twilio_iam_wire.tls_context(tmp_path)
    monkeypatch.setenv(name, trusted)
    server = wire(answer("201 Created", CREATED), tls=context)
    with pytest.raises(NotProcessed):
        call(server.base_url)
    assert server.received == []


FAILURES: dict[str, twilio_iam_wire.Script] = {
    "no secret that can be read": answer("201 Created", CREATED.replace(b'"secret"', b'"sid": 1, "x"')),
    "not JSON": answer("201 Created", CREATED + b"}"),
    "server error": answer("500 Error", CREATED),
    "redirect": answer("307 Temporary Redirect", CREATED, f"Location: /{SECRET}"),
    "echo in a refusal": answer("400 Bad", f'{{"code": 1, "message": "{PASSWORD} is bad"}}'.encode()),
    "rate limit": answer("429 Too Many", CREATED),
    "too large": answer("201 Created", CREATED + b" " * 1000),
    "cut off": lambda sock: sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 999\r\n\r\n" + CREATED),
    "not HTTP": lambda sock: sock.sendall(SECRET.encode() + b"\r\n\r\n"),
    "broken header": lambda sock: sock.sendall(
        b"HTTP/1.1 201 Created\r\nA: b\r\n" + SECRET.encode() + b"\r\nC: d\r\n\r\n" + CREATED
    ),
    "reset": twilio_iam_wire.reset,
    "silent": twilio_iam_wire.silence,
    "drip": twilio_iam_wire.drip(b"HTTP/1.1 201 Created\r\n\r\n" + CREATED, b" "),
}


def everything_about(error: BaseException) -> str:
    """Return an error as text in every way that an error reporter does, with local variables."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join([*shown.format(chain=True), str(error), repr(error), repr(vars(error)), repr(error.args)])


@pytest.mark.parametrize("case", FAILURES)
def test_no_error_and_no_log_holds_a_secret(wire: type[Wire], everything_logged: io.StringIO, case: str) -> None:
    with pytest.raises(TwilioError) as raised:
        call(wire(FAILURES[case]).base_url)
    error = raised.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert not places(error, PASSWORD, SECRET, BASIC)
    for text in (everything_about(error), everything_logged.getvalue()):
        for value in (PASSWORD, SECRET, BASIC):
            assert value not in text


def test_a_refused_connection_keeps_the_secret_too(everything_logged: io.StringIO) -> None:
    with pytest.raises(NotProcessed) as raised:
        call("http://127.0.0.1:9")
    assert raised.value.__context__ is None
    text = everything_about(raised.value) + everything_logged.getvalue()
    assert PASSWORD not in text
    assert BASIC not in text


def test_a_success_logs_no_secret(
    client: TwilioIamClient, standin: StandIn, name: str, policy: Policy, everything_logged: io.StringIO
) -> None:
    created = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=policy)
    list(client.list_keys(account_sid=standin.account_sid))
    assert "/v1/Keys" in everything_logged.getvalue()
    for value in (created.secret.reveal(), standin.api_secret):
        assert value not in everything_logged.getvalue()
        assert value not in repr(client) + repr(vars(client)) + repr(created)


@pytest.mark.parametrize("kind", [repr, str, everything_about])
def test_a_wrong_argument_is_not_repeated(client: TwilioIamClient, kind: Callable[[BaseException], str]) -> None:
    with pytest.raises(ValueError) as raised:
        client.fetch_key(SECRET)
    assert SECRET not in str(raised.value)
    assert kind(raised.value)
