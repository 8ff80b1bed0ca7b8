"""Keys of people who left: a list and a date for the leads, taken over or revoked, never shown again."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import TeamMembership
from keys_app.reconcile.run import reconcile
from tests.cast import secret_in, text_of


@pytest.fixture
def key(cast):
    key_request, _ = cast.issued()
    return key_request.keys.get()


def deactivate(cast):
    User.objects.filter(username="engineer").update(is_active=False)


def leave(cast):
    TeamMembership.objects.filter(team=cast.team, user=cast.people["engineer"]).delete()


def take_over(cast, key, role="lead"):
    return cast.client(role).post(f"/keys/{key.sid}/take-over/")


GOING = pytest.mark.parametrize("go", [deactivate, leave])


@GOING
def test_it_gives_the_leads_a_list_and_a_date(cast, key, go, told, actions, settings):
    cast.issued(friendly_name="second")
    go(cast)
    assert reconcile().owners_left == 2
    key.refresh_from_db()
    assert abs(key.handover_by - timezone.now() - settings.LEAVER_GRACE) < timedelta(minutes=1)
    (notice,) = told
    assert notice["kind"] == "key.owner_left"
    assert {user.username for user in notice["people"]} == {"lead", "colead"}
    assert notice["team"] == cast.team
    assert key.sid in notice["text"]
    assert f"{key.handover_by:%Y-%m-%d}" in notice["text"]
    assert actions().count("key.owner_left") == 2
    assert reconcile().owners_left == 0
    assert len(told) == 1


def test_it_says_nothing_of_people_who_stayed(cast, key, told):
    assert reconcile().owners_left == 0
    assert not told
    assert "None." in text_of(cast.client("lead").get("/keys/left/"))


@GOING
def test_a_lead_takes_over_and_sees_no_secret(cast, standin, go):
    key_request, secret = cast.issued()
    key = key_request.keys.get()
    go(cast)
    reconcile()
    client = cast.client("lead")
    assert key.sid in client.get("/keys/left/").content.decode()
    assert "1 key of people who left" in text_of(client.get("/keys/"))
    assert "Take over" in text_of(client.get(f"/keys/{key.sid}/"))
    answer = take_over(cast, key)
    assert answer.status_code == 302
    key.refresh_from_db()
    assert (key.owner, key.handover_by, key.state) == (cast.user("lead"), None, "active")
    assert standin.key(key.sid)
    event = matching(action="key.handed_over").get()
    assert (event.details["owner_before"], event.actor_name) == ("Engineer Person (engineer)", "Lead Person")
    for url in (f"/keys/{key.sid}/", "/keys/", f"/requests/{key_request.pk}/"):
        assert secret not in client.get(url).content.decode()
    assert "None." in text_of(client.get("/keys/left/"))


@pytest.mark.parametrize(
    ("role", "status"),
    [("colead", 302), ("security", 403), ("lead2", 404), ("colleague", 404), ("admin", 404), ("engineer", 403)],
)
def test_it_is_taken_over_by_a_lead_of_the_team_alone(cast, key, role, status):
    leave(cast)
    assert take_over(cast, key, role).status_code == status
    key.refresh_from_db()
    assert key.owner.username == (role if status == 302 else "engineer")


def test_it_is_not_taken_from_somebody_who_is_there(cast, key):
    answer = take_over(cast, key)
    assert answer.status_code == 409
    assert "belongs to Engineer Person (engineer), who is in the team" in text_of(answer)
    key.refresh_from_db()
    assert key.owner.username == "engineer"


def test_it_is_taken_over_once(cast, key):
    leave(cast)
    assert take_over(cast, key).status_code == 302
    assert take_over(cast, key, "colead").status_code == 409


@GOING
def test_it_is_revoked_when_nobody_took_it_over_in_time(cast, standin, key, go, actions):
    go(cast)
    reconcile()
    ApiKey.objects.update(handover_by=timezone.now())
    assert reconcile().revoked == 1
    key.refresh_from_db()
    assert (key.state, key.revoke_reason) == ("revoked", "Its owner left, and nobody took it over in time.")
    assert standin.key(key.sid) is None
    assert actions()[-2:] == ["key.revoke_started", "key.revoked"]


def test_it_is_announced_again_shortly_before(cast, key, told):
    leave(cast)
    reconcile()
    ApiKey.objects.update(handover_by=timezone.now() + timedelta(days=2))
    for _ in range(2):
        reconcile()
    assert [notice["kind"] for notice in told] == ["key.owner_left"] * 2


@GOING
def test_it_forgets_the_date_when_the_owner_is_back(cast, key, go, actions):
    go(cast)
    reconcile()
    ApiKey.objects.update(handover_by=timezone.now())
    User.objects.filter(username="engineer").update(is_active=True)
    TeamMembership.objects.get_or_create(team=cast.team, user=cast.people["engineer"])
    assert reconcile().revoked == 0
    key.refresh_from_db()
    assert (key.state, key.handover_by) == ("active", None)
    assert actions()[-1] == "key.owner_back"


def test_security_hears_of_it_where_a_team_has_no_lead(cast, key, told):
    leave(cast)
    Group.objects.get(name="Team leads").user_set.clear()
    reconcile()
    assert [notice["kind"] for notice in told] == ["alarm.key_without_lead"]
    assert key.sid in cast.client("security").get("/keys/left/").content.decode()


@pytest.mark.parametrize(("role", "status"), [("engineer", 403), ("stranger", 403), ("lead2", 200), ("security", 200)])
def test_the_list_is_for_leads_and_security(cast, key, role, status):
    User.objects.filter(username="engineer2").update(is_active=False)
    leave(cast)
    answer = cast.client(role).get("/keys/left/")
    assert answer.status_code == status
    assert (key.sid in answer.content.decode()) is (role == "security")


def test_the_new_owner_rotates_it_and_does_not_replace_it(cast, standin, key):
    """Whoever left may know the old secret; the new one is for the new owner."""
    leave(cast)
    take_over(cast, key, "colead")
    answer = cast.client("colead").post(f"/keys/{key.sid}/replace/")
    assert answer.status_code == 409
    assert "You took this key over" in text_of(answer)
    assert "Replace key" not in text_of(cast.client("colead").get(f"/keys/{key.sid}/"))
    answer = cast.client("colead").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": "0"})
    assert secret_in(answer)
    new = key.request.keys.get(state="active")
    assert (new.owner.username, new.expires_at) == ("colead", key.expires_at)
    assert standin.key(key.sid) is None


def test_who_approved_it_gets_no_key_by_taking_over(cast, standin, key):
    """Otherwise a lead would come to a key under an approval of their own."""
    leave(cast)
    assert take_over(cast, key, "lead").status_code == 302
    answer = cast.client("lead").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": "24"})
    assert answer.status_code == 409
    assert "You approved this request yourself" in text_of(answer)
    assert [item["sid"] for item in standin.keys() if item["sid"] == key.sid] == [key.sid]
    assert cast.client("lead").post(f"/keys/{key.sid}/revoke/", {"reason": "Not needed."}).status_code == 302


def test_a_deputy_does_not_take_over(cast, key):
    cast.delegate("lead", "colleague")
    leave(cast)
    assert take_over(cast, key, "colleague").status_code in (403, 404)
    key.refresh_from_db()
    assert key.owner == cast.user("engineer")


def test_who_left_cannot_rotate(cast, key):
    leave(cast)
    answer = cast.client("engineer").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": "24"})
    assert answer.status_code == 409
    assert "no longer one of yours" in text_of(answer)


def test_it_is_not_shown_when_it_was_taken_over_during_the_rotation(cast, standin, key, monkeypatch):
    from keys_app.keys import issue

    ask = issue._ask_twilio

    def ask_and_leave(*args):
        created = ask(*args)
        leave(cast)
        take_over(cast, key)
        return created

    monkeypatch.setattr(issue, "_ask_twilio", ask_and_leave)
    answer = cast.client("engineer").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": "24"})
    assert answer.status_code == 504
    assert not secret_in(answer)
