"""Who needs a second factor and has none sets one up before anything else."""

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from keys_app.organisation import access
from portal.factors import settings as of_factors
from portal.factors.required import FACTOR
from tests.cast import text_of

from .factors import APP, CODES, set_up_app

INDEX = "/accounts/2fa/"
NEEDS = ["lead", "lead2", "colead", "security", "admin"]


@pytest.fixture(autouse=True)
def _needed(settings):
    settings.REQUIRE_MFA = of_factors.DEFAULT


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, ["Team leads", "Security", "admins"]),
        ("", []),
        (" , ", []),
        ("admins", ["admins"]),
        ("team leads, ADMINS", ["Team leads", "admins"]),
    ],
)
def test_what_the_setting_names(monkeypatch, given, read):
    monkeypatch.delenv("PORTAL_REQUIRE_MFA", raising=False)
    if given is not None:
        monkeypatch.setenv("PORTAL_REQUIRE_MFA", given)
    assert of_factors.read()["REQUIRE_MFA"] == read


@pytest.mark.parametrize("given", ["Leads", "admins;Security", "Team leads,,nobody"])
def test_a_name_that_is_none_is_refused_at_the_start(monkeypatch, given):
    monkeypatch.setenv("PORTAL_REQUIRE_MFA", given)
    with pytest.raises(ImproperlyConfigured, match="PORTAL_REQUIRE_MFA must be some of Engineers, Team leads"):
        of_factors.read()


def test_the_groups_that_can_be_named_are_those_there_are():
    assert set(of_factors.GROUPS) == {access.ENGINEERS, access.TEAM_LEADS, access.SECURITY}


@pytest.mark.parametrize("role", NEEDS)
def test_who_lacks_one_is_led_to_set_it_up(cast, role):
    client = cast.client(role)
    for url in ("/", "/requests/", "/admin/", "/accounts/password/change/", "/requests/new/"):
        answer = client.get(url)
        assert (answer.status_code, answer["Location"]) == (302, INDEX)
    assert "Your role needs a second factor" in text_of(client.get(INDEX))
    htmx = client.get("/keys/", headers={"HX-Request": "true"})
    assert (htmx.status_code, htmx["HX-Redirect"]) == (200, INDEX)
    posted = client.post("/requests/new/", cast.form())
    assert (posted.status_code, "needs a second factor first. Nothing was done" in text_of(posted)) == (403, True)
    assert client.delete("/keys/").status_code == 403


@pytest.mark.parametrize("role", NEEDS)
def test_then_everything_is_open(cast, role):
    client = cast.client(role)
    set_up_app(client)
    assert client.get("/").status_code == 200
    assert "Your role needs" not in text_of(client.get(INDEX))


def test_meanwhile_these_are_open(cast):
    client = cast.client("lead")
    for url in (INDEX, APP, "/accounts/logout/"):
        assert client.get(url).status_code == 200
    assert client.get(CODES).status_code == 404
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    assert client.get("/static/portal/portal.css").status_code == 200
    assert client.post("/accounts/logout/").status_code == 302
    assert client.get("/accounts/login/").status_code == 200


@pytest.mark.parametrize("role", ["engineer", "stranger"])
def test_others_need_none(cast, role):
    assert cast.client(role).get("/").status_code == 200


def test_recovery_codes_alone_are_no_factor(cast):
    client = cast.client("lead")
    set_up_app(client)
    Authenticator.objects.filter(type="totp").delete()
    assert client.get("/")["Location"] == INDEX


def test_who_removes_the_last_one_is_led_again(cast):
    client = cast.client("lead")
    set_up_app(client)
    assert client.post("/accounts/2fa/totp/deactivate/")["Location"] == INDEX
    assert client.get("/")["Location"] == INDEX


@pytest.mark.parametrize(("value", "opened"), [(True, True), (False, False), ("yes", False), (None, False)])
def test_one_shown_to_the_provider_counts(cast, value, opened):
    client = cast.client("lead")
    session = client.session
    session[FACTOR] = value
    session.save()
    assert (client.get("/").status_code == 200) is opened


@pytest.mark.parametrize(
    ("wanted", "led"),
    [([], set()), (["admins"], {"admin"}), (["Engineers"], {"engineer"}), (["Security"], {"security"})],
)
def test_it_is_for_whom_the_setting_names(cast, settings, wanted, led):
    settings.REQUIRE_MFA = wanted
    found = {
        role for role in ("engineer", "lead", "security", "admin") if cast.client(role).get("/").status_code == 302
    }
    assert found == led


def test_it_is_needed_from_the_page_after_the_right_was_given(cast):
    client = cast.client("engineer")
    assert client.get("/").status_code == 200
    User.objects.filter(username="engineer").update(is_superuser=True)
    assert client.get("/")["Location"] == INDEX


def test_pages_without_a_sign_in_stay_open(db):
    assert Client().get("/accounts/login/").status_code == 200
    assert Client().get("/")["Location"].startswith("/accounts/login/")
