"""A user who has a password comes to sign in with the provider too."""

import time

import pytest
from django.test import Client

from keys_app.audit.ledger import matching
from keys_app.users.fresh import AUTHENTICATED_AT
from keys_app.users.models import Identity

from .provider import go

JOIN = "/accounts/oidc/company/join/"
ADD = "/admin/keys_app/identity/add/"


@pytest.fixture(autouse=True)
def _needs_fresh(settings):
    settings.REAUTHENTICATE_AFTER = 900


def test_a_user_joins_their_own_account_and_is_told(cast, provider, told):
    client = cast.client("engineer")
    assert f'href="{JOIN}"' in client.get("/accounts/profile/").content.decode()
    provider.says("subject-1", preferred_username="other")
    assert "Join my account at Example Login" in client.get(JOIN).content.decode()
    assert go(client, provider, JOIN)["Location"] == JOIN
    assert Identity.objects.get().user == cast.user("engineer")
    assert matching(action="identity.created").get().details["subject_there"] == "subject-1"
    assert {notice["kind"] for notice in told} == {"user.changed", "alarm.rights_changed"}
    came = Client()
    go(came, provider)
    assert came.session["_auth_user_id"] == str(cast.user("engineer").pk)


def test_not_without_a_fresh_sign_in(cast, provider):
    client = cast.client("engineer")
    led = client.post(JOIN)
    session = client.session
    session[AUTHENTICATED_AT] = time.time() - 5000
    session.save()
    provider.says("subject-1")
    assert client.get(provider.answer(led["Location"])).status_code == 403
    assert client.post(JOIN)["Location"].startswith("/accounts/reauthenticate/")
    assert Client().get(JOIN)["Location"].startswith("/accounts/login/")
    assert not Identity.objects.exists()


def test_not_an_account_of_another_user(cast, provider):
    provider.says("subject-1")
    go(cast.client("engineer"), provider, JOIN)
    answer = go(cast.client("lead"), provider, JOIN)
    assert (answer.status_code, "belongs to another user" in answer.content.decode()) == (403, True)
    provider.says("subject-2")
    assert go(cast.client("engineer"), provider, JOIN).status_code == 403
    assert Identity.objects.count() == 1


def test_not_for_who_signed_in_as_another_meanwhile(cast, provider):
    client = cast.client("engineer")
    led = client.post(JOIN)["Location"]
    state = client.session["socialaccount_states"]
    other = cast.client("lead")
    session = other.session
    session["socialaccount_states"] = state
    session.save()
    provider.says("subject-1")
    assert other.get(provider.answer(led)).status_code == 403


def test_a_portal_admin_joins_a_user_who_is_told(cast, provider, told):
    admin, engineer = cast.client("admin"), cast.user("engineer")
    assert admin.post(ADD, {"user": engineer.pk, "subject": "subject-1"}).status_code == 302
    assert (Identity.objects.get().issuer, Identity.objects.get().user) == (provider.issuer, engineer)
    event = matching(action="identity.created").get()
    assert (event.details["user"], event.details["subject_there"]) == ("engineer", "subject-1")
    assert "user.changed" in {notice["kind"] for notice in told}
    assert cast.client("lead").post(ADD, {"user": engineer.pk, "subject": "subject-2"}).status_code in (302, 403)
    provider.says("subject-1")
    came = Client()
    go(came, provider)
    assert came.session["_auth_user_id"] == str(engineer.pk)


def test_and_parts_them_again(cast, provider):
    admin, engineer = cast.client("admin"), cast.user("engineer")
    admin.post(ADD, {"user": engineer.pk, "subject": "subject-1"})
    provider.says("subject-1")
    came = Client()
    go(came, provider)
    page = f"/admin/keys_app/identity/{engineer.pk}/delete/"
    assert admin.post(page, {"post": "yes"}).status_code == 302
    assert came.get("/keys/").status_code == 302
    assert not Identity.objects.exists()
    assert matching(action="identity.deleted").get()
