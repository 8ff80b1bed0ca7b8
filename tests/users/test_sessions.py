"""A user sees where they are signed in, and ends one session, the others or all; no one else's."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.users import sessions
from tests.cast import text_of
from tests.users.test_session_times import FIREFOX
from tests.users.test_sign_in import PASSWORD, sign_in

PAGE = "/accounts/sessions/"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1"


@pytest.fixture
def browsers(cast):
    """Two browsers of one user."""
    user = cast.user("engineer")
    user.set_password(PASSWORD)
    user.save()
    found = [Client(headers={"User-Agent": agent}, REMOTE_ADDR=ip) for agent, ip in AGENTS]
    for browser in found:
        sign_in(browser)
    return found


AGENTS = [(FIREFOX, "192.0.2.7"), (IPHONE, "198.51.100.9")]


def use_of(browser):
    return UserSession.objects.get(session_key=browser.session.session_key)


def is_in(browser):
    return browser.get("/").status_code == 200


def events(action):
    return list(matching().filter(action=action).order_by("sequence"))


def test_it_lists_both_in_plain_words_and_no_key(browsers):
    answer = browsers[0].get(PAGE)
    words = text_of(answer)
    assert "Firefox on Linux This session 192.0.2.7" in words
    assert "Safari on iPhone 198.51.100.9" in words
    for browser in browsers:
        assert browser.session.session_key not in answer.content.decode()


def test_it_ends_one_and_says_so_in_the_audit(browsers):
    this, other = browsers
    pk, key = use_of(other).pk, other.session.session_key
    answer = this.post(f"{PAGE}{pk}/end/", follow=True)
    assert "That session has ended." in text_of(answer)
    assert "iPhone" not in text_of(answer)
    assert (is_in(this), is_in(other)) == (True, False)
    assert not Session.objects.filter(session_key=key).exists()
    [event] = events("user.session_ended")
    assert "Safari on iPhone" in str(event.content if hasattr(event, "content") else event.__dict__)
    assert "198.51.100.9" not in str(event.__dict__)
    assert this.post(f"{PAGE}{pk}/end/").status_code == 404


def test_no_one_ends_anothers(cast, browsers):
    pk = use_of(browsers[0]).pk
    for role in ("colleague", "lead", "security", "admin"):
        assert cast.client(role).post(f"{PAGE}{pk}/end/").status_code == 404
        assert "iPhone" not in text_of(cast.client(role).get(PAGE))
    assert Client().post(f"{PAGE}{pk}/end/").status_code == 302
    assert is_in(browsers[0])
    assert not events("user.session_ended")


def test_this_one_is_left_to_signing_out(browsers):
    assert browsers[0].post(f"{PAGE}{use_of(browsers[0]).pk}/end/").status_code == 404
    assert is_in(browsers[0])


def test_it_ends_all_others_and_those_no_list_has(browsers):
    this, other = browsers
    use_of(other).delete()  # as one of a version before
    third = Client()
    sign_in(third)
    assert "All your other sessions have ended." in text_of(this.post(f"{PAGE}end-others/", follow=True))
    assert (is_in(this), is_in(other), is_in(third)) == (True, False, False)
    [event] = events("user.sessions_ended")
    assert "all others" in str(event.__dict__)
    sign_in(other)
    assert is_in(other)


def test_it_ends_everywhere_and_here(cast, browsers):
    this, other = browsers
    foreign = cast.client("colleague")
    answer = this.post(f"{PAGE}end-all/", follow=True)
    assert answer.redirect_chain == [("/accounts/login/", 302)]
    assert "All your sessions have ended, this one too." in text_of(answer)
    assert (is_in(this), is_in(other), is_in(foreign)) == (False, False, True)
    assert not UserSession.objects.filter(user__username="engineer").exists()
    sign_in(this)
    assert is_in(this)


def test_a_get_ends_nothing(browsers):
    for name in ("end-others/", "end-all/", f"{use_of(browsers[1]).pk}/end/"):
        assert browsers[0].get(f"{PAGE}{name}").headers["Location"] == PAGE
    assert is_in(browsers[1])


@pytest.mark.parametrize("over", ["unused", "long ago", "a year", "expired", "other password", "ended"])
def test_what_lets_no_one_in_is_not_listed(browsers, over):
    this, other = browsers
    use, now = UserSession.objects.filter(pk=use_of(other).pk), timezone.now()
    if over == "unused":
        use.update(last_seen_at=now - timedelta(hours=2, seconds=1))
    elif over == "long ago":
        use.update(created_at=now - timedelta(hours=12, seconds=1))
    elif over == "a year":
        use.update(created_at=now - timedelta(days=365), last_seen_at=now - timedelta(days=365))
    elif over == "expired":
        Session.objects.filter(session_key=other.session.session_key).update(expire_date=now)
    else:
        kept = other.session
        kept["_auth_user_hash" if over == "other password" else "portal.sessions_ended"] = "x"
        kept.save()
    assert "iPhone" not in text_of(this.get(PAGE))
    assert not is_in(other)


def test_an_unknown_address_is_said_to_be(cast):
    client = cast.client("engineer")
    UserSession.objects.update(ip=sessions.UNKNOWN_ADDRESS)
    assert "unknown" in text_of(client.get(PAGE, REMOTE_ADDR=""))
    assert sessions.UNKNOWN_ADDRESS not in text_of(client.get(PAGE, REMOTE_ADDR=""))


def test_the_admin_has_no_page_of_them(cast):
    assert cast.client("admin").get("/admin/usersessions/usersession/").status_code == 404


def test_a_change_that_cannot_be_recorded_ends_nothing(browsers, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no event")

    monkeypatch.setattr("keys_app.users.session_list.record", fail)
    this, other = browsers
    for name in (f"{use_of(other).pk}/end/", "end-others/", "end-all/"):
        with pytest.raises(RuntimeError):
            this.post(f"{PAGE}{name}")
    assert (is_in(this), is_in(other)) == (True, True)
