"""The portal's own address is PORTAL_BASE_URL in all it says and checks, and no other host or port is answered."""

import re
from urllib.parse import quote, urlsplit

import pytest
from django.core import mail
from django.test import Client

from keys_app.users.password_resets import send_links
from tests.cast import text_of
from tests.notifications.test_notices import WithResets

BASE = "https://portal.example.com"
LOGIN = "/accounts/login/"


@pytest.fixture
def at(settings):
    """Set where the portal is, and which hosts it answers to."""

    def is_at(base=BASE, hosts=None, any_port=()):
        settings.BASE_URL = urlsplit(base)
        settings.ALLOWED_HOSTS = hosts or ["portal.example.com"]
        settings.HOSTS_WITH_ANY_PORT = list(any_port)
        settings.SECURE_HSTS_SECONDS = 31536000 if base.startswith("https:") else 0

    return is_at


@pytest.mark.parametrize("host", ["portal.example.com", "portal.example.com:443", "PORTAL.example.com", "10.1.2.3"])
def test_a_mailed_link_leads_to_the_portals_own_address(at, cast, settings, host):
    """Behind a proxy with TLS, gunicorn itself sees http, and perhaps the address of its own."""
    at(hosts=["portal.example.com", "10.1.2.3"])
    user = cast.people["engineer"]
    user.email = "engineer@example.test"
    user.save()
    settings.ROOT_URLCONF = WithResets
    answer = Client(HTTP_HOST=host).post("/accounts/password/reset/", {"email": user.email})
    assert answer.status_code == 302
    send_links()
    (message,) = mail.outbox
    assert re.findall(r"https?://[^/\s]+", message.body) == [BASE]


def test_the_feed_has_the_portals_own_address(at, cast):
    at()
    client = Client(HTTP_HOST="portal.example.com")
    client.force_login(cast.people["security"])
    assert f'"{BASE}/audit/feed?' in client.get("/audit/feeds/").content.decode().replace("&quot;", '"')


@pytest.mark.parametrize("url", [LOGIN, "/static/portal/portal.css", "/nothing/"])
def test_https_is_kept_to_where_it_is_the_portals_own(at, db, url):
    at()
    assert Client(HTTP_HOST="portal.example.com").get(url)["Strict-Transport-Security"] == "max-age=31536000"
    at("http://portal.example.com:8000")
    assert "Strict-Transport-Security" not in Client(HTTP_HOST="portal.example.com").get(url)


@pytest.mark.parametrize(
    ("base", "host", "status"),
    [
        (BASE, "portal.example.com", 200),
        (BASE, "portal.example.com:443", 200),
        (BASE, "portal.example.com.", 200),
        (BASE, "portal.example.com:80", 400),
        (BASE, "portal.example.com:8443", 400),
        (BASE, "evil.example.com", 400),
        (BASE, "127.0.0.1:8000", 400),
        (BASE, "portal.example.com:99999999", 400),
        (BASE, "no such host<>", 400),
        (BASE, "", 400),
        ("https://portal.example.com:8443", "portal.example.com:8443", 200),
        ("https://portal.example.com:8443", "portal.example.com", 200),
        ("https://portal.example.com:8443", "portal.example.com:443", 400),
        ("http://portal.example.com:8000", "portal.example.com:8000", 200),
        ("http://portal.example.com:8000", "portal.example.com:80", 400),
    ],
)
def test_it_answers_to_no_other_host_or_port(at, db, base, host, status):
    at(base)
    answer = Client(HTTP_HOST=host).get(LOGIN)
    assert answer.status_code == status
    if status == 400:
        assert f"The portal’s address is {base}. It doesn’t answer to another host or port" in text_of(answer)
        assert "Nothing was changed" in text_of(answer)
    assert Client(HTTP_HOST=host).get("/healthz").status_code == 200


def test_a_host_may_be_answered_on_any_port_as_the_demo_is(at, cast, person):
    at("http://127.0.0.1:8000", ["127.0.0.1", "localhost"], ["127.0.0.1", "localhost"])
    for host in ("127.0.0.1:8000", "127.0.0.1:9999", "localhost:1", "127.0.0.1"):
        assert _post(host, f"http://{host}").status_code == 302


def _post(host, origin="", referer=""):
    """Sign in from a page that the browser says is of `origin` or `referer`; return the answer."""
    client = Client(enforce_csrf_checks=True, HTTP_HOST=host)
    page = client.get(LOGIN).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1)
    headers = {name: value for name, value in (("Origin", origin), ("Referer", referer)) if value}
    fields = {"login": "person", "password": PASSWORD, "csrfmiddlewaretoken": token}
    return client.post(LOGIN, fields, headers=headers)


PASSWORD = "correct-horse-battery"


@pytest.fixture
def person(cast):
    user = cast.people["engineer"]
    user.username = "person"
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.mark.parametrize(
    ("base", "host", "origin", "referer", "status"),
    [
        (BASE, "portal.example.com", BASE, "", 302),
        (BASE, "portal.example.com:443", BASE, "", 302),
        (BASE, "portal.example.com", "", f"{BASE}/accounts/login/", 302),
        (BASE, "second.example.com", "https://second.example.com", "", 302),
        (BASE, "second.example.com", "", "https://second.example.com/accounts/login/?next=/", 302),
        (BASE, "second.example.com", BASE, "", 302),  # a proxy may write another Host
        (BASE, "portal.example.com", "", "", 403),
        (BASE, "portal.example.com", "null", "", 403),
        (BASE, "portal.example.com", "http://portal.example.com", "", 403),
        (BASE, "portal.example.com", "https://portal.example.com:8443", "", 403),
        (BASE, "portal.example.com", "https://portal.example.com.evil.example", "", 403),
        (BASE, "portal.example.com", "https://second.example.com", "", 403),
        (BASE, "portal.example.com", "", "https://evil.example/", 403),
        (BASE, "portal.example.com", "", "http://portal.example.com/", 403),
        (f"{BASE}:8443", "portal.example.com", f"{BASE}:8443", "", 302),
        (f"{BASE}:8443", "portal.example.com", "", f"{BASE}:8443/accounts/login/", 302),
        (f"{BASE}:8443", "portal.example.com", BASE, "", 403),  # another server on the same host
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "http://127.0.0.1:8000", "", 302),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "http://127.0.0.1:9000", "", 403),
    ],
)
def test_a_form_is_taken_from_the_portals_own_pages(at, settings, person, base, host, origin, referer, status):
    at(base, ["portal.example.com", "second.example.com", "127.0.0.1"])
    settings.CSRF_TRUSTED_ORIGINS = [base]
    answer = _post(host, origin, referer)
    assert answer.status_code == status
    if status == 403:
        assert "out of date" in text_of(answer)


HERE = "/keys/?state=live"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"{BASE}{HERE}", HERE),
        (f"https://portal.example.com:443{HERE}", "/"),  # browsers don't write it so
        (f"{BASE}", "/"),
        (f"http://portal.example.com{HERE}", "/"),
        (f"https://evil.example{HERE}", "/"),
        (f"https://portal.example.com@evil.example{HERE}", "/"),
        (f"{BASE}//evil.example/", "/"),
        (f"{BASE}/\\evil.example/", "/"),
        (f"{BASE}/a%00b", "/a%00b"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("http://[::1", "/"),
        ("https://portal.example.com:port/", "/"),
        ("", "/"),
        ("/keys/", "/"),
    ],
)
def test_where_htmx_stands_is_a_path_of_the_portal_or_nothing(at, cast, url, path):
    at()
    headers = {"HX-Request": "true", "HX-Current-URL": url}
    answer = Client(HTTP_HOST="portal.example.com").get("/keys/", headers=headers)
    assert answer.status_code == 401
    after = re.search(r'href="/accounts/login/\?next=([^"]*)"', answer.content.decode()).group(1)
    assert after == quote(path, safe="")
    client = Client(HTTP_HOST="portal.example.com", enforce_csrf_checks=True)
    client.force_login(cast.people["engineer"])
    told = client.post("/requests/new/", headers=headers)
    assert told.status_code == 409
    assert 'evil.example/"' not in told.content.decode().replace(f'href="{path}"', "")


def test_a_cookie_with_a_nul_is_not_there(cast):
    """PostgreSQL can't be asked for it. A refusal would last until somebody deletes the cookie."""
    for value in ('"a\\000b"', '"\\000"'):
        answer = Client(HTTP_COOKIE=f"sessionid={value}; csrftoken={value}").get("/keys/")
        assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/keys/")
