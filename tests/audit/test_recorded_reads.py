"""Sign-ins and refused access are events, few however often they are repeated, and without a password."""

import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.test import Client

from keys_app.audit import throttle
from keys_app.audit.ledger import Entry, append, matching
from keys_app.audit.models import Repeat
from keys_app.core.actor import Actor
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.reports import access_reviews
from tests.cast import READ_MESSAGES, READ_USAGE
from tests.users.test_admin_records import team_form

SOURCES = Path(__file__).parents[2] / "keys_app"
PASSWORD = "a-long-enough-passphrase"
LOGIN = "/accounts/login/"


@pytest.fixture
def person(cast):
    user = cast.user("engineer")
    user.set_password(PASSWORD)
    user.save()
    return user


def events(action):
    return list(matching(action=action).order_by("sequence"))


def an_hour_later():
    """Let the counts be of the hour before."""
    for row in Repeat.objects.all():
        row.hour -= timedelta(hours=1)
        row.save()


def test_signing_in_and_out_are_events(person):
    client = Client(REMOTE_ADDR="192.0.2.7")
    client.post(LOGIN, {"login": "engineer", "password": PASSWORD})
    client.post("/accounts/logout/")
    both = events("user.signed")
    assert [event.action for event in both] == ["user.signed_in", "user.signed_out"]
    for event in both:
        assert (event.actor_name, event.actor_id, event.address) == ("Engineer Person", str(person.pk), "192.0.2.7")


def test_a_failed_sign_in_is_one_event_and_then_a_sum(person):
    for _ in range(5):
        Client().post(LOGIN, {"login": "engineer", "password": "not-my-password"})
    assert [event.actor_name for event in events("user.sign_in_failed")] == ["Engineer Person"]
    assert throttle.sum_up() == 0
    an_hour_later()
    assert throttle.sum_up() == 1
    assert events("user.sign_in_failed")[-1].details["times"] == 5
    assert not Repeat.objects.exists()
    assert throttle.sum_up() == 0


def test_neither_a_password_nor_a_name_nobody_has_is_written(person):
    """People type their password into the field for the name."""
    Client().post(LOGIN, {"login": PASSWORD, "password": PASSWORD})
    Client().post(LOGIN, {"login": "engineer", "password": "wrong-" + PASSWORD})
    Client().post(LOGIN, {"login": "engineer", "password": PASSWORD})
    assert [event.actor_name for event in events("user.sign_in_failed")] == ["an unknown name", "Engineer Person"]
    assert not [event for event in matching() if PASSWORD in event.canonical]


def test_changing_ones_password_is_an_event(person):
    client = Client()
    client.post(LOGIN, {"login": "engineer", "password": PASSWORD})
    data = {"oldpassword": PASSWORD, "password1": "another-long-phrase", "password2": "another-long-phrase"}
    assert client.post("/accounts/password/change/", data).status_code == 302
    assert User.objects.get(pk=person.pk).check_password("another-long-phrase")
    event = events("user.password_changed")[0]
    assert event.actor_name == "Engineer Person"
    assert "another-long-phrase" not in event.canonical


def places(request_id, sid):
    return {
        f"/requests/{request_id}/": "request_id",
        f"/requests/new/?copy={request_id}": "request_id",
        f"/keys/{sid}/": "key_sid",
        f"/requests/new/?key={sid}": "key_sid",
    }


def test_refused_access_to_a_request_or_key_is_an_event(cast):
    key_request, _ = cast.issued()
    sid = key_request.keys.get().pk
    client = cast.client("engineer2")
    for url, field in places(key_request.pk, sid).items():
        Repeat.objects.all().delete()
        before = len(events("access.refused"))
        answers = [client.get(url).status_code for _ in range(3)]
        assert answers == [404] * 3
        new = events("access.refused")[before:]
        assert len(new) == 1, url
        assert getattr(new[0], field) in (str(key_request.pk), sid)
        assert (new[0].actor_name, new[0].details) == ("Engineer2 Person", {"exists": True})
        assert Repeat.objects.get().times == 3


def test_who_may_see_it_makes_no_event(cast):
    key_request, _ = cast.issued()
    for role in ("engineer", "lead", "security"):
        for url in list(places(key_request.pk, key_request.keys.get().pk))[::2]:
            assert cast.client(role).get(url).status_code == 200
    assert events("access.refused") == []


def test_what_does_not_exist_is_noted_in_the_same_way(cast):
    client = cast.client("engineer2")
    for url in places(uuid.UUID(int=5), "SK" + "5" * 32):
        assert client.get(url).status_code == 404
    assert {event.details["exists"] for event in events("access.refused")} == {False}


@pytest.mark.parametrize("url", ["/requests/new/?copy=x", "/requests/new/?key=SKx", "/requests/new/?key=" + "x" * 500])
def test_nonsense_is_not_an_event(cast, url):
    assert cast.client("engineer").get(url).status_code == 404
    assert events("access.refused") == []


def test_refused_access_in_the_admin_is_an_event(cast):
    key_request = cast.ask()
    assert cast.client("lead2").get(f"/admin/keys_app/keyrequest/{key_request.pk}/change/").status_code == 404
    assert events("access.refused")[0].request_id == str(key_request.pk)


AUDIT_PAGES = [
    "/audit/",
    "/audit/verify/",
    "/audit/verifier.py",
    "/audit/feeds/",
    "/audit/reports/",
    "/audit/export.csv",
    "/reconciliation/",
]


@pytest.mark.parametrize("url", AUDIT_PAGES)
def test_refused_access_to_the_audit_is_an_event(cast, url):
    assert cast.client("engineer").get(url).status_code == 403
    assert events("access.refused")[0].details == {"page": url}


@pytest.mark.parametrize("url", ["/keys/unmanaged/", "/keys/left/", "/reviews/", "/deputies/"])
def test_so_is_that_to_a_page_for_leads(cast, url):
    assert cast.client("engineer").get(url).status_code in (403, 404)
    assert [event.details for event in events("access.refused")] == [{"page": url}]


def test_so_is_that_to_another_teams_found_key_or_reviewed_one(cast, standin):
    made = next(iter(unmanaged_keys(cast, standin)))
    assert cast.client("lead2").get(f"/keys/unmanaged/{made}/").status_code == 404
    assert cast.client("lead2").post(f"/keys/unmanaged/{made}/adopt/").status_code == 404
    assert [event.key_sid for event in events("access.refused")] == [made]
    assert cast.client("lead").get(f"/keys/unmanaged/{made}/").status_code == 200
    cast.issued()
    review = access_reviews.open_review(quarter="2026-Q4", actor=Actor.of(cast.user("security")))
    row = review.reviewed_keys.get()
    decision = {"reviewed": row.pk, "decision": "kept"}
    assert cast.client("lead2").post("/reviews/2026-Q4/decide/", decision).status_code == 404
    assert events("access.refused")[-1].details == {"page": "/reviews/2026-Q4/decide/"}
    assert cast.client("lead").post("/reviews/2026-Q4/decide/", decision).status_code == 302


def unmanaged_keys(cast, standin):
    """Return the keys that somebody made at Twilio, once the reconciler has found them."""
    with standin.client() as client:
        client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(READ_USAGE)
        )
    reconcile()
    return UnmanagedKey.objects.values_list("sid", flat=True)


def test_one_person_cannot_fill_the_ledger(cast, monkeypatch):
    monkeypatch.setattr(throttle, "MOST_PER_PERSON", 3)
    client = cast.client("engineer2")
    for number in range(10):
        client.get(f"/requests/{uuid.UUID(int=number)}/")
    found = events("access.refused")
    assert len(found) == 4
    assert "counted together" in found[-1].details["note"]
    an_hour_later()
    assert throttle.sum_up() == 1
    assert events("access.refused")[-1].details["times"] == 7


def test_many_people_cannot_fill_it_either(cast, person, monkeypatch):
    monkeypatch.setattr(throttle, "MOST_IN_ALL", 3)
    for number in range(5):  # a sixth is not tried: too many for this name
        Client(REMOTE_ADDR=f"192.0.2.{number}").post(LOGIN, {"login": "engineer", "password": "not-my-password"})
    assert [event.actor_name for event in events("user.sign_in_failed")] == ["Engineer Person"] * 3 + ["many people"]
    an_hour_later()
    throttle.sum_up()
    assert events("user.sign_in_failed")[-1].details["times"] == 2


def test_changed_guard_rails_are_recorded_with_their_values(cast):
    data = team_form(cast.team.name, max_lifetime_days="30", max_risk="medium", allowed_products=["voice"])
    assert cast.client("admin").post(f"/admin/keys_app/team/{cast.team.pk}/change/", data).status_code == 302
    details = events("team.changed")[0].details
    assert (details["max_lifetime_days"], details["max_risk"], details["allowed_products"]) == (30, "medium", ["voice"])


def found(cast, line):
    """Return the actions that a search of the audit finds, oldest first."""
    answer = cast.client("security").get("/audit/", {"q": line})
    return [event.action for event in reversed(answer.context["events"])]


def test_there_is_one_place_that_writes_events():
    writes = re.compile(r"ledger\.append|import .*\bappend\b|\bEntry\(")
    places = [path for path in SOURCES.rglob("*.py") if writes.search(path.read_text())]
    assert [path.relative_to(SOURCES).as_posix() for path in places] == ["audit/record.py"]


def test_refusals_and_failed_sign_ins_are_found_by_user_name_team_and_account(cast, person):
    """The user name is in no display name here, so only the event's own user name can find it."""
    User.objects.update(first_name="Zoë", last_name="Ångström")
    cast.people = {user.username: user for user in User.objects.all()}
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    key = key_request.keys.get()
    for _ in range(2):
        cast.client("engineer2").get(f"/keys/{key.pk}/")
        cast.client("engineer2").get(f"/requests/{key_request.pk}/")
        Client().post(LOGIN, {"login": "engineer2", "password": "not-my-password"})
    an_hour_later()
    assert throttle.sum_up() == 3
    refused = found(cast, "actor:engineer2 action:access.refused")
    assert refused == ["access.refused"] * 4  # each and its sum
    assert found(cast, "actor:engineer2 action:user.sign_in_failed") == ["user.sign_in_failed"] * 2
    for line in (
        "team:Payments",
        f"account:{cast.account.sid}",
        f"request:{key_request.pk}",
        "permission:/twilio/messaging/",
    ):
        assert found(cast, f"{line} action:access.refused") == refused, line
    logins = [event.body["login"] for event in matching(action="access.refused")]
    assert logins == ["engineer2"] * 4


def test_events_without_a_user_name_are_found_by_it_too(cast):
    """As refusals were written before they had one."""
    User.objects.filter(username="engineer2").update(first_name="Zoë", last_name="Ångström")
    with transaction.atomic():
        append(Entry("access.refused", "Zoë Ångström", actor_id=str(cast.user("engineer2").pk)))
        append(Entry("access.refused", "Zoë Ångström", actor_id=str(cast.user("engineer").pk)))
    assert found(cast, "actor:engineer2") == found(cast, "actor:ENGINEER2 action:access.refused") == ["access.refused"]
    assert found(cast, "-actor:engineer2 action:access.refused") == ["access.refused"]
    assert found(cast, "actor:zoë -actor:engineer -actor:engineer2") == []


def test_a_sum_names_a_user_who_is_deleted_meanwhile(cast):
    stranger = cast.user("stranger")
    for _ in range(2):
        cast.client("stranger").get(f"/keys/{'SK' + '5' * 32}/")
    number = str(stranger.pk)
    stranger.delete()
    an_hour_later()
    assert throttle.sum_up() == 1
    event = events("access.refused")[-1]
    assert (event.actor_id, event.body["login"], event.key_sid) == (number, "stranger", "SK" + "5" * 32)


def test_sums_are_written_by_the_reconciler_without_a_signing_key(cast, person, settings):
    settings.AUDIT_SIGNING_KEY = ""
    for _ in range(3):
        Client().post(LOGIN, {"login": "engineer", "password": "not-my-password"})
    an_hour_later()
    reconcile()
    assert [event.details.get("times") for event in events("user.sign_in_failed")] == [None, 3]


def test_signing_a_checkpoint_does_nothing_else(live_cast):
    for _ in range(3):
        live_cast.client("engineer2").get(f"/keys/{'SK' + '5' * 32}/")
    an_hour_later()
    call_command("audit_checkpoint", verbosity=0)
    assert Repeat.objects.exists()
    assert len(events("access.refused")) == 1
