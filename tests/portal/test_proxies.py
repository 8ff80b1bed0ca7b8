"""Whose word is taken about where a client is, in every form that proxies write it, and what is said of a wrong one."""

import logging
from ipaddress import ip_network
from urllib.parse import urlsplit

import pytest
from django.core.checks import run_checks
from django.test import Client

from keys_app.audit.ledger import matching
from portal import proxies
from tests.cast import text_of

PROXY, CLIENT = "10.0.1.7", "192.0.2.44"
LOGIN = "/accounts/login/"


@pytest.fixture
def behind(settings, monkeypatch):
    """Set how many proxies there are and which networks they are in."""
    monkeypatch.setattr(proxies, "_told", set())

    def there_are(count=0, *networks, base="http://127.0.0.1:8000"):
        settings.TRUSTED_PROXIES = count
        settings.PROXY_ADDRESSES = [ip_network(network) for network in networks]
        settings.BASE_URL = urlsplit(base)

    return there_are


@pytest.fixture
def seen(cast):
    """Return the address the audit has of who asks for a page that is not theirs, or the 400's words."""

    def of(peer, forwarded=None, **headers):
        if forwarded is not None:
            headers["HTTP_X_FORWARDED_FOR"] = forwarded
        client = Client(REMOTE_ADDR=peer, **headers)
        client.force_login(cast.people["engineer"])
        answer = client.get("/audit/")
        if answer.status_code == 400:
            return text_of(answer)
        assert answer.status_code == 403
        return matching().order_by("sequence").values_list("address", flat=True).last()

    return of


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("192.0.2.44", CLIENT),
        (" 192.0.2.44 ", CLIENT),
        ("192.0.2.44:50123", CLIENT),
        ("::ffff:192.0.2.44", CLIENT),
        ("::FFFF:c000:022c", CLIENT),
        ("[::ffff:192.0.2.44]:443", CLIENT),
        ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("2001:db8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        (f"fe80::1%{'x' * 60}", "fe80::1"),
        ("unknown", ""),
        ("Unknown:4711", ""),
        ("_hidden", ""),
        ("_x:_y", ""),
        ("unix:", ""),
        (f"{CLIENT}, ", ""),
    ],
)
def test_it_reads_every_form_an_address_comes_in(behind, seen, written, address):
    behind(1, "10.0.1.0/24")
    assert seen(PROXY, written) == address


@pytest.mark.parametrize(
    "written", ["nobody", "192.0.2.300", "010.0.0.1", "1.2.3.4.5", "<script>", "[::1", "fe80::%a%b"]
)
def test_what_names_no_address_is_refused_with_words(behind, seen, written):
    behind(1, "10.0.1.0/24")
    assert "can’t read which address this request comes from: X-Forwarded-For says" in seen(PROXY, written)
    assert seen(PROXY, f"{written}, {CLIENT}") == CLIENT  # who is in front of the proxy may have written it


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("[::1]:4711", "::1"),
        ("", ""),
    ],
)
def test_it_reads_the_connections_own_address(behind, seen, peer, address):
    behind(0)
    assert seen(peer) == address
    assert Client(REMOTE_ADDR=peer).get(LOGIN).status_code == 200


def test_a_connection_without_an_address_is_refused_with_words(behind, seen):
    behind(0)
    assert "the connection says 'nonsense'" in seen("nonsense")


@pytest.mark.parametrize("peer", ["", "fe80::1%eth0", "::ffff:10.0.1.7"])
def test_signing_in_works_wherever_it_comes_from(behind, cast, peer):
    behind(0)
    answer = Client(REMOTE_ADDR=peer).post(LOGIN, {"login": "engineer", "password": "not-my-password"})
    assert answer.status_code == 200
    assert matching().filter(action="user.sign_in_failed").count() == 1


@pytest.mark.parametrize(
    ("count", "networks", "peer", "forwarded", "address"),
    [
        (0, [], PROXY, CLIENT, PROXY),
        (1, [], "203.0.113.9", f"198.51.100.1, {CLIENT}", CLIENT),  # as before there were networks
        (1, ["10.0.1.0/24"], PROXY, f"198.51.100.1, {CLIENT}", CLIENT),
        (1, ["10.0.1.0/24"], f"::ffff:{PROXY}", CLIENT, CLIENT),
        (1, ["2001:db8::/64"], "2001:db8::5", CLIENT, CLIENT),
        (1, ["10.0.1.0/24"], "203.0.113.9", CLIENT, "203.0.113.9"),  # who is not named is not believed
        (2, ["10.0.1.0/24"], PROXY, f"198.51.100.1, {CLIENT}, 10.0.2.9", CLIENT),
        (3, ["10.0.1.0/24"], PROXY, CLIENT, CLIENT),  # fewer entries than proxies
        (3, ["10.0.1.0/24"], PROXY, "", PROXY),
        (1, ["10.0.1.0/24"], PROXY, None, PROXY),
        (0, ["10.0.1.0/24"], PROXY, CLIENT, CLIENT),
        (0, ["10.0.1.0/24"], PROXY, f"198.51.100.1, {CLIENT}", CLIENT),
        (0, ["10.0.0.0/8"], PROXY, "198.51.100.1, 10.9.9.9", "10.9.9.9"),  # a client of a network that is named
        (2, ["10.0.0.0/8"], PROXY, "198.51.100.1, 10.9.9.9, 10.0.2.9", "10.9.9.9"),
        (0, ["10.0.1.0/24"], PROXY, f"{CLIENT}, unknown", ""),
        (1, [], "", CLIENT, CLIENT),  # a unix socket
        (0, ["10.0.1.0/24"], "", CLIENT, CLIENT),
        (0, [], "", CLIENT, ""),
    ],
)
def test_it_believes_who_is_named_or_counted(behind, seen, count, networks, peer, forwarded, address):
    behind(count, *networks)
    assert seen(peer, forwarded) == address


def test_a_mapped_address_is_found_as_the_ipv4_it_is(behind, seen, cast):
    behind(1, "10.0.1.0/24")
    assert seen(PROXY, f"::ffff:{CLIENT}") == CLIENT
    for written in (CLIENT, "192.0.2.", f"::ffff:{CLIENT}"):
        page = text_of(cast.client("security").get("/audit/", {"q": f"address:{written} action:access.refused"}))
        assert CLIENT in page and "No event" not in page, written
    assert CLIENT not in text_of(cast.client("security").get("/audit/", {"q": "address:::ffff:192.0.2.45"}))


@pytest.mark.parametrize(
    ("peer", "proto", "status"),
    [
        (PROXY, "https", 200),
        (PROXY, "http", 400),
        (PROXY, " HTTP ", 400),
        (PROXY, "http, https", 200),  # with one proxy only the last is its word
        (PROXY, "nonsense", 200),
        (PROXY, None, 200),
        ("203.0.113.9", "http", 200),  # not named, so not believed
        ("", "http", 400),
    ],
)
def test_what_came_over_http_is_refused_with_words(behind, settings, db, peer, proto, status):
    behind(1, "10.0.1.0/24", base="https://portal.example.com")
    headers = {} if proto is None else {"HTTP_X_FORWARDED_PROTO": proto}
    answer = Client(REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=CLIENT, **headers).get(LOGIN)
    assert answer.status_code == status
    if status == 400:
        assert "over http, which anyone on the way can read. Open https://portal.example.com" in text_of(answer)
    behind(1, "10.0.1.0/24")  # and a portal on http is one on http
    assert Client(REMOTE_ADDR=peer, **headers).get(LOGIN).status_code == 200


def test_no_one_is_believed_about_http_by_a_count_alone(behind, db):
    """A portal that was set up with the count alone goes on as it did, whatever its inner proxy writes."""
    behind(1, base="https://portal.example.com")
    answer = Client(REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR=CLIENT, HTTP_X_FORWARDED_PROTO="http").get(LOGIN)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("count", "networks", "headers", "words"),
    [
        (0, ["10.0.1.0/24"], {}, "counts as a proxy and does not send X-Forwarded-For and X-Forwarded-Proto"),
        (1, ["10.0.1.0/24"], {"FOR": CLIENT}, "counts as a proxy and does not send X-Forwarded-Proto"),
        (1, [], {}, "counts as a proxy and does not send X-Forwarded-For"),
        (1, [], {"FOR": CLIENT}, "sends X-Forwarded-For and PORTAL_PROXY_ADDRESSES does not name it"),
        (0, [], {"PROTO": "https"}, "sends X-Forwarded-Proto and PORTAL_PROXY_ADDRESSES does not name it"),
        (1, ["10.0.2.0/24"], {"FOR": CLIENT, "PROTO": "https"}, "PORTAL_PROXY_ADDRESSES does not name it"),
        (2, ["10.0.1.0/24"], {"FOR": CLIENT, "PROTO": "https"}, "fewer entries than PORTAL_TRUSTED_PROXIES counts"),
        (0, ["10.0.1.0/24"], {"FOR": f"{CLIENT}, 10.0.1.8", "PROTO": "https"}, "count all proxies?"),
    ],
)
def test_a_wrong_proxy_is_logged_once(behind, db, caplog, count, networks, headers, words):
    behind(count, *networks)
    client = Client(REMOTE_ADDR=PROXY, **{f"HTTP_X_FORWARDED_{name}": value for name, value in headers.items()})
    for _ in range(3):
        client.get("/healthz")
        assert not proxies._told  # a probe is no one's client
    for _ in range(3):
        assert client.get(LOGIN).status_code == 200
    (said,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert said.startswith(f"{PROXY} ") and words in said and "docs/operating.md" in said


@pytest.mark.parametrize(
    ("count", "networks", "headers"),
    [
        (0, [], {}),
        (1, ["10.0.1.0/24"], {"HTTP_X_FORWARDED_FOR": CLIENT, "HTTP_X_FORWARDED_PROTO": "https"}),
        (2, ["10.0.1.0/24"], {"HTTP_X_FORWARDED_FOR": f"{CLIENT}, 10.0.1.8", "HTTP_X_FORWARDED_PROTO": "https"}),
    ],
)
def test_a_right_proxy_is_not_told_of(behind, db, caplog, count, networks, headers):
    behind(count, *networks)
    assert Client(REMOTE_ADDR=PROXY, **headers).get(LOGIN).status_code == 200
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("base", "count", "networks", "bind", "ids"),
    [
        ("http://127.0.0.1:8000", 0, [], "127.0.0.1:8000", []),
        ("https://portal.example.com", 0, [], "127.0.0.1:8000", ["portal.W004"]),
        ("https://portal.example.com", 1, [], "127.0.0.1:8000", ["portal.W003"]),
        ("https://portal.example.com", 0, ["10.0.1.0/24"], "127.0.0.1:8000", []),
        ("https://portal.example.com", 1, ["10.0.1.0/24"], "127.0.0.1:8000", []),
        ("https://portal.example.com", 1, [], "unix:/run/portal.sock", []),
        ("https://portal.example.com", 0, [], "unix:/run/portal.sock", ["portal.W004"]),
    ],
)
def test_the_check_says_that_a_proxy_is_not_named(behind, monkeypatch, base, count, networks, bind, ids):
    behind(count, *networks, base=base)
    monkeypatch.setenv("PORTAL_BIND", bind)
    found = [message for message in run_checks() if message.id in {"portal.W003", "portal.W004"}]
    assert [message.id for message in found] == ids
    assert all("PORTAL_PROXY_ADDRESSES" in message.hint for message in found)
