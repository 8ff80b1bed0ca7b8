"""A connection is made while the attempt is recorded; not a byte of the request leaves before that is durable."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from keys_app.key_requests.models import Issuance
from keys_app.keys import issue
from tests.cast import text_of
from tests.twilio_iam.wire import Wire, answer


@pytest.fixture
def twilio(cast, settings) -> Iterator[Wire]:
    """Return what, once it is called, puts a server in Twilio's place: it says no to each request, and counts."""

    def start() -> Wire:
        server = Wire(answer("400 Bad Request", b'{"code": 20001, "message": "No."}'))
        settings.TWILIO_IAM_BASE_URL = urlsplit(server.base_url)
        cast.client("engineer").get("/")  # which asks the address once whether it is Twilio's
        until(lambda: server.accepted == len(server.received))
        server.accepted, server.received = 0, []
        return server

    yield start
    Wire.close_all()


def until(true) -> None:
    ends = time.monotonic() + 10
    while not true() and time.monotonic() < ends:
        time.sleep(0.01)
    assert true()


def test_the_connection_is_there_before_the_attempt_is_recorded_and_the_request_after(cast, twilio, monkeypatch):
    key_request, twilio = cast.approved(), twilio()
    record, seen = issue._record_intent, []

    def recorded(*args):
        until(lambda: twilio.accepted == 1)
        issuance = record(*args)
        time.sleep(0.2)
        seen.append((Issuance.objects.count(), list(twilio.received)))
        return issuance

    monkeypatch.setattr(issue, "_record_intent", recorded)
    cast.issue(key_request)
    assert seen == [(1, [])], "the attempt is recorded and nothing was sent"
    assert (twilio.accepted, len(twilio.received)) == (1, 1)
    assert Issuance.objects.get().marker.encode() in twilio.received[0]


def test_nothing_is_sent_where_the_attempt_is_refused(cast, twilio):
    key_request, twilio = cast.approved(), twilio()
    cast.account.teams.clear()
    page = cast.issue(key_request)
    assert page.status_code == 409 and "No key is made." in text_of(page)
    assert not Issuance.objects.exists()
    assert b"".join(twilio.received).strip() == b""


@pytest.mark.parametrize("state", ["pending", "issued"])
def test_no_connection_is_made_for_a_request_that_cannot_be_issued(cast, standin, twilio, state):
    key_request = cast.ask() if state == "pending" else cast.issued()[0]
    twilio = twilio()
    assert cast.issue(key_request).status_code == 409
    time.sleep(0.1)
    assert twilio.accepted == 0
