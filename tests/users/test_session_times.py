"""A session ends when it is not used, and twelve hours after its sign-in; what is known of its use ends with it."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys_app.reconcile.run import reconcile
from keys_app.users import sessions
from tests.cast import text_of
from tests.users.test_sign_in import PASSWORD, sign_in

HOUR = timedelta(hours=1)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def unused(client, length=2 * HOUR + timedelta(seconds=1)):
    """Let a browser's session be one that was last used so long ago."""
    uses = UserSession.objects.filter(session_key=client.session.session_key)
    assert uses.update(last_seen_at=timezone.now() - length) == 1


def last_used(client):
    return UserSession.objects.get(session_key=client.session.session_key).last_seen_at


def test_a_session_that_was_not_used_for_two_hours_is_over(cast):
    client, other = cast.client("engineer"), cast.client("engineer")
    unused(client)
    answer = client.get("/requests/", follow=True)
    assert answer.redirect_chain == [("/accounts/login/?next=/requests/", 302)]
    assert "You were away for more than 2 hours. Sign in again." in text_of(answer)
    assert client.get("/").status_code == 302
    assert other.get("/").status_code == 200


def test_a_shorter_time_ends_nothing_and_is_noted(cast):
    client = cast.client("engineer")
    unused(client, 2 * HOUR - timedelta(minutes=1))
    assert client.get("/").status_code == 200
    assert timezone.now() - last_used(client) < timedelta(minutes=1)


def test_nothing_of_a_session_that_is_over_is_kept(cast):
    client = cast.client("engineer")
    key = client.session.session_key
    unused(client)
    client.get("/")
    assert not UserSession.objects.exists()
    assert not Session.objects.filter(session_key=key).exists()


def test_a_form_of_it_says_so_and_is_not_received(cast):
    client = cast.client("engineer")
    unused(client)
    answer = client.post("/requests/new/", cast.form(), follow=True)
    assert "You were away for more than 2 hours. What you sent was not received." in text_of(answer)


def test_htmx_is_told_as_well(cast):
    client = cast.client("engineer")
    unused(client)
    answer = client.get("/", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert "You were away for more than 2 hours. Nothing was sent." in text_of(answer)


def test_an_operator_sets_the_time_or_turns_it_off(cast, settings):
    settings.SESSION_IDLE = timedelta(seconds=90)
    client, patient = cast.client("engineer"), cast.client("engineer")
    unused(client, timedelta(seconds=91))
    assert "away for more than" in text_of(client.get("/", follow=True))
    settings.SESSION_IDLE = timedelta()
    unused(patient, 11 * HOUR)
    assert patient.get("/").status_code == 200


def test_use_does_not_extend_twelve_hours(cast):
    client = cast.client("engineer")
    assert client.get("/").status_code == 200
    UserSession.objects.update(created_at=timezone.now() - 12 * HOUR - timedelta(seconds=1))
    assert "You signed in more than 12 hours ago. Sign in again." in text_of(client.get("/", follow=True))


def test_use_is_written_once_a_minute_without_another_query(cast):
    client = cast.client("engineer")
    client.get("/")
    before = last_used(client)
    with CaptureQueriesContext(connection) as captured:
        client.get("/keys/")
    assert "usersessions_usersession" not in " ".join(one["sql"] for one in captured[1:])
    assert last_used(client) == before
    unused(client, timedelta(seconds=61))
    client.get("/keys/")
    assert last_used(client) > before


@pytest.mark.parametrize("url", ["/", "/admin/"])
def test_what_a_page_asks_by_itself_is_no_use(cast, url):
    client = cast.client("lead")
    unused(client, HOUR)
    before = last_used(client)
    assert client.get(url, headers={sessions.BACKGROUND: "1"}).status_code == 200
    assert last_used(client) == before
    unused(client)
    assert client.get(url, headers={sessions.BACKGROUND: "1"}).status_code == 302


def test_two_requests_at_once_lose_nothing_of_each_other(cast):
    """The use is not in what Django saves of a session as a whole."""
    client = cast.client("engineer")
    unused(client, HOUR)
    one = client.session
    one["kept"] = "by one"
    assert client.get("/").status_code == 200
    one.save()
    assert client.session["kept"] == "by one"
    assert timezone.now() - last_used(client) < timedelta(minutes=1)


def test_a_session_of_a_version_before_is_noted_with_its_next_use(cast):
    client = cast.client("engineer")
    UserSession.objects.all().delete()
    assert client.get("/").status_code == 200
    assert timezone.now() - last_used(client) < timedelta(minutes=1)


def test_a_sign_in_notes_browser_and_address_in_words(cast):
    user = cast.user("engineer")
    user.set_password(PASSWORD)
    user.save()
    client = Client(headers={"User-Agent": FIREFOX}, REMOTE_ADDR="192.0.2.7")
    assert sign_in(client)["Location"] == "/"
    use = UserSession.objects.get(user=user)
    assert (use.session_key, use.ip, use.user_agent) == (client.session.session_key, "192.0.2.7", "Firefox on Linux")
    client.post("/accounts/logout/")
    assert not UserSession.objects.exists()


def test_a_sign_in_over_a_socket_without_an_address_is_one(cast):
    user = cast.user("engineer")
    user.set_password(PASSWORD)
    user.save()
    client = Client(REMOTE_ADDR="")
    assert sign_in(client)["Location"] == "/"
    assert UserSession.objects.get(user=user).ip == sessions.UNKNOWN_ADDRESS


def test_a_new_password_keeps_the_session_it_was_set_in_and_ends_the_others(cast):
    user = cast.user("engineer")
    user.set_password(PASSWORD)
    user.save()
    client, other = Client(), Client()
    sign_in(client)
    sign_in(other)
    begun = UserSession.objects.get(session_key=client.session.session_key)
    new = {"oldpassword": PASSWORD, "password1": "another-long-passphrase", "password2": "another-long-passphrase"}
    assert client.post("/accounts/password/change/", new).status_code == 302
    assert (client.get("/").status_code, other.get("/").status_code) == (200, 302)
    now = UserSession.objects.get()
    assert (now.pk, now.created_at) == (begun.pk, begun.created_at)
    assert now.session_key == client.session.session_key != begun.session_key


def test_the_reconciler_removes_sessions_that_are_over(cast):
    browsers = {role: cast.client(role) for role in ("engineer", "colleague", "lead", "security", "admin")}
    unused(browsers["engineer"])
    Session.objects.filter(session_key=browsers["colleague"].session.session_key).update(expire_date=timezone.now())
    cast.people["lead"].is_active = False
    cast.people["lead"].save()
    old = UserSession.objects.filter(user__username="admin")
    old.update(created_at=timezone.now() - 365 * 24 * HOUR)
    reconcile()
    assert [use.user.username for use in UserSession.objects.all()] == ["security"]
    assert Session.objects.count() == 1
    assert browsers["security"].get("/").status_code == 200
