"""What a portal admin changes in the admin is in the ledger, or is not changed."""

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from keys_app.audit.ledger import matching
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import Account, Team, TeamMembership
from tests.cast import MAKE_KEYS, text_of

PASSWORD = "a-long-enough-passphrase"


def team_form(name="Refunds", members=(), **changes):
    """Return what the page of a team posts: its fields, and a row for each (membership, user, is_lead)."""
    data = {
        "name": name,
        "max_lifetime_days": "90",
        "memberships-TOTAL_FORMS": str(len(members)),
        "memberships-INITIAL_FORMS": str(sum(bool(row[0]) for row in members)),
    }
    for place, (membership, user, is_lead) in enumerate(members):
        row = {"id": getattr(membership, "pk", ""), "team": getattr(membership, "team_id", ""), "user": user.pk}
        data |= {f"memberships-{place}-{field}": value for field, value in row.items()}
        data |= {f"memberships-{place}-is_lead": "on"} if is_lead else {}
    return {**data, **changes}


def account_form(account, **changes):
    teams = [team.pk for team in account.teams.all()]
    form = {
        "name": account.name,
        "environment": account.environment,
        "teams": teams,
        "is_active": "on",
        "leads_required": "1",
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}


def user_form(user, **changes):
    return {
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "is_active": "on",
        "date_joined_0": user.date_joined.strftime("%Y-%m-%d"),
        "date_joined_1": user.date_joined.strftime("%H:%M:%S"),
        "groups": [group.pk for group in user.groups.all()],
        **changes,
    }


@pytest.fixture
def admin(cast):
    return cast.client("admin")


def save(client, url, data):
    answer = client.post(url, data)
    assert answer.status_code == 302, text_of(answer)
    return answer


def only_event():
    event = matching().get()
    assert event.actor_name == "Admin Person"
    assert event.actor_id
    assert event.address == "127.0.0.1"
    return event


def test_a_new_team_is_recorded(admin):
    save(admin, "/admin/keys_app/team/add/", team_form())
    team = Team.objects.get(name="Refunds")
    event = only_event()
    assert event.action == "team.created"
    assert (event.details["subject"], event.details["subject_id"]) == ("Refunds", str(team.pk))


def test_a_changed_team_is_recorded(admin, cast):
    url = f"/admin/keys_app/team/{cast.other_team.pk}/change/"
    members = [(m, m.user, m.is_lead) for m in cast.other_team.memberships.all()]
    save(admin, url, team_form("Support", members, max_lifetime_days="7"))
    event = only_event()
    assert Team.objects.get(name="Support").max_lifetime_days == 7
    assert event.action == "team.changed"
    assert "Maximum lifetime in days" in str(event.details["changes"])


def test_a_membership_is_recorded_with_who_and_where(admin, cast):
    url = f"/admin/keys_app/team/{cast.other_team.pk}/change/"
    members = [(m, m.user, m.is_lead) for m in cast.other_team.memberships.all()]
    save(admin, url, team_form("Support", [*members, (None, cast.user("stranger"), True)]))
    event = only_event()
    assert TeamMembership.objects.get(user=cast.user("stranger")).is_lead
    assert event.action == "team.changed"
    assert event.details["subject"] == "Support"
    assert "stranger in Support" in str(event.details["changes"])


def test_a_removed_membership_is_recorded(admin, cast):
    url = f"/admin/keys_app/team/{cast.other_team.pk}/change/"
    members = [(m, m.user, m.is_lead) for m in cast.other_team.memberships.order_by("pk")]
    gone = members[0][1]
    save(admin, url, team_form("Support", members, **{"memberships-0-DELETE": "on"}))
    assert not TeamMembership.objects.filter(user=gone).exists()
    assert f"{gone} in Support" in str(only_event().details["changes"])


def test_a_deleted_team_is_recorded(admin):
    team = Team.objects.create(name="Refunds")
    save(admin, f"/admin/keys_app/team/{team.pk}/delete/", {"post": "yes"})
    event = only_event()
    assert not Team.objects.filter(name="Refunds").exists()
    assert (event.action, event.details["subject"]) == ("team.deleted", "Refunds")


def test_a_team_with_requests_is_not_deleted(admin, cast):
    cast.ask()
    admin.post(f"/admin/keys_app/team/{cast.team.pk}/delete/", {"post": "yes"})
    assert Team.objects.filter(pk=cast.team.pk).exists()
    assert not matching(action="team.deleted").exists()


def test_a_changed_account_is_recorded(admin, cast):
    url = f"/admin/keys_app/account/{cast.account.sid}/change/"
    save(admin, url, account_form(cast.account, name="Web shop", is_active=None))
    event = only_event()
    cast.account.refresh_from_db()
    assert (cast.account.name, cast.account.is_active) == ("Web shop", False)
    assert (event.action, event.account_sid) == ("account.changed", cast.account.sid)
    assert "Active" in str(event.details["changes"])


def test_a_user_and_their_groups_are_recorded(admin, cast):
    user = cast.user("stranger")
    security = Group.objects.get(name="Security")
    save(admin, f"/admin/auth/user/{user.pk}/change/", user_form(user, groups=[security.pk], is_superuser="on"))
    event = only_event()
    user.refresh_from_db()
    assert user.is_superuser
    assert security in user.groups.all()
    assert (event.action, event.details["subject"]) == ("user.changed", "stranger")
    assert "Roles" in str(event.details["changes"])
    assert "Portal admin" in str(event.details["changes"])


def test_a_new_user_is_recorded_and_has_no_password(admin):
    data = {"username": "new", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    assert admin.post("/admin/auth/user/add/", data).status_code == 200
    assert not User.objects.get(username="new").has_usable_password()
    created, invited = matching().order_by("sequence")
    assert (created.action, created.details["subject"], created.actor_name) == ("user.created", "new", "Admin Person")
    assert (invited.action, invited.details["subject"], invited.actor_name) == ("user.invited", "new", "Admin Person")


def test_a_changed_group_is_recorded(admin):
    group = Group.objects.create(name="Old")
    save(admin, f"/admin/auth/group/{group.pk}/change/", {"name": "New"})
    assert only_event().action == "group.changed"


def test_a_new_password_is_recorded(live_cast):
    """With real transactions: this page of Django's runs in none of its own."""
    user = live_cast.user("stranger")
    data = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD, "set-password": "1"}
    client = live_cast.client("admin")
    client.raise_request_exception = False
    answer = client.post(f"/admin/auth/user/{user.pk}/password/", data)
    user.refresh_from_db()
    assert user.check_password(PASSWORD) == matching(action="user.changed").exists()
    assert answer.status_code == 302
    assert user.check_password(PASSWORD)
    assert PASSWORD not in only_event().canonical


def test_several_are_not_deleted_at_once(live_cast):
    """With real transactions: an action of Django's admin runs in none of its own, so there is no action."""
    teams = [Team.objects.create(name=f"Spare {number}") for number in range(3)]
    data = {"action": "delete_selected", "_selected_action": [team.pk for team in teams], "post": "yes"}
    client = live_cast.client("admin")
    for url in ("/admin/keys_app/team/", "/admin/keys_app/account/", "/admin/auth/user/", "/admin/auth/group/"):
        page = client.get(url)
        assert page.status_code == 200
        assert "delete_selected" not in page.content.decode()
    assert client.post("/admin/keys_app/team/", data).status_code < 500
    assert Team.objects.filter(name__startswith="Spare").count() == 3
    assert not matching().exists()


def fill_the_ledger():
    """Let the database refuse the next event, as a full disk would. The test's own transaction undoes it."""
    body = {
        "sqlite": "BEGIN SELECT RAISE(ABORT, 'the ledger is full'); END",
        "postgresql": "FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    }
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TRIGGER ledger_is_full BEFORE INSERT ON audit_auditevent {body[connection.vendor]}")


def test_nothing_is_changed_when_it_cannot_be_recorded(admin, cast):
    user, team = cast.user("stranger"), Team.objects.create(name="Refunds")
    fill_the_ledger()
    admin.raise_request_exception = False
    posts = {
        "/admin/keys_app/team/add/": team_form("Chargebacks"),
        f"/admin/keys_app/team/{team.pk}/change/": team_form("Chargebacks", [(None, user, True)]),
        f"/admin/keys_app/team/{team.pk}/delete/": {"post": "yes"},
        f"/admin/keys_app/account/{cast.account.sid}/change/": account_form(cast.account, name="Web shop"),
        f"/admin/auth/user/{user.pk}/change/": user_form(user, is_superuser="on"),
    }
    assert {url: admin.post(url, data).status_code for url, data in posts.items()} == dict.fromkeys(posts, 500)
    user.refresh_from_db()
    assert sorted(Team.objects.values_list("name", flat=True)) == ["Payments", "Refunds", "Support"]
    assert Account.objects.get(pk=cast.account.pk).name == "Shop"
    assert not TeamMembership.objects.filter(user=user).exists()
    assert not user.is_superuser


def admin_pages(cast):
    return {
        "/admin/keys_app/team/": {},
        "/admin/keys_app/team/add/": team_form(),
        f"/admin/keys_app/team/{cast.team.pk}/change/": team_form("Ours"),
        f"/admin/keys_app/team/{cast.team.pk}/delete/": {"post": "yes"},
        "/admin/keys_app/account/": {},
        f"/admin/keys_app/account/{cast.account.sid}/change/": account_form(cast.account, name="Ours"),
        f"/admin/keys_app/account/{cast.account.sid}/delete/": {"post": "yes"},
        "/admin/auth/user/": {},
        "/admin/auth/user/add/": {"username": "new"},
        f"/admin/auth/user/{cast.user('lead').pk}/change/": user_form(cast.user("lead"), is_superuser="on"),
        f"/admin/auth/user/{cast.user('admin').pk}/password/": {"password1": PASSWORD, "password2": PASSWORD},
        "/admin/auth/group/": {},
    }


@pytest.mark.parametrize("role", ["lead", "security", "engineer"])
def test_nobody_else_gets_at_these_pages(cast, role):
    client, admin = cast.client(role), cast.client("admin")
    for url, data in admin_pages(cast).items():
        assert client.get(url, follow=True).status_code == 403, url
        assert client.post(url, data, follow=True).status_code == 403, url
        assert admin.get(url).status_code == 200, url
    assert not matching().exists()
    assert not User.objects.get(username="lead").is_superuser


@pytest.mark.parametrize("role", ["lead", "security"])
def test_the_admins_front_page_offers_an_approver_requests_alone(cast, role):
    body = cast.client(role).get("/admin/").content.decode()
    assert "/admin/keys_app/keyrequest/" in body
    assert "/admin/keys_app/team/" not in body
    assert "/admin/auth/user/" not in body
    assert "/admin/auth/user/" in cast.client("admin").get("/admin/").content.decode()


def test_the_credential_of_an_account_is_in_no_page(admin, cast):
    sid = cast.account.sid
    for url in (
        "/admin/keys_app/account/",
        *(f"/admin/keys_app/account/{sid}/{page}/" for page in ("change", "delete")),
    ):
        answer = admin.get(url)
        assert answer.status_code == 200
        assert cast.account.credential_ciphertext not in answer.content.decode()


def test_the_credential_and_the_sid_cannot_be_posted(admin, cast):
    before = Account.objects.values("sid", "credential_user", "credential_ciphertext", "connected_at").get(
        pk=cast.account.pk
    )
    foreign = {"sid": "AC" + "9" * 32, "credential_user": "SK9", "credential_ciphertext": "x", "connected_at": ""}
    save(admin, f"/admin/keys_app/account/{cast.account.sid}/change/", account_form(cast.account, **foreign))
    assert Account.objects.count() == 2
    assert Account.objects.values(*before).get(pk=cast.account.pk) == before


def test_nobody_adds_an_account_there(admin):
    assert admin.get("/admin/keys_app/account/add/").status_code == 403
    assert admin.post("/admin/keys_app/account/add/", {"sid": "AC" + "9" * 32}).status_code == 403
    assert Account.objects.count() == 2


@pytest.mark.parametrize("role", ["admin", "lead", "security"])
def test_nobody_changes_a_request_there(cast, role):
    key_request = cast.ask(permissions=MAKE_KEYS)
    before = KeyRequest.objects.values().get(pk=key_request.pk)
    client = cast.client(role)
    page = f"/admin/keys_app/keyrequest/{key_request.pk}/"
    fields = {"friendly_name": "other", "lifetime_days": "365", "risk": "low", "state": "approved", "_save": "Save"}
    bulk = {"action": "delete_selected", "_selected_action": [str(key_request.pk)], "post": "yes"}
    assert client.post(page + "change/", fields).status_code == (404 if role == "admin" else 422)
    assert client.get(page + "delete/").status_code in (403, 404)
    assert client.post(page + "delete/", {"post": "yes"}).status_code in (403, 404)
    assert client.post("/admin/keys_app/keyrequest/add/", fields).status_code == 403
    client.post("/admin/keys_app/keyrequest/", bulk)
    assert KeyRequest.objects.values().get(pk=key_request.pk) == before
    assert set(matching().values_list("action", flat=True)) <= {"request.created", "access.refused"}


def test_a_portal_admin_does_not_see_requests_there(cast):
    key_request = cast.ask()
    url = f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    assert cast.client("admin").get(url).status_code == 404
    assert cast.client("admin").get("/admin/keys_app/keyrequest/").status_code == 403
    assert cast.client("lead").get(url).status_code == 200


@pytest.mark.parametrize(
    "values", [{"digest": "é"}, {"digest": ""}, {"digest": "0" * 64}, {"decision": "reject", "reason": "a\0b"}]
)
def test_a_decision_that_no_page_posts_is_refused_not_broken(cast, values):
    key_request = cast.ask()
    client = cast.client("lead")
    client.raise_request_exception = False
    answer = client.post(
        f"/admin/keys_app/keyrequest/{key_request.pk}/change/", {"decision": "approve", "reason": "", **values}
    )
    key_request.refresh_from_db()
    assert answer.status_code in (409, 422)
    assert key_request.state == "pending"


def test_the_ledger_is_not_in_the_admin(admin):
    assert admin.get("/admin/audit/").status_code == 404
    assert "auditevent" not in admin.get("/admin/").content.decode()
