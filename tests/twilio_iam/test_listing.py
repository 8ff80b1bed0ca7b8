"""Listings that would lead the credential astray, or never end, or hide something."""

import json
import socket
from typing import Any

import pytest

from keys_app.core.secret import Secret
from keys_app.twilio_iam import client
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.errors import OutcomeUnknown
from keys_app.twilio_iam.types import KeySummary

from .wire import Wire, answer

ACCOUNT = "AC" + "a" * 32


def sid(number: int) -> str:
    return f"SK{number:032x}"


def listing(keys: list[Any], next_page_url: object) -> bytes:
    return json.dumps({"keys": keys, "meta": {"next_page_url": next_page_url, "key": "keys"}}).encode()


class Pages(Wire):
    """Answers the nth request with the nth page, the last one again and again."""

    def __init__(self, *pages: bytes) -> None:
        self._pages = pages
        super().__init__(self._next)

    def _next(self, sock: socket.socket) -> None:
        page = self._pages[min(len(self.received), len(self._pages)) - 1]
        answer("200 OK", page.replace(b"BASE", self.base_url.encode()))(sock)


def collect(server: Wire, prefix: str = "") -> list[KeySummary]:
    with TwilioIamClient(base_url=server.base_url + prefix, username="SK1", password=Secret("x")) as client:
        return list(client.list_keys(account_sid=ACCOUNT, page_size=2))


def request_lines(server: Wire) -> list[str]:
    return [request.split(b" HTTP/")[0].decode() for request in server.received]


def test_it_builds_the_next_address_itself(wire: type[Wire]) -> None:
    link = f"BASE/v1/Keys?Page=1&PageToken=PT1&PageSize=999&AccountSid=AC{'b' * 32}&Evil=1"
    server = Pages(listing([{"sid": sid(1)}], link), listing([{"sid": sid(2)}], None))
    assert [key.sid for key in collect(server)] == [sid(1), sid(2)]
    first = f"GET /v1/Keys?AccountSid={ACCOUNT}&PageSize=2"
    assert request_lines(server) == [first, f"{first}&Page=1&PageToken=PT1"]


def test_it_works_below_a_path(wire: type[Wire]) -> None:
    server = Pages(listing([{"sid": sid(1)}], "BASE/twilio/v1/Keys?Page=1"), listing([{"sid": sid(2)}], None))
    assert len(collect(server, "/twilio")) == 2


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1/Keys?Page=1&PageToken=x",
        "http://127.0.0.1:1/v1/Keys?Page=1",
        "http://127.0.0.1/v1/Keys?Page=1",
        "BASE/v1/Other?Page=1",
        "BASE/v1/Keys/../Other?Page=1",
        "BASE/v1/Keys",
        "BASE.evil.example/v1/Keys?Page=1",
        "http://user@127.0.0.1/v1/Keys?Page=1",
        "//evil.example/v1/Keys?Page=1",
        "/v1/Keys?Page=1",
        "http://[::1/v1/Keys?Page=1",
        "",
        7,
        ["BASE/v1/Keys?Page=1"],
    ],
)
def test_a_next_page_elsewhere_is_refused(wire: type[Wire], link: object) -> None:
    server = Pages(listing([{"sid": sid(1)}], link))
    with pytest.raises(OutcomeUnknown, match="another address"):
        collect(server)
    assert len(server.received) == 1


def test_a_next_page_with_our_host_as_user_is_refused(wire: type[Wire]) -> None:
    server = Pages(listing([{"sid": sid(1)}], "BASE@evil.example/v1/Keys?Page=1"))
    with pytest.raises(OutcomeUnknown):
        collect(server)
    assert len(server.received) == 1


def test_a_loop_of_pages_ends(wire: type[Wire]) -> None:
    one, two = "BASE/v1/Keys?Page=1&PageToken=a", "BASE/v1/Keys?Page=2&PageToken=b"
    server = Pages(listing([], one), listing([], two), listing([], one))
    with pytest.raises(OutcomeUnknown, match="does not end"):
        collect(server)
    assert len(server.received) == 3


def test_pages_without_end_end(wire: type[Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_PAGES", 5)
    server = Pages(*[listing([], f"BASE/v1/Keys?Page={number}") for number in range(1, 20)])
    with pytest.raises(OutcomeUnknown, match="does not end"):
        collect(server)
    assert len(server.received) == 6


def test_a_listing_of_too_many_keys_is_not_whole(wire: type[Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_KEYS", 2)
    pages = [listing([{"sid": sid(number)}], f"BASE/v1/Keys?Page={number}") for number in range(1, 20)]
    server = Pages(*pages)
    with pytest.raises(OutcomeUnknown, match="more than 2 keys"):
        collect(server)
    assert len(server.received) == 3
    assert len(collect(Pages(pages[0], listing([{"sid": sid(2)}], None)))) == 2


def test_a_listing_that_takes_too_long_is_not_whole(wire: type[Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LISTING_SECONDS", -1.0)
    server = Pages(listing([{"sid": sid(1)}], "BASE/v1/Keys?Page=1"))
    with pytest.raises(OutcomeUnknown, match="did not end within"):
        collect(server)
    assert len(server.received) == 1


def test_it_yields_a_key_as_often_as_it_is_listed(wire: type[Wire]) -> None:
    server = Pages(
        listing([{"sid": sid(1)}, {"sid": sid(2)}], "BASE/v1/Keys?Page=1"),
        listing([{"sid": sid(2)}, {"sid": sid(3)}], None),
    )
    assert [key.sid for key in collect(server)] == [sid(1), sid(2), sid(2), sid(3)]


def test_it_tolerates_nulls_and_odd_dates(wire: type[Wire]) -> None:
    full = {
        "sid": sid(1),
        "friendly_name": "a",
        "date_created": "Mon, 13 Jun 2016 22:50:08 +0000",
        "date_updated": "yesterday",
        "flags": ["x", 1],
    }
    bare = {"sid": sid(2), "friendly_name": None, "date_created": None, "flags": None}
    first, second = collect(Pages(listing([full, bare], None)))
    assert (first.friendly_name, first.date_updated, first.flags) == ("a", None, ("x",))
    assert first.date_created is not None
    assert first.date_created.isoformat() == "2016-06-13T22:50:08+00:00"
    assert second == KeySummary(sid(2), None, None, None, ())


@pytest.mark.parametrize(
    "page",
    [
        b"{}",
        b"[]",
        b'{"keys": [], "meta": null}',
        b'{"keys": [], "meta": {}}',
        b'{"keys": null, "meta": {"next_page_url": null}}',
        listing([{"sid": None}], None),
        listing([{"sid": "SK1"}], None),
        listing([{"sid": sid(1), "friendly_name": 5}], None),
        listing(["x"], None),
    ],
)
def test_a_listing_it_cannot_read_whole_is_unknown(wire: type[Wire], page: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        collect(Pages(page))


def test_an_answer_about_another_key_is_unknown(wire: type[Wire]) -> None:
    server = wire(answer("200 OK", json.dumps({"sid": sid(2), "policy": None}).encode()))
    with (
        TwilioIamClient(base_url=server.base_url, username="SK1", password=Secret("x")) as client,
        pytest.raises(OutcomeUnknown),
    ):
        client.fetch_key(sid(1))
