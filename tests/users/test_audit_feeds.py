"""The audit for other systems: a token of its own, shown once, kept as a hash, revocable."""

import hashlib
import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client
from django.utils import timezone

from keys_app.audit import ledger
from keys_app.audit import record as audit_record
from keys_app.reconcile.run import reconcile
from keys_app.users import feed_tokens
from keys_app.users.models import FeedToken
from tests.cast import text_of
from tests.forms import forms_of


def make(cast, role="security", name="SIEM", **fields):
    answer = cast.client(role).post("/audit/feeds/", {"name": name, **fields})
    found = re.search(r'<code id="feed-token"[^>]*>([^<]+)</code>', answer.content.decode())
    return found.group(1) if found else "", answer


def read(token, **query):
    return Client().get("/audit/feed", query, headers={"Authorization": f"Bearer {token}"})


def append(count):
    with transaction.atomic():
        for number in range(count):
            ledger.append(ledger.Entry("test.event", "a test", reason=f"é {number}"))


@pytest.mark.parametrize(
    ("role", "status"),
    [("security", 200), ("admin", 403), ("engineer", 403), ("lead", 403), ("stranger", 403)],
)
def test_tokens_are_for_security_alone(cast, role, status):
    assert cast.client(role).get("/audit/feeds/").status_code == status
    token, answer = make(cast, role)
    assert answer.status_code == status
    assert FeedToken.objects.exists() is bool(token) is (status == 200)
    make(cast)
    revoked = cast.client(role).post("/audit/feeds/revoke/", {"feed": FeedToken.objects.last().pk})
    assert revoked.status_code == (302 if status == 200 else 403)


def test_a_token_can_be_copied_and_its_page_makes_no_second_one(cast):
    client = cast.client("security")
    form = next(form for form in forms_of(client.get("/audit/feeds/")) if "name" in form.fields)
    shown = client.post("/audit/feeds/", form.sent(name="SIEM")).content.decode()
    token = re.search(r'<code id="feed-token"[^>]* data-secret>([^<]+)</code>', shown)
    assert token and 'data-copy="#feed-token"' in shown
    assert 'data-shown-once data-after="/audit/feeds/"' in shown and "I have stored it" in shown
    again = client.post("/audit/feeds/", form.sent(name="SIEM"), follow=True)  # a reload
    assert again.redirect_chain == [("/audit/feeds/", 302)] and "kpf_" + "…" in text_of(again)
    for part in (token.group(1), "data-shown-once", "I have stored it"):
        assert part not in again.content.decode()
    assert FeedToken.objects.count() == 1 and read(token.group(1)).status_code == 200


def test_a_token_is_shown_once_and_kept_as_a_hash(cast, actions):
    token, answer = make(cast)
    assert answer["Cache-Control"] == "no-store, private"
    assert len(token) >= 40
    assert token not in cast.client("security").get("/audit/feeds/").content.decode()
    stored = FeedToken.objects.get()
    assert stored.digest == hashlib.sha256(token.encode()).hexdigest()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            assert token not in repr(cursor.fetchall()), table
    assert "audit.feed_created" in actions()


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_token_needs_a_name(cast, name):
    token, answer = make(cast, name=name)
    assert (token, answer.status_code) == ("", 422)
    assert "1 to 80 characters" in text_of(answer)
    assert not FeedToken.objects.exists()


def test_a_system_follows_the_audit(cast):
    token, _ = make(cast)
    append(25)
    seen, after = [], 0
    while True:
        answer = read(token, after=after, limit=10)
        assert answer.status_code == 200
        got = json.loads(answer.content)
        if not got["events"]:
            break
        seen += got["events"]
        after = got["next"]
    assert [line["index"] for line in seen] == list(range(ledger.size()))
    assert got["next"] == got["size"] == ledger.size()
    assert seen[5]["event"] == json.loads(ledger.event(6).canonical)
    append(1)
    (line,) = json.loads(read(token, after=after).content)["events"]
    assert line["event"]["reason"] == "é 0"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer kpf_wrong", "Basic kpf_wrong", "Bearer " + "x" * 5000, "Bearer kpf_\xe9"],
)
def test_without_a_valid_token_there_is_nothing(cast, actions, header):
    append(1)
    answers = [Client().get("/audit/feed", headers={"Authorization": header} if header else {})]
    answers.append(Client().get("/audit/feed?after=x", headers={"Authorization": header} if header else {}))
    for answer in answers:
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert json.loads(answer.content) == {"error": "unauthorized"}
    assert cast.client("security").get("/audit/feed").status_code == 401
    assert "audit.feed_read" not in actions()


def test_a_revoked_token_is_worth_nothing_at_once(cast, actions):
    token, _ = make(cast)
    assert read(token).status_code == 200
    client, number = cast.client("security"), FeedToken.objects.get().pk
    assert client.post("/audit/feeds/revoke/", {"feed": number}).status_code == 302
    assert read(token).status_code == 401
    assert client.post("/audit/feeds/revoke/", {"feed": number}).status_code == 409
    assert client.post("/audit/feeds/revoke/", {"feed": "x"}).status_code == 404
    assert client.get("/audit/feeds/revoke/")["Location"] == "/audit/feeds/"
    assert actions().count("audit.feed_revoked") == 1


@pytest.mark.parametrize(
    "query", [{"after": "x"}, {"after": "-1"}, {"after": "9" * 30}, {"limit": "0x"}, {"limit": 1001}]
)
def test_nonsense_gets_a_message(cast, query):
    token, _ = make(cast)
    answer = read(token, **query)
    assert answer.status_code == 400
    assert "whole number" in json.loads(answer.content)["error"]


def test_reads_are_events_but_not_each_of_them(cast, actions, monkeypatch):
    token, _ = make(cast)
    for _ in range(5):
        read(token)
    assert actions().count("audit.feed_read") == 1
    used = FeedToken.objects.get().last_used_at
    FeedToken.objects.update(last_used_at=used - timedelta(minutes=2))
    read(token)
    assert actions().count("audit.feed_read") == 1
    assert FeedToken.objects.get().last_used_at >= used
    an_hour_ago = timezone.now() - feed_tokens.RECORDED_EVERY
    FeedToken.objects.update(last_used_at=an_hour_ago, last_recorded_at=an_hour_ago)
    read(token, after=3)
    assert actions().count("audit.feed_read") == 2
    event = ledger.matching(action="audit.feed_read").first()
    assert (event.actor_name, event.address) == ("feed SIEM", "127.0.0.1")
    assert event.details["after"] == 3


@pytest.mark.parametrize("number", ["", "0", "-1", "x", "²", "\0", "9" * 19, "9" * 5000])
def test_it_finds_no_feed_by_nonsense(cast, number):
    assert cast.client("security").post("/audit/feeds/revoke/", {"feed": number}).status_code == 404


@pytest.mark.parametrize("name", ["\0", "SIEM\0", "SI\x1b[31mEM", "\u202eMEIS"])
def test_it_takes_no_invisible_characters_into_a_name(cast, actions, name):
    token, answer = make(cast, name=name)
    assert (answer.status_code, token) == (422, "")
    assert "a character that cannot be seen" in text_of(answer)
    assert not FeedToken.objects.exists() and "audit.feed_created" not in actions()


def age(days):
    """Let the token be older by this many days."""
    token = FeedToken.objects.get()
    by = timedelta(days=days)
    FeedToken.objects.update(created_at=token.created_at - by, expires_at=token.expires_at - by)


@pytest.mark.parametrize(("typed", "days"), [({}, 365), ({"lifetime_days": "365"}, 365), ({"lifetime_days": " 1 "}, 1)])
def test_a_token_has_a_lifetime(cast, typed, days):
    make(cast, **typed)
    token = FeedToken.objects.get()
    assert token.expires_at - token.created_at == timedelta(days=days)
    page = text_of(cast.client("security").get("/audit/feeds/"))
    assert f"{token.expires_at:%Y-%m-%d}" in page
    assert ledger.last("audit.feed_created").details["expires"] == token.expires_at.isoformat()


@pytest.mark.parametrize("typed", ["0", "366", "-1", "", "x", "²", "9" * 400])
def test_no_other_lifetime_can_be_chosen(cast, typed):
    token, answer = make(cast, name="SIEM", lifetime_days=typed)
    assert (answer.status_code, token) == (422, "")
    page = answer.content.decode()
    assert "Choose a lifetime of 1 to 365 days." in page
    assert 'value="SIEM"' in page  # what was typed stays
    assert not FeedToken.objects.exists()


def test_the_database_refuses_a_token_without_a_lifetime(cast):
    make(cast)
    with pytest.raises(IntegrityError), transaction.atomic():
        FeedToken.objects.update(expires_at=FeedToken.objects.get().created_at)


def ended(cast, token, actions, told, why):
    """Check that a token is refused like any wrong one, and that this is recorded and told once."""
    answers = [read(token), read(token), read("kpf_wrong")]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert len({answer.content for answer in answers}) == 1
    reconcile()
    assert actions().count("audit.feed_ended") == 1
    event = ledger.last("audit.feed_ended")
    assert (event.details["name"], event.details["why"]) == ("SIEM", why)
    (notice,) = (one for one in told if one["kind"] == "audit.feed_ended")
    assert why in notice["text"] and {user.username for user in notice["people"]} <= {"security", "security2"}
    assert why in text_of(cast.client("security2").get("/audit/feeds/"))


def test_an_expired_token_is_worth_nothing(cast, actions, told):
    token, _ = make(cast, lifetime_days="30")
    age(29)
    assert read(token).status_code == 200
    age(1)
    assert "It expired." in text_of(cast.client("security2").get("/audit/feeds/"))
    ended(cast, token, actions, told, "It expired.")


def leave_security(user):
    user.groups.clear()


def be_deactivated(user):
    User.objects.filter(pk=user.pk).update(is_active=False)  # past the portal, as a script could


@pytest.mark.parametrize("leave", [leave_security, be_deactivated])
def test_a_token_ends_with_its_makers_right(cast, actions, told, leave):
    token, _ = make(cast)
    assert read(token).status_code == 200
    leave(cast.user("security"))
    ended(cast, token, actions, told, "The user who created it is no longer in Security.")
    cast.user("security").groups.set(cast.user("security2").groups.all())
    User.objects.update(is_active=True)
    assert read(token).status_code == 401  # it does not come back with them


def test_a_token_no_one_uses_ends_too(cast, actions):
    make(cast)
    reconcile()
    assert "audit.feed_ended" not in actions()
    leave_security(cast.user("security"))
    reconcile()
    reconcile()
    assert actions().count("audit.feed_ended") == 1
    assert FeedToken.objects.get().revoked_at


@pytest.mark.parametrize(("lifetime", "quiet", "warned"), [("365", 350, 351), ("10", 4, 5), ("1", 0, 0.5)])
def test_security_is_warned_once_before_a_token_expires(cast, actions, told, lifetime, quiet, warned):
    token, _ = make(cast, lifetime_days=lifetime)
    age(quiet)
    reconcile()
    assert not told
    age(warned - quiet)
    reconcile()
    reconcile()
    (notice,) = told
    assert {user.username for user in notice["people"]} == {"security", "security2"}
    assert "SIEM expires at" in notice["title"]
    assert actions().count("audit.feed_reminded") == 1
    assert read(token).status_code == 200


def test_a_maker_cannot_be_deleted_from_under_a_token(cast):
    make(cast)
    with pytest.raises(ProtectedError):
        cast.user("security").delete()


def test_one_token_that_fails_keeps_no_other(cast, actions, monkeypatch):
    for name in ("A", "B"):
        make(cast, name=name)
    leave_security(cast.user("security"))
    record = audit_record.record

    def broken(action, actor, **details):
        if details["name"] == "A":
            raise ValueError("this one alone")
        record(action, actor, **details)

    monkeypatch.setattr(feed_tokens, "record", broken)
    reconcile()
    assert actions().count("audit.feed_ended") == 1
    assert FeedToken.objects.get(revoked_at=None).name == "A"
