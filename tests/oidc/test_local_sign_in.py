"""`PORTAL_LOCAL_SIGN_IN=0`: no password counts, and there is one way in for an emergency."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client

from keys_app.audit.ledger import matching
from keys_app.users.models import EmergencyLink

PASSWORD = "a-long-enough-passphrase"


@pytest.fixture
def person(cast, provider, settings):
    """Someone with a password that does not count."""
    user = cast.user("admin")
    user.set_password(PASSWORD)
    user.save()
    settings.LOCAL_SIGN_IN = False
    return user


def link(**changes) -> str:
    out = StringIO()
    call_command("emergency_sign_in", changes.pop("login", "admin"), reason="The provider is down.", stdout=out)
    return re.fullmatch(r"http://127.0.0.1:8000(/accounts/emergency/[\w-]+/)\n", out.getvalue())[1]


def test_a_password_does_not_sign_in(person, settings):
    form = {"login": "admin", "password": PASSWORD}
    client = Client()
    assert client.post("/accounts/login/", form).status_code == 200
    assert "_auth_user_id" not in client.session
    settings.LOCAL_SIGN_IN = True
    assert client.post("/accounts/login/", form).status_code == 302


def test_no_page_asks_for_one(person):
    page = Client().get("/accounts/login/").content.decode()
    assert ('name="password"' in page, "Sign in with Example Login" in page) == (False, True)
    client = Client()
    client.force_login(person)
    assert client.get("/accounts/password/change/").status_code == 404


def test_a_link_signs_in_once_with_an_event_and_an_alarm(person, told):
    path = link()
    event = matching(action="user.emergency_link").get()
    assert (event.details["subject"], event.reason) == ("admin", "The provider is down.")
    assert [notice["kind"] for notice in told] == ["alarm.emergency_sign_in"]
    client = Client()
    assert client.get(path).status_code == 200
    assert "_auth_user_id" not in client.session
    assert client.post(path).status_code == 302
    assert client.session["_auth_user_id"] == str(person.pk)
    assert matching(action="user.signed_in").order_by("-sequence").first().details["by"] == "emergency link"
    assert client.get("/").status_code == 200
    assert Client().post(path).status_code == 403
    assert matching(action="user.sign_in_failed").exists()


def test_it_ends_after_15_minutes(person):
    path = link()
    EmergencyLink.objects.update(expires_at=F("expires_at") - timedelta(minutes=15))
    assert Client().post(path).status_code == 403


def test_one_that_is_made_up_is_refused(person):
    assert Client().post("/accounts/emergency/made-up/").status_code == 403


def test_it_is_for_an_active_user_and_has_a_reason(person):
    with pytest.raises(CommandError, match="There is no user nobody"):
        link(login="nobody")
    with pytest.raises(CommandError, match="reason"):
        call_command("emergency_sign_in", "admin", reason=" ")
    person.is_active = False
    person.save()
    with pytest.raises(CommandError, match="not active"):
        link()
