"""Signing in at the company's provider, the whole way there and back."""

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.reconcile.send_notices import send_notices
from keys_app.users import password_resets
from keys_app.users.models import Identity
from portal.oidc import discovery

from .provider import CALLBACK, START, Provider, go

ERIN = {"preferred_username": "erin", "given_name": "Erin", "family_name": "Example", "email": "erin@example.com"}


def last(action):
    return matching(action=action).order_by("-sequence").first()


def text(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def led_to(page):
    """Return where the forms of a page may lead."""
    directives = page["Content-Security-Policy"].split("; ")
    return next(one.removeprefix("form-action ") for one in directives if one.startswith("form-action "))


def test_a_new_person_comes_in_without_password_or_rights(come):
    client = come("subject-1", **ERIN)
    user = User.objects.get(username="erin")
    assert (user.get_full_name(), user.email) == ("Erin Example", "erin@example.com")
    assert (user.has_usable_password(), user.is_superuser, user.groups.count()) == (False, False, 0)
    assert client.session["_auth_user_id"] == str(user.pk)
    assert last("user.created").details["subject"] == "erin"
    assert last("user.signed_in").details == {
        "by": "provider",
        "issuer": user.identity.issuer,
        "subject_there": "subject-1",
    }


def test_they_are_the_same_person_the_next_time_whatever_they_are_called(come):
    come("subject-1", **ERIN)
    come("subject-1", **{**ERIN, "preferred_username": "other", "email": "other@example.com"})
    assert User.objects.filter(identity__subject="subject-1").count() == User.objects.count() == 1


def test_an_equal_login_or_mail_address_neither_joins_nor_blocks(cast, come):
    local = cast.user("engineer")
    local.email = "engineer@example.com"
    local.save()
    come("subject-2", preferred_username="Engineer", email="engineer@example.com", email_verified=True)
    came = User.objects.get(identity__subject="subject-2")
    assert (came.username, came.pk != local.pk) == ("Engineer-2", True)
    assert not hasattr(local, "identity")


def test_an_equal_subject_of_another_issuer_is_refused(come, settings):
    come("subject-1", **ERIN)
    with Provider() as other:
        settings.OIDC = replace(settings.OIDC, issuer=other.issuer)
        discovery.forget()
        other.says("subject-1", preferred_username="mallory")
        client = Client()
        answer = go(client, other)
        assert answer.status_code == 403
        assert "knows this account from another provider" in text(answer)
        assert "_auth_user_id" not in client.session
        other.says("subject-9", preferred_username="mallory")
        assert go(Client(), other).status_code == 302  # another subject is another person
    assert last("user.sign_in_failed").details["by"] == "provider"


def test_the_database_refuses_it_too(come, cast):
    come("subject-1", **ERIN)
    with pytest.raises(IntegrityError), transaction.atomic():
        Identity.objects.create(
            user=cast.user("lead"), issuer="https://other.example", subject="subject-1", joined_at=timezone.now()
        )


def test_the_request_has_state_nonce_and_pkce(provider):
    asked = parse_qs(urlsplit(Client().post(START)["Location"]).query)
    assert (asked["code_challenge_method"], asked["response_type"]) == (["S256"], ["code"])
    assert asked["scope"] == ["openid profile email"]
    assert all(len(asked[name][0]) >= 16 for name in ("state", "nonce", "code_challenge"))


@pytest.mark.parametrize("more", ["?scope=admin", "?auth_params=prompt%3Dnone", "?process=redirect"])
def test_nothing_in_the_address_changes_what_is_asked(provider, more):
    asked = parse_qs(urlsplit(Client().post(START + more)["Location"]).query)
    assert asked["scope"] == ["openid profile email"]
    assert "prompt" not in asked


def test_a_process_that_is_made_up_is_signing_in(provider):
    provider.says("subject-1", **ERIN)
    client = Client()
    go(client, provider, process="connect")
    assert "_auth_user_id" in client.session


def test_only_a_post_from_the_portals_own_page_begins_it(provider):
    assert Client().get(START)["Location"] == "/accounts/login/"
    assert Client(enforce_csrf_checks=True).post(START).status_code == 403


def test_it_leads_on_to_the_page_that_was_asked_for(provider):
    provider.says("subject-1", **ERIN)
    assert go(Client(), provider, next="/keys/")["Location"] == "/keys/"
    assert go(Client(), provider, next="https://evil.example/")["Location"] == "/"


def test_an_answer_works_once_and_in_this_browser_only(provider):
    provider.says("subject-1", **ERIN)
    client = Client()
    back = provider.answer(client.post(START)["Location"])
    other = Client().get(back)
    assert (other.status_code, "in another browser" in text(other)) == (403, True)
    assert client.get(back).status_code == 302
    client.post("/accounts/logout/")
    assert client.get(back).status_code == 403


def test_an_answer_to_another_sign_in_is_refused(provider):
    """Two are begun: the code of one with the state of the other."""
    provider.says("subject-1", **ERIN)
    client = Client()
    one, two = (parse_qs(urlsplit(provider.answer(client.post(START)["Location"])).query) for _ in range(2))
    answer = client.get(CALLBACK, {"code": one["code"][0], "state": two["state"][0]})
    assert answer.status_code == 403
    assert User.objects.count() == 0


def test_a_nonce_that_is_another_is_refused(provider):
    provider.says("subject-1", **ERIN)
    client = Client()
    led = client.post(START)["Location"]
    answer = client.get(provider.answer(re.sub("nonce=[^&]*", "nonce=another", led)))
    assert (answer.status_code, "is not the answer to this sign-in" in text(answer)) == (403, True)


def test_who_refuses_at_the_provider_is_told_so(provider):
    provider.says("")
    answer = go(Client(), provider)
    assert (answer.status_code, "You did not sign in with Example Login" in text(answer)) == (403, True)
    assert last("user.sign_in_failed").details["why"] == "You did not sign in with Example Login."


def test_a_deactivated_person_is_refused(come, provider):
    come("subject-1", **ERIN)
    User.objects.update(is_active=False)
    client = Client()
    answer = go(client, provider)
    assert (answer.status_code, "is not active" in text(answer)) == (403, True)
    assert "_auth_user_id" not in client.session


def test_a_provider_that_does_not_answer_is_said_and_the_page_stays(provider, settings):
    settings.OIDC = replace(settings.OIDC, issuer="http://127.0.0.1:9")
    answer = Client().post(START)
    assert (answer.status_code, "the provider does not answer" in text(answer)) == (503, True)
    page = Client().get("/accounts/login/")
    assert (page.status_code, "Sign in with Example Login" in text(page)) == (200, True)
    assert led_to(page) == "'self' http://127.0.0.1:9"


def test_one_that_stops_half_way_too(provider):
    provider.says("subject-1", **ERIN)
    client = Client()
    back = provider.answer(client.post(START)["Location"])
    discovery.metadata()["token_endpoint"] = "http://127.0.0.1:9/token"
    assert client.get(back).status_code == 503


def test_a_provider_with_another_issuer_than_the_setting_is_refused(provider, settings):
    settings.OIDC = replace(settings.OIDC, issuer=provider.issuer + "/")
    assert Client().post(START).status_code == 503


def test_the_form_may_lead_there_from_the_sign_in_page_alone(provider, cast):
    assert led_to(Client().get("/accounts/login/")) == f"'self' {provider.issuer}"
    assert provider.issuer not in cast.client("engineer").get("/")["Content-Security-Policy"]


def test_without_an_issuer_there_is_no_such_page(db):
    for address in (START, CALLBACK):
        assert Client().get(address).status_code == Client().post(address).status_code == 404
    page = Client().get("/accounts/login/")
    assert "Sign in with" not in text(page)
    assert led_to(page) == "'self'"


def test_no_token_is_kept(provider):
    """Neither in the session, which the database holds, nor beside the user."""
    provider.says("subject-1", **ERIN)
    client = Client()
    back = provider.answer(client.post(START)["Location"])
    code = parse_qs(urlsplit(back).query)["code"][0]
    client.get(back)
    kept = str([one.get_decoded() for one in Session.objects.all()])
    assert code not in kept
    assert not re.search(r"eyJ|access_token|id_token|refresh_token", kept)


def test_signing_out_ends_the_session_at_the_provider(come):
    client = come("subject-1", **ERIN)
    answer = client.post("/accounts/logout/")
    address = re.search(r'href="(http[^"]*session/end[^"]*)"', answer.content.decode())[1].replace("&amp;", "&")
    asked = parse_qs(urlsplit(address).query)
    assert asked == {"client_id": ["portal"], "post_logout_redirect_uri": ["http://127.0.0.1:8000/accounts/login/"]}
    assert requests.get(address, timeout=10).status_code == 200
    assert "_auth_user_id" not in client.session
    assert last("user.signed_out")


def test_who_signed_in_with_a_password_is_not_sent_there(provider, cast):
    assert cast.client("engineer").post("/accounts/logout/")["Location"] == "/accounts/login/"


def test_sign_ins_that_are_never_finished_are_limited(provider, monkeypatch):
    monkeypatch.setattr("keys_app.users.identities.MOST_FROM_A_SOURCE", 2)
    provider.says("subject-1", **ERIN)
    for _ in range(3):
        assert go(Client(), provider).status_code == 302
    assert [Client().post(START).status_code for _ in range(3)] == [302, 302, 429]
    assert last("user.turned_away").details["limit"] == "unfinished sign-ins of a source"


def test_they_get_no_password_by_mail_and_can_set_none(come):
    client = come("subject-1", **ERIN)
    password_resets.ask(address="erin@example.com")
    send_notices()
    assert not mail.outbox
    assert client.get("/accounts/password/change/").status_code == 403


@pytest.mark.parametrize("name", ["", "Ünal 😀", "a b/c", "x" * 200, "\u202eerin", "er\nin", 7])
def test_any_name_gives_a_login(come, name):
    come("subject-1", preferred_username=name, name=name, email=name)
    User.objects.get().full_clean(exclude=["password"])


def test_a_login_of_two_scripts_is_none(come):
    come("subject-1", preferred_username="\u0430dmin")
    assert User.objects.get().username == "user"


def test_a_subject_of_any_kind_is_kept_or_refused(come, provider):
    come("x" * 255, **ERIN)
    provider.says("x" * 256, **ERIN)
    assert go(Client(), provider).status_code == 403
