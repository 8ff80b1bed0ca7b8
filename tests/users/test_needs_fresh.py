"""What matters needs a fresh sign-in; the press is neither kept nor sent again, and its user comes back to its page."""

from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from keys_app.audit.ledger import matching
from keys_app.key_requests.models import KeyRequest
from keys_app.users.models import LimitedUse
from tests.cast import secret_in, text_of
from tests.matrix.pages import ADMINISTERED
from tests.matrix.test_complete import _names

from .stale import FREE, NEED, NEED_ALIKE, NONE_NEEDED, events, stale
from .test_sign_in import addresses

PASSWORD = "a-long-enough-passphrase"
AGAIN = "/accounts/reauthenticate/"
EVERY = sorted(set(_names(get_resolver().url_patterns)))
SINGLE = {name for name, _ in NEED.values()} | {name for name, _ in FREE.values()} | NEED_ALIKE


def asked_again(answer):
    """Return the page one comes back to; None for an answer that doesn't ask to sign in again."""
    where = urlsplit(answer.get("HX-Redirect") or answer.get("Location") or "")
    return parse_qs(where.query)["next"][0] if where.path == AGAIN else None


def stored():
    """Return what the session table holds, in words."""
    return " ".join(str(one.get_decoded()) for one in Session.objects.all())


@pytest.mark.parametrize("what", NEED)
def test_it_is_asked_for_and_nothing_is_done(what, cast, standin):
    press = NEED[what][1](cast, standin)
    client = stale(cast, press.role)
    before = (events(), standin.requests(), list(KeyRequest.objects.values()), LimitedUse.objects.count())
    answer = press.by(client)
    assert (answer.status_code, asked_again(answer)) == (302, press.page)
    assert (events(), standin.requests(), list(KeyRequest.objects.values()), LimitedUse.objects.count()) == before
    assert "account_reauthentication_state" not in client.session
    if press.method == "post":
        texts = [str(one) for one in press.data.values() if len(str(one)) > 3]
        assert not [text for text in texts if text in stored()]
    cast.people[press.role].refresh_from_db()
    fresh = press.by(cast.client(press.role))
    assert asked_again(fresh) is None
    assert fresh.status_code in (200, 302), text_of(fresh)
    if fresh.streaming:
        b"".join(fresh.streaming_content)
    assert events() > before[0]


@pytest.mark.parametrize("what", [what for what, (_, make) in NEED.items() if not what.startswith(("export", "one"))])
def test_htmx_is_led_there_by_the_browser(what, cast, standin):
    press = NEED[what][1](cast, standin)
    here = f"http://testserver{press.page}"
    before = events()
    answer = press.by(stale(cast, press.role), **{"HX-Request": "true", "HX-Current-URL": here})
    assert (answer.status_code, answer.content, asked_again(answer)) == (200, b"", press.page)
    assert "Location" not in answer
    assert events() == before


@pytest.mark.parametrize("what", FREE)
def test_the_rest_is_done_as_before(what, cast, standin):
    press = FREE[what][1](cast, standin)
    client, before = stale(cast, press.role), events()
    answer = press.by(client)
    assert asked_again(answer) is None
    assert answer.status_code == 302, text_of(answer)
    assert events() > before


def test_every_address_is_decided_about(cast):
    """A new address needs a fresh sign-in for its form, or stands among those that need none, or takes no form."""
    taken = {name for name in EVERY if not name.startswith("admin:")} - SINGLE - set(NONE_NEEDED)
    assert sorted(name for name in taken if name.partition(":")[0] != "portal") == []
    client = cast.client("security")
    takes_a_form = [name for name in sorted(taken) if client.post(_address(name)).status_code != 405]
    assert takes_a_form == [], "decide in tests/users/stale.py whether their forms need a fresh sign-in"


@pytest.mark.parametrize(
    "name", [name for name in EVERY if name.startswith("admin:") and name not in {*NONE_NEEDED, *SINGLE}]
)
def test_every_form_of_the_admin_needs_one(name, cast):
    client, before = stale(cast, "admin"), events()
    answer = client.post(_address(name), {"name": "Changed"})
    assert asked_again(answer) == _address(name)
    assert events() == before


FOR_APPROVERS = ("admin:index", "admin:app_list", "admin:log", "admin:jsi18n", "admin:keys_app_keyrequest")


@pytest.mark.parametrize("role", ["lead", "security", "engineer"])
def test_a_page_of_the_admin_is_for_portal_admins_unless_said(role, cast):
    """Whatever is added to it, by Django or by us."""
    client = cast.client(role)
    names = [name for name in EVERY if name.startswith("admin:") and not name.startswith(FOR_APPROVERS)]
    assert len(names) > 40
    before = events()
    for name in names:
        for answer in (client.get(_address(name), follow=True), client.post(_address(name), follow=True)):
            assert answer.status_code in (403, 404, 405), name
    assert events() == before


@pytest.mark.parametrize("name", sorted(NEED_ALIKE))
def test_the_decisions_of_security_need_one(name, cast):
    answer = stale(cast, "security").post(_address(name))
    assert asked_again(answer) == _address(name)
    assert asked_again(cast.client("security").post(_address(name))) is None


def _address(name):
    space, _, short = name.rpartition(":")
    if space == "portal":
        return addresses()[short]
    for arguments in ((), ["1"], ["keys_app"]):
        with suppress(NoReverseMatch):
            return reverse(name, args=arguments)
    raise AssertionError(name)


SECRET_FORMS = ["/admin/keys_app/webhook/add/"]


@pytest.mark.parametrize("url", SECRET_FORMS)
def test_a_form_that_takes_a_secret_is_shown_after_it(url, cast):
    assert asked_again(stale(cast, "admin").get(url)) == url
    assert cast.client("admin").get(url).status_code == 200


def test_other_pages_are_shown(cast):
    client = stale(cast, "admin")
    for prefix in ADMINISTERED:
        assert client.get(reverse(f"admin:{prefix}_changelist")).status_code == 200
    assert client.get(f"/admin/keys_app/team/{cast.team.pk}/change/").status_code == 200


def test_without_a_limit_nothing_asks(cast, standin, settings):
    settings.REAUTHENTICATE_AFTER = 0
    press = NEED["issue"][1](cast, standin)
    assert secret_in(press.by(stale(cast, "engineer", ago=10**6)))


def test_who_may_not_is_refused_without_being_asked(cast):
    client = stale(cast, "engineer")
    assert client.get("/audit/export.csv").status_code == 403
    assert client.post("/audit/feeds/", {"name": "A", "lifetime_days": "7"}).status_code == 403


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/", "http://testserver.elsewhere.example/"])
def test_the_page_to_come_back_to_is_one_of_the_portals_own(cast, elsewhere):
    key_request = cast.approved()
    url = f"/requests/{key_request.pk}/issue/"
    answer = stale(cast, "engineer").post(url, headers={"Referer": elsewhere})
    assert asked_again(answer) == url
    answer = stale(cast, "engineer").post(url, headers={"HX-Request": "true", "HX-Current-URL": elsewhere})
    assert asked_again(answer) in ("/", url)


# Signing in again


@pytest.fixture
def person(cast):
    user = cast.user("engineer")
    user.set_password(PASSWORD)
    user.save()
    cast.people["engineer"] = user
    return user


def test_one_comes_back_presses_again_and_it_is_done(cast, standin, person):
    press = NEED["issue"][1](cast, standin)
    client = stale(cast, "engineer")
    answer = press.by(client)
    page = client.get(answer["Location"])
    assert "Sign in again" in text_of(page)
    back = client.post(AGAIN, {"password": PASSWORD, "next": asked_again(answer)})
    assert (back.status_code, back["Location"]) == (302, press.page)
    assert standin.keys() == []
    shown = text_of(client.get(press.page))
    assert "Signed in again. Nothing was done yet: press the button again." in shown
    assert "press the button again" not in text_of(client.get(press.page))
    assert secret_in(press.by(client))
    (event,) = matching(action="user.reauthenticated")
    assert (event.actor_name, event.details) == ("Engineer Person", {"with": "password"})


def test_a_wrong_password_changes_nothing_and_is_counted(cast, standin, person):
    press = NEED["issue"][1](cast, standin)
    client = stale(cast, "engineer")
    answer = client.post(AGAIN, {"password": "wrong", "next": "/keys/"})
    assert answer.status_code == 200
    assert "incorrect" in text_of(answer).lower() or "not correct" in text_of(answer).lower()
    assert asked_again(press.by(client)) == press.page
    assert matching(action="user.sign_in_failed").count() == 1
    assert not matching(action="user.reauthenticated").exists()


def test_a_cookie_that_was_copied_before_is_worth_nothing_after_it(cast, person):
    client = stale(cast, "engineer")
    thief = Client()
    thief.cookies["sessionid"] = client.cookies["sessionid"].value
    assert thief.get("/").status_code == 200
    client.post(AGAIN, {"password": PASSWORD})
    assert client.get("/").status_code == 200
    assert thief.get("/").status_code == 302


def test_a_form_that_was_open_before_is_taken_after_it(cast, person):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    page = client.get("/requests/new/")
    token = page.content.decode().partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    assert client.post(AGAIN, {"password": PASSWORD, "csrfmiddlewaretoken": token}).status_code == 302
    assert client.post("/requests/new/", cast.form(csrfmiddlewaretoken=token)).status_code == 302


@pytest.mark.parametrize("url", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_it_does_not_lead_elsewhere(cast, person, url):
    client = stale(cast, "engineer")
    assert client.post(AGAIN, {"password": PASSWORD, "next": url})["Location"] == "/"
    assert client.get(AGAIN, {"next": url})["Location"] == "/"  # by now it is fresh


def test_who_has_no_password_signs_out_and_in(cast, person):
    person.set_unusable_password()
    person.save()
    client = stale(cast, "engineer")
    answer = client.get(AGAIN, {"next": "/keys/"})
    assert answer.status_code == 200
    assert "Sign out and in again" in text_of(answer)
    assert 'name="password"' not in answer.content.decode()
    out = client.post("/accounts/logout/", {"next": "/accounts/login/?next=/keys/"})
    assert out["Location"] == "/accounts/login/?next=/keys/"
    assert client.get("/").status_code == 302


def test_what_was_typed_is_there_again(cast, standin, person):
    key = cast.issued()[0].keys.get()
    client = stale(cast, "security")
    page = client.get(f"/keys/{key.sid}/").content.decode()
    draft_of = page.partition('name="draft_of" value="')[2].partition('"')[0]
    answer = client.post(f"/keys/{key.sid}/revoke/", {"reason": "Seen in a public log.", "draft_of": draft_of})
    assert asked_again(answer)
    shown = client.get(f"/keys/{key.sid}/")
    assert "Seen in a public log." in shown.content.decode()
    assert "Not sent: you had to sign in again first" in text_of(shown)
    key.refresh_from_db()
    assert key.state == "active"
