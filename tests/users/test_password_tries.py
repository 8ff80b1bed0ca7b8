"""Guessing passwords: it is slowed down where it comes from and for whom it is meant, and locks no one else out."""

from datetime import timedelta
from itertools import count

import pytest
from django.core import signing
from django.db.models import F
from django.test import Client

from keys_app.audit.ledger import matching
from keys_app.reconcile.run import reconcile
from keys_app.users import limits, password_tries
from keys_app.users.models import LimitedUse
from tests.cast import text_of
from tests.key_requests.test_decision_races import at_once

PASSWORD = "a-long-enough-passphrase"
LOGIN = "/accounts/login/"
TOO_MANY = "Too many wrong passwords were tried for this name. Try again in 15 minutes."


@pytest.fixture
def person(cast):
    """Somebody with a password."""
    return with_password(cast)


def with_password(cast, role="engineer", password=PASSWORD):
    user = cast.user(role)
    user.set_password(password)
    user.save()
    return user


def try_(name="engineer", password="wrong", client=None, address="192.0.2.1", **headers):
    """Press “Sign in”, from an address and by default in a browser nobody knows."""
    client = client or Client()
    return client.post(LOGIN, {"login": name, "password": password}, REMOTE_ADDR=address, **headers)


def blocked(name="engineer", addresses=None):
    """Let somebody try wrong passwords for a name until it is refused."""
    for number in range(password_tries.MOST_FOR_A_NAME):
        assert try_(name, address=next(addresses) if addresses else f"203.0.113.{number}").status_code == 200


def time_passes(**span):
    LimitedUse.objects.update(at=F("at") - timedelta(**span))


def is_in(client):
    return client.get("/").status_code == 200


def turned_away():
    return list(matching(action="user.turned_away").order_by("sequence"))


def test_it_looks_at_ten_passwords_whatever_the_request_says_of_itself(person):
    """The port of `Host` was part of what was counted: 64 of 64 were looked at."""
    for number in range(64):
        answer = try_(
            address=f"198.51.100.{number}",
            headers={"host": f"testserver:{1024 + number}", "x-forwarded-for": f"192.0.2.{number}"},
            client=Client(headers={"cookie": f"sessionid={number}; known-{person.pk}={number}"}),
        )
        assert answer.status_code == (200 if number < 10 else 429)
    assert TOO_MANY in text_of(answer)
    assert 600 <= int(answer["Retry-After"]) <= 900
    assert 'value="engineer"' in answer.content.decode()
    assert not is_in(client := Client())
    assert try_(password=PASSWORD, client=client).status_code == 429
    assert not is_in(client)


@pytest.mark.parametrize("name", ["engineer", "nobody-is-called-so"])
def test_no_other_names_push_a_block_out(person, name):
    blocked(name)
    sources = (f"2001:db8:{number:x}::1" for number in range(400))
    for number in range(400):
        assert try_(f"name-{number}", address=next(sources)).status_code == 200
    assert try_(name, PASSWORD).status_code == 429


def test_a_name_is_one_however_it_is_written(person):
    spellings = ["engineer", "ENGINEER", " Engineer ", "ｅｎｇｉｎｅｅｒ", "Engineer", "eNgineer"]
    for number in range(10):
        assert try_(spellings[number % 6], address=f"203.0.113.{number}").status_code == 200
    assert {try_(spelling).status_code for spelling in spellings} == {429}


def test_a_block_ends_after_the_time_it_said(person):
    blocked()
    time_passes(minutes=14)
    answer = try_(password=PASSWORD)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) <= 60
    time_passes(minutes=1)
    assert try_(password=PASSWORD).status_code == 302


def test_no_edge_of_a_window_lets_twice_as_many_through(person):
    for _ in range(9):
        try_()
    time_passes(minutes=14)
    try_()
    time_passes(minutes=1, seconds=1)
    assert [try_().status_code for _ in range(10)] == [200] * 9 + [429]


def test_only_wrong_passwords_count(person):
    assert {try_(password=PASSWORD).status_code for _ in range(30)} == {302}
    assert not LimitedUse.objects.exists()
    for _ in range(9):
        try_()
    assert try_(password=PASSWORD).status_code == 302
    assert try_().status_code == 200


def test_nobody_locks_out_who_signed_in_here_before(cast, person):
    """12 wrong tries by anyone locked a lead out."""
    mine = Client()
    assert try_(password=PASSWORD, client=mine).status_code == 302
    mine.post("/accounts/logout/")
    for number in range(12):
        try_(address=f"198.51.100.{number}")
    assert try_(password=PASSWORD).status_code == 429
    assert try_(password=PASSWORD, client=mine).status_code == 302


def test_a_known_browser_has_a_count_of_its_own(person):
    mine = Client()
    try_(password=PASSWORD, client=mine)
    mine.post("/accounts/logout/")
    statuses = [try_(client=mine, address=f"198.51.100.{number}").status_code for number in range(11)]
    assert statuses == [200] * 10 + [429]
    assert try_(password=PASSWORD, client=mine).status_code == 429
    assert try_(password=PASSWORD).status_code == 302


def test_a_known_browser_is_so_for_its_user_and_their_password(cast, person):
    with_password(cast, "colleague")
    mine = Client()
    try_(password=PASSWORD, client=mine)
    cookie = mine.cookies[f"known-{person.pk}"]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], bool(cookie["secure"])) == ("Lax", "/", False)
    mine.post("/accounts/logout/")
    blocked()
    blocked("colleague")
    other = Client()
    other.cookies[f"known-{cast.user('colleague').pk}"] = cookie.value
    assert try_("colleague", PASSWORD, other).status_code == 429
    with_password(cast, password="another-long-phrase")
    assert try_(password="another-long-phrase", client=mine).status_code == 429


@pytest.mark.parametrize("value", ["", "x", "a:b:c", signing.dumps("browser"), "\x00"], ids=range(5))
def test_an_invented_cookie_helps_nobody(person, value):
    blocked()
    client = Client()
    client.cookies[f"known-{person.pk}"] = value
    assert try_(password=PASSWORD, client=client).status_code == 429


def test_its_cookie_goes_over_tls_alone_where_the_portal_does(person, settings):
    settings.SESSION_COOKIE_SECURE = True
    client = Client()
    try_(password=PASSWORD, client=client)
    assert client.cookies[f"__Host-known-{person.pk}"]["secure"]


def test_an_office_is_not_locked_out_by_those_who_mistype(person):
    """22 wrong names from one address locked an office out."""
    for number in range(22):
        assert try_(f"wrong-{number}").status_code == 200
    assert try_(password=PASSWORD).status_code == 302


@pytest.mark.parametrize(
    "addresses",
    [
        ("192.0.2.1" for _ in count()),
        (f"2001:db8::{number:x}" for number in count(1)),
        ((["::ffff:192.0.2.1", "192.0.2.1"])[number % 2] for number in count()),
    ],
    ids=["IPv4", "a /64", "IPv4 in IPv6"],
)
def test_a_source_is_refused_from_two_hundred_an_hour(person, addresses):
    for number in range(password_tries.MOST_FROM_A_SOURCE):
        assert try_(f"name-{number}", address=next(addresses)).status_code == 200
    answer = try_(password=PASSWORD, address=next(addresses))
    assert answer.status_code == 429
    assert "came from your network. Try again in 1 hour" in text_of(answer)
    assert try_(password=PASSWORD, address="2001:db8:0:1::1").status_code == 302
    (event,) = turned_away()
    assert (event.actor_name, event.details["limit"]) == ("an unknown name", "wrong passwords of a source")


def test_a_block_is_one_event_however_often_it_is_tried(person):
    blocked()
    for number in range(30):
        try_(address=f"198.51.100.{number}")
    (event,) = turned_away()
    assert (event.actor_name, event.address) == ("Engineer Person", "198.51.100.0")
    assert event.details == {"limit": "wrong passwords", "most": 10}


def test_what_was_typed_as_a_name_is_nowhere(person):
    """People type their password into the field for the name."""
    blocked(PASSWORD)
    assert try_(PASSWORD).status_code == 429
    assert [event.actor_name for event in turned_away()] == ["an unknown name"]
    assert not matching().filter(canonical__contains=PASSWORD).exists()
    assert not [row for row in LimitedUse.objects.values() if PASSWORD in str(row)]


@pytest.mark.parametrize(
    ("url", "field"), [("/accounts/reauthenticate/", "password"), ("/accounts/password/change/", "oldpassword")]
)
def test_the_password_is_not_guessed_in_a_session_either(cast, person, url, field):
    client = Client()
    client.force_login(person)
    new = {"password1": "another-long-phrase", "password2": "another-long-phrase"}
    statuses = [client.post(url, {field: f"wrong-{number}", **new}).status_code for number in range(11)]
    assert statuses == [200] * 10 + [429]
    answer = client.post(url, {field: PASSWORD, **new})
    assert (answer.status_code, TOO_MANY in text_of(answer)) == (429, True)
    assert len(matching(action="user.sign_in_failed")) == 1
    time_passes(minutes=15)
    assert client.post(url, {field: PASSWORD, **new}).status_code == 302


@pytest.mark.parametrize("room", [1, 3])
def test_of_many_tries_at_once_no_more_are_looked_at(live_cast, room):
    with_password(live_cast)
    for _ in range(10 - room):
        try_()
    answers = at_once(*[lambda n=number: try_(address=f"198.51.100.{n}").status_code for number in range(6)])
    assert sorted(answers) == [200] * room + [429] * (6 - room)
    assert len(turned_away()) == 1


def test_old_counts_are_cleared_away_and_no_others(person, monkeypatch):
    monkeypatch.setattr(limits, "_CLEARED_AT_ONCE", 15)
    blocked()
    time_passes(minutes=59)
    reconcile()
    assert LimitedUse.objects.count() == 20
    time_passes(minutes=1)
    try_()
    reconcile()
    assert LimitedUse.objects.count() == 7
    reconcile()
    assert LimitedUse.objects.count() == 2


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", ""),
    ],
)
def test_where_a_client_is(address, source):
    assert password_tries.source_of(address) == source
