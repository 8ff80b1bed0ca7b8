"""Addresses that people come back to, and those that somebody types to see what happens."""

import os
import subprocess
import sys

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys_app.audit.ledger import matching
from tests.browser.checkout import ROOT
from tests.cast import text_of


@pytest.mark.parametrize("url", ["/accounts/email/", "/accounts/password/reset/", "/accounts/password/set/"])
def test_it_has_no_account_page_that_nobody_needs(cast, url):
    assert cast.client("engineer").get(url).status_code == 404


def test_it_says_on_the_sign_in_page_that_what_was_sent_was_not_received(cast, client):
    key_request = cast.ask()
    answer = client.post(f"/requests/{key_request.pk}/cancel/", follow=True)
    assert answer.redirect_chain[0][0] == f"/accounts/login/?next=/requests/{key_request.pk}/cancel/"
    assert "What you sent was not received" in text_of(answer)
    key_request.refresh_from_db()
    assert key_request.state == "pending"


def test_it_goes_to_the_object_from_an_address_that_takes_a_post_only(cast):
    key_request, _ = cast.issued()
    sid = key_request.keys.get().sid
    client = cast.client("engineer")
    for url in [f"/requests/{key_request.pk}/cancel/"] + [
        f"/keys/{sid}/{act}/" for act in ("confirm", "replace", "revoke")
    ]:
        answer = client.get(url)
        assert (answer.status_code, answer["Location"]) == (302, url.rpartition("/")[0].rpartition("/")[0] + "/")
        assert client.delete(url).status_code == 405


@pytest.mark.parametrize(
    "query",
    [
        "friendly_name__regex=(",
        "purpose__regex=(a%2B)%2B$",
        "created_at__gte=0001-01-01T00:00:00%2B23:59",
        "requester__password__startswith=p",
        "risk__exact=%00",
    ],
)
def test_it_asks_the_database_only_for_the_filters_it_shows(cast, query):
    cast.ask(friendly_name="to-be-decided")
    lead = cast.client("lead")
    with CaptureQueriesContext(connection) as without:
        lead.get("/admin/keys_app/keyrequest/")
    with CaptureQueriesContext(connection) as captured:
        answer = lead.get(f"/admin/keys_app/keyrequest/?{query}")
    assert (answer.status_code, "to-be-decided" in answer.content.decode()) in ((200, True), (400, False))
    assert not [one for one in captured if "REGEXP" in one["sql"] or '"password" LIKE' in one["sql"]]
    assert len(captured) <= len(without)


def test_it_does_not_let_an_admin_search_in_a_credential(cast):
    answer = cast.client("admin").get("/admin/keys_app/account/?credential_ciphertext__startswith=g")
    assert answer.status_code == 400


def test_it_does_not_say_through_the_admin_that_a_request_exists(cast):
    from django.contrib.contenttypes.models import ContentType

    key_request = cast.ask()
    kind = ContentType.objects.get_for_model(key_request).pk
    assert cast.client("lead2").get(f"/admin/r/{kind}/{key_request.pk}/").status_code == 404
    assert cast.client("lead2").get(f"/admin/r/{kind}/abc/").status_code == 404


def test_it_keeps_the_groups_the_rules_speak_of(cast):
    security = Group.objects.get(name="Security")
    client = cast.client("admin")
    assert client.post(f"/admin/auth/group/{security.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"/admin/auth/group/{security.pk}/change/", {"name": "Renamed", "permissions": []})
    security.refresh_from_db()
    assert security.name == "Security"


def test_it_records_which_rights_somebody_was_given(cast):
    user = cast.user("stranger")
    data = {
        "username": "stranger",
        "is_active": "on",
        "groups": [Group.objects.get(name="Security").pk],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    assert cast.client("admin").post(f"/admin/auth/user/{user.pk}/change/", data).status_code == 302
    event = matching(action="user.changed").first()
    assert event.details["groups"] == ["Security"]
    assert event.details["superuser"] is False


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-5", "80 00"])
def test_the_demo_says_which_ports_there_are(port):
    answer = subprocess.run(
        [sys.executable, "-m", "portal.demo"],
        cwd=ROOT,
        env={**os.environ, "PORT": port},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("demo: PORT must be a whole number from 1 to 65535, not")
