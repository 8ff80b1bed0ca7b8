"""Signing in again at the provider, before what matters."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client

from keys_app.audit.ledger import matching
from keys_app.users.fresh import AUTHENTICATED_AT, is_fresh

from .provider import go
from .test_sign_in_there import led_to

AGAIN = "/accounts/oidc/company/again/"


def make_stale(client: Client) -> None:
    session = client.session
    session[AUTHENTICATED_AT] = time.time() - 5000
    session.save()


@pytest.fixture
def person(come, provider, settings):
    """Someone whose sign-in with the provider is not fresh any more, in the browser that holds both sessions."""
    settings.REAUTHENTICATE_AFTER = 900
    client, browser = Client(), requests.Session()
    provider.says("erin")
    go(client, provider, browser=browser)
    make_stale(client)
    return client, browser


def test_it_asks_the_provider_for_a_new_sign_in_and_is_fresh_after_it(person, provider):
    client, browser = person
    began = time.time()
    led = client.post(AGAIN, {"next": "/keys/"})
    asked = parse_qs(urlsplit(led["Location"]).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    answer = client.get(provider.answer(led["Location"], browser))
    assert answer["Location"] == "/keys/"
    assert abs(client.session[AUTHENTICATED_AT] - began) < 60
    event = matching(action="user.reauthenticated").get()
    assert event.details == {"with": "provider"}


def test_a_provider_that_does_not_ask_anew_is_refused(person, provider):
    """The way there is changed, so that the session at the provider does: its `auth_time` is the old one."""
    client, browser = person
    led = client.post(AGAIN)["Location"].replace("prompt=login", "prompt=none").replace("max_age=0", "max_age=9999")
    state = client.session["socialaccount_states"]
    for one in state.values():
        one[0]["data"]["began"] += 120
    session = client.session
    session["socialaccount_states"] = state
    session.save()
    answer = client.get(provider.answer(led, browser))
    assert (answer.status_code, "did not say that you signed in just now" in answer.content.decode()) == (403, True)
    assert not is_fresh(client.session)


def test_another_person_there_is_refused(person, provider):
    client, _ = person
    provider.says("frank")
    answer = go(client, provider, AGAIN)
    assert (answer.status_code, "as another user than here" in answer.content.decode()) == (403, True)
    assert not is_fresh(client.session)


def test_the_page_for_it_leads_there(person, provider):
    client, _ = person
    led = client.get("/accounts/reauthenticate/?next=/keys/")
    assert led["Location"] == f"{AGAIN}?next=%2Fkeys%2F"
    page = client.get(led["Location"])
    assert "Sign in again with Example Login" in page.content.decode()
    assert 'name="next" value="/keys/"' in page.content.decode()
    assert led_to(page) == f"'self' {provider.issuer}"


def test_who_is_not_known_there_has_no_such_page(cast, provider):
    assert cast.client("engineer").get(AGAIN).status_code == 404
    assert Client().get(AGAIN).status_code == 404


def test_a_sign_in_counts_from_when_it_was_there(provider, settings):
    """Who signed in there long ago is signed in here, and not fresh."""
    settings.REAUTHENTICATE_AFTER = 1
    browser = requests.Session()
    provider.says("erin")
    go(Client(), provider, browser=browser)
    time.sleep(3)
    client = Client()
    go(client, provider, browser=browser)
    assert not is_fresh(client.session)
