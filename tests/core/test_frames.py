"""Whatever raises on the way of a secret, no frame of the error holds it any more, nor does any error behind it."""

import base64
import json

import pytest
import requests
from django.core.management import CommandError, call_command

from keys_app.audit.export.targets import PushFailed, WebhookTarget
from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.core.secret import Secret
from keys_app.keys import issue, rotate
from keys_app.organisation import credentials
from keys_app.permissions.policy import Policy
from keys_app.twilio_iam import responses, transport
from keys_app.users import feed_tokens
from tests.frames import places
from tests.notifications.receiver import Receiver

BROKEN = RuntimeError


def broken(*_, **__):
    raise BROKEN("broken")


def secrets_of(standin):
    """Return the portal's own credential at the simulator, and part of it as it is sent."""
    pair = f"{standin.api_key}:{standin.api_secret}".encode()
    return [standin.api_secret, base64.b64encode(pair).decode()[8:40]]


@pytest.fixture
def given_out(monkeypatch):
    """The secrets of the keys that Twilio's answers hold, as they come in."""
    found, read = [], transport._read_body

    def noting(raw, most):
        body, problem = read(raw, most)
        content = json.loads(body.reveal()) if body else {}
        found.extend([content["secret"]] if isinstance(content, dict) and "secret" in content else [])
        return body, problem

    monkeypatch.setattr(transport, "_read_body", noting)
    return found


def caught(step):
    with pytest.raises(BaseException) as raised:
        step()
    return raised.value


# What raises while a key is made, and whether there is a secret by then.
STEPS = {
    "the answer cannot be read": (responses, "_text"),
    "its policy cannot be read": (responses, "read_policy"),
    "the answer is not understood": (responses, "read_date"),
    "the key cannot be stored": (issue, "_store_key"),
    "its mark cannot be known": (issue, "_next_mark"),
    "the attempt cannot be closed": (issue, "close_issuance"),
    "the mark cannot be raised": (issue, "present"),
    "the policy is another": (issue, "withdraw"),
    "the client cannot be closed": (issue.TwilioIamClient, "close"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", ["issue", "rotate"])
def test_no_frame_holds_the_secret_of_a_key(cast, standin, monkeypatch, given_out, way, step):
    actor = Actor.of(cast.user("engineer"), "127.0.0.1")
    if way == "rotate":
        key = cast.issued()[0].keys.get()
        act = lambda: rotate.rotate_key(key=key, overlap_hours=24, actor=actor)  # noqa: E731
    else:
        key_request = cast.approved()
        act = lambda: issue.issue_key(key_request=key_request, actor=actor)  # noqa: E731
    given_out.clear()
    with monkeypatch.context() as patch:
        patch.setattr(*STEPS[step], broken)
        if step == "the policy is another":
            patch.setattr(Policy, "__eq__", lambda *_: False)
        error = caught(act)
    assert given_out, "Twilio was not asked"
    assert not places(error, *given_out, *secrets_of(standin))


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, MemoryError])
def test_no_frame_holds_the_credential_where_a_worker_ends_in_the_middle_of_a_call(cast, standin, monkeypatch, end):
    actor, key_request = Actor.of(cast.user("engineer"), "127.0.0.1"), cast.approved()

    def stop(self, *_, **__):
        raise end

    with monkeypatch.context() as patch:
        patch.setattr(requests.adapters.HTTPAdapter, "send", stop)
        error = caught(lambda: issue.issue_key(key_request=key_request, actor=actor))
    assert isinstance(error, end | PortalError)
    assert not places(error, *secrets_of(standin))


def test_it_would_find_one(standin):
    """The search itself: in a local variable, in what requests prepared, and in an error behind the error."""

    def prepare():
        auth = transport._BasicAuth(standin.api_key, Secret(standin.api_secret))
        session = requests.Session()
        prepared = session.prepare_request(requests.Request("GET", "http://127.0.0.1:9/", auth=auth))
        response = requests.Response()
        response._content = standin.api_secret.encode()
        held = {"a": [(prepared, response)]}
        raise BROKEN(str(len(held)))

    prepare.__code__ = prepare.__code__.replace(co_filename="/elsewhere/x.py")
    error = caught(prepare)
    try:
        raise CommandError("later") from error
    except CommandError as later:
        found = " ".join(places(later, *secrets_of(standin)))
    for place in ("prepared.headers", "response._content", "held['a'][0]"):
        assert place in found


@pytest.mark.parametrize("how", ["cannot be read", "is empty", "is not stored"])
def test_no_frame_holds_the_secret_that_connects_an_account(cast, standin, monkeypatch, how):
    monkeypatch.setenv("TWILIO_API_KEY", "SKö" if how == "cannot be read" else standin.api_key)
    monkeypatch.setenv("TWILIO_API_SECRET", standin.api_secret)
    if how == "is empty":
        monkeypatch.setenv("TWILIO_API_KEY", "")
    elif how == "is not stored":
        monkeypatch.setattr("keys_app.connections.store.state_of", broken)
    error = caught(lambda: call_command("connect_account", cast.account.sid))
    assert not places(error, *secrets_of(standin))


def test_no_frame_holds_a_credential_that_is_decrypted(cast, standin, monkeypatch):
    monkeypatch.setattr(credentials, "TwilioIamClient", broken)
    error = caught(lambda: credentials.client_for(cast.account))
    assert not places(error, *secrets_of(standin))


def test_no_frame_holds_a_new_feed_token(cast, monkeypatch):
    made = []
    monkeypatch.setattr(feed_tokens, "record", broken)
    monkeypatch.setattr(feed_tokens.secrets, "token_urlsafe", lambda _: made.append("T0k" * 14) or made[-1])
    actor = Actor.of(cast.user("security"), "127.0.0.1")
    error = caught(lambda: feed_tokens.create_token(name="siem", actor=actor))
    assert made
    assert not places(error, *made)


@pytest.mark.parametrize(("url", "broken_at"), [
    ("/audit/feed", (feed_tokens, "feed_tokens")),
    ("/readyz?workers=1", (feed_tokens, "feed_tokens")),
])  # fmt: skip
def test_no_frame_holds_a_token_that_is_shown(cast, client, settings, monkeypatch, url, broken_at):
    token = feed_tokens.PREFIX + "shown0123456789abcdefghijklmn"
    settings.METRICS_TOKEN = token
    monkeypatch.setattr(*broken_at, broken)
    monkeypatch.setattr("keys_app.notifications.heartbeats.lines", broken)
    error = caught(lambda: client.get(url, headers={"Authorization": f"Bearer {token}"}))
    assert isinstance(error, BROKEN)
    assert not places(error, token)


def test_no_frame_holds_the_token_the_audit_is_pushed_with():
    with Receiver() as receiver:
        target = WebhookTarget(f"{receiver.url}/500", Secret("pushed0123456789abcdefgh"))
        error = caught(lambda: target.send([(1, "{}")]))
    assert isinstance(error, PushFailed)
    assert not places(error, "pushed0123456789abcdefgh")
