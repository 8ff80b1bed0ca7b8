"""Nobody gets in without signing in, and every answer forbids what it should."""

import re
import uuid

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from keys_app import urls
from tests.cast import text_of

PASSWORD = "a-long-enough-passphrase"
SAMPLES = {
    "request_id": uuid.UUID(int=0),
    "delegation_id": 1,
    "sid": "SK" + "0" * 32,
    "sequence": 1,
    "quarter": "2026-Q4",
    "version": "0" * 16,
}
OPEN = {"audit_feed"}  # a feed has a token of its own
LOGIN = "/accounts/login/"


def addresses():
    """Return the address of every page and action of the portal."""
    found = {}
    for pattern in urls.urlpatterns:
        wanted = pattern.pattern.regex.groupindex
        found[pattern.name] = reverse(f"portal:{pattern.name}", kwargs={name: SAMPLES[name] for name in wanted})
    return found


CLOSED = {name: url for name, url in addresses().items() if name not in OPEN}
ADMIN = [
    "/admin/",
    "/admin/keys_app/keyrequest/",
    f"/admin/keys_app/keyrequest/{uuid.UUID(int=0)}/change/",
    "/admin/keys_app/account/",
    "/admin/auth/user/",
    "/admin/password_change/",
]


@pytest.fixture
def person(cast):
    """Somebody with a password."""
    user = cast.user("engineer")
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(client, password=PASSWORD, name="engineer", **data):
    return client.post(LOGIN, {"login": name, "password": password, **data})


@pytest.mark.parametrize("name", CLOSED)
def test_an_anonymous_person_is_sent_to_sign_in(db, name):
    for method in ("get", "post", "put", "delete"):
        answer = getattr(Client(), method)(CLOSED[name])
        assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?next={CLOSED[name]}")


@pytest.mark.parametrize("name", CLOSED)
def test_a_person_is_not(cast, name):
    """The same addresses with a session: whatever they answer, it is not the way to sign in."""
    client = cast.client("security")
    for method in ("get", "post"):
        assert LOGIN not in getattr(client, method)(CLOSED[name]).get("Location", "")


@pytest.mark.parametrize("name", CLOSED)
def test_htmx_gets_a_dialog_instead_of_a_redirect(db, name):
    for method in ("get", "post"):
        answer = getattr(Client(), method)(CLOSED[name], headers={"HX-Request": "true"})
        body = answer.content.decode()
        assert answer.status_code == 401
        assert body.strip().startswith("<dialog")
        assert "<html" not in body
        assert f'href="{LOGIN}?next=%2F"' in body


@pytest.mark.parametrize("url", ADMIN)
def test_the_admin_has_no_sign_in_of_its_own(db, url):
    answer = Client().get(url, follow=True)
    assert answer.redirect_chain[-1][0].startswith(LOGIN)
    assert 'name="login"' in answer.content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_admins_login_page_offers_no_form(cast, person, method):
    data = {"username": "engineer", "password": PASSWORD, "login": "engineer"}
    answer = getattr(Client(), method)("/admin/login/", data)
    assert answer.status_code == 302
    assert answer["Location"].startswith(LOGIN)
    assert cast.client("colleague").get("/admin/login/").status_code == 403
    assert cast.client("lead").get("/admin/login/")["Location"] == "/admin/"


def test_the_right_password_opens_the_page_that_was_wanted(cast, person):
    client = Client()
    answer = sign_in(client, next="/requests/")
    assert (answer.status_code, answer["Location"]) == (302, "/requests/")
    assert client.get("/requests/").status_code == 200


def test_the_wrong_password_opens_nothing(cast, person):
    client = Client()
    answer = sign_in(client, PASSWORD + "x")
    assert answer.status_code == 200
    assert "not correct" in text_of(answer)
    assert PASSWORD not in answer.content.decode()
    assert client.get("/").status_code == 302


def test_a_wrong_name_and_a_wrong_password_look_the_same(cast, person):
    wrong_password = text_of(sign_in(Client(), "wrong-password"))
    wrong_name = text_of(sign_in(Client(), "wrong-password", name="nobody"))
    assert wrong_password == wrong_name


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "!unusable"}])
def test_a_person_who_may_not_sign_in_does_not(cast, person, change):
    User.objects.filter(pk=person.pk).update(**change)
    client = Client()
    sign_in(client)
    assert client.get("/").status_code == 302


def test_a_session_ends_when_the_person_is_switched_off(cast):
    client = cast.client("engineer")
    assert client.get("/").status_code == 200
    User.objects.filter(username="engineer").update(is_active=False)
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", "a-view", "1", "/\r\nX: y"]
)
def test_no_page_of_signing_in_or_out_leads_elsewhere(cast, person, url):
    """A word that is no path is no view's name either: Django looks one up, and has none."""
    client = Client()
    answer = sign_in(client, next=url)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    for page in ("/accounts/login/", "/accounts/reauthenticate/"):  # signed in, and just now
        assert client.get(page, {"next": url})["Location"] == "/"
    assert client.post("/accounts/logout/", {"next": url})["Location"] == "/accounts/login/"


def test_nobody_signs_up(cast):
    before = User.objects.count()
    fields = {"username": "new", "password1": PASSWORD, "password2": PASSWORD, "email": "new@example.com"}
    for answer in (Client().get("/accounts/signup/"), Client().post("/accounts/signup/", fields)):
        assert 'name="password1"' not in answer.content.decode()
        assert "sign-up" in text_of(answer).lower()
    assert User.objects.count() == before


def test_signing_out_ends_the_session(cast):
    client = cast.client("engineer")
    assert client.post("/accounts/logout/").status_code == 302
    assert client.get("/").status_code == 302


def pages():
    """Return role and address of one answer of each kind: page, error, sign-in, admin, check, redirect."""
    return [
        ("engineer", "/"),
        ("engineer", "/requests/"),
        ("engineer", "/requests/new/"),
        ("engineer", "/keys/"),
        ("engineer", f"/keys/{SAMPLES['sid']}/"),
        ("security", "/audit/"),
        ("lead", "/admin/keys_app/keyrequest/"),
        ("admin", "/admin/"),
        ("admin", "/admin/keys_app/account/"),
        ("lead", "/admin/auth/user/"),
        ("engineer", "/nothing/"),
        (None, "/"),
        (None, LOGIN),
        (None, "/accounts/signup/"),
        (None, "/healthz"),
    ]


@pytest.mark.parametrize(("role", "url"), pages())
def test_every_answer_forbids_caching_framing_and_guessing(cast, role, url):
    answer = (cast.client(role) if role else Client()).get(url)
    assert answer["Cache-Control"] == "no-store, private"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(("role", "url"), pages())
def test_every_answer_has_a_strict_content_policy(cast, role, url):
    answer = (cast.client(role) if role else Client()).get(url)
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert not re.search(r"unsafe|\*|data:|https?:", answer["Content-Security-Policy"])


@pytest.mark.parametrize(("role", "url"), [page for page in pages() if not page[1].startswith("/admin/")])
def test_no_page_of_the_portal_needs_more_than_that_policy(cast, role, url):
    body = (cast.client(role) if role else Client()).get(url).content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", body)


def test_a_post_without_its_token_is_refused_with_a_page(cast):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.people["engineer"])
    answer = client.post("/requests/new/", cast.form())
    assert answer.status_code == 403
    assert "out of date" in text_of(answer)
    assert "<html" in answer.content.decode()
    assert answer["Cache-Control"] == "no-store, private"


def test_htmx_is_told_in_a_dialog(cast):
    key_request = cast.approved()
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.people["engineer"])
    here = f"/requests/{key_request.pk}/"
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{here}"}
    answer = client.post(f"/requests/{key_request.pk}/issue/", headers=headers)
    body = answer.content.decode()
    assert answer.status_code == 409
    assert body.strip().startswith("<dialog")
    assert "too old" in text_of(answer)
    assert f'href="{here}"' in body
    assert not key_request.issuances.exists()


def test_a_post_with_its_token_is_accepted(cast):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.people["engineer"])
    page = client.get("/requests/new/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1)
    assert client.post("/requests/new/", cast.form(csrfmiddlewaretoken=token)).status_code == 302


def test_signing_in_needs_its_token_too(cast, person):
    client = Client(enforce_csrf_checks=True)
    assert sign_in(client).status_code == 403
    assert client.get("/").status_code == 302
