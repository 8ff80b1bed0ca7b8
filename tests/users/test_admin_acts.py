"""What a portal admin or operator does to somebody's account: told, recorded, and never taken for the user's own."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from post_office.models import Email

from keys_app.audit.ledger import matching
from keys_app.core.actor import Actor
from keys_app.organisation.models import TeamMembership
from keys_app.users import feed_tokens
from keys_app.users.models import FeedToken
from keys_app.users.password_resets import send_links
from tests.cast import text_of
from tests.notifications.test_notices import WithResets
from tests.organisation.test_account_commands import typed  # noqa: F401 (a fixture)

from .test_admin_records import PASSWORD, save, team_form, user_form
from .test_sign_in import sign_in

ANOTHER = "another-long-passphrase"


@pytest.fixture
def with_links(mailing, settings):
    """The pages that mail a link for a new password are there."""
    settings.ROOT_URLCONF = WithResets
    return mailing


def change(cast, role, **fields):
    user = cast.user(role)
    return save(cast.client("admin"), f"/admin/auth/user/{user.pk}/change/", user_form(user, **fields))


def set_password(cast, role, by=None):
    data = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD, "set-password": "1"}
    return save(by or cast.client("admin"), f"/admin/auth/user/{cast.user(role).pk}/password/", data)


def mails() -> dict[str, str]:
    """Return what was mailed, by address: subject and text."""
    return {one.to[0]: f"{one.subject}\n{one.message}" for one in Email.objects.order_by("pk")}


def last_event(action="user.changed"):
    return matching(action=action).order_by("-sequence").first()


def signed_in(name, password=PASSWORD):
    client = Client()
    assert sign_in(client, password, name).status_code == 302
    return client


def by_mailed_link(address, password=ANOTHER):
    """Set a password as somebody who reads the mail of an address."""
    client = Client()
    client.post("/accounts/password/reset/", {"email": address})
    send_links()
    link = re.search(r"/accounts/password/reset/key/\S+", mail.outbox[-1].body).group()
    page = client.get(link)
    answer = client.post(page["Location"], {"password1": password, "password2": password})
    assert answer.status_code == 302, text_of(answer)


def is_in(client) -> bool:
    return client.get("/").status_code == 200


DOORS = {
    "the admin": lambda cast: change(cast, "security2", is_active=""),
    "code": lambda cast: (setattr(user := cast.user("security2"), "is_active", False), user.save()),
    "a statement": lambda cast: User.objects.filter(username="security2").update(is_active=False),
}


@pytest.mark.parametrize("door", DOORS)
def test_it_ends_every_session_of_a_deactivated_user_for_good(cast, door):
    used, unused, other = cast.client("security2"), cast.client("security2"), cast.client("security")
    DOORS[door](cast)
    assert not is_in(used)
    User.objects.filter(username="security2").update(is_active=True)
    assert not is_in(used)
    assert not is_in(unused)
    assert is_in(other)
    assert is_in(cast.client("security2"))


def test_it_leaves_sessions_alone_when_anything_else_is_saved(cast):
    client = cast.client("engineer")
    change(cast, "engineer", first_name="Erin")
    change(cast, "engineer", is_superuser="on")
    assert is_in(client)


def test_it_revokes_a_deactivated_users_feed_tokens_and_nobody_elses(cast):
    for role in ("security", "security2"):
        feed_tokens.create_token(name=f"siem of {role}", actor=Actor.of(cast.user(role)))
    change(cast, "security2", is_active="")
    assert [token.name for token in FeedToken.objects.filter(revoked_at=None)] == ["siem of security"]
    event = last_event("audit.feed_revoked")
    assert (event.actor_name, event.details["maker_deactivated"]) == ("Admin Person", "security2")


@pytest.mark.parametrize("what", ["group", "membership"])
def test_a_right_that_was_taken_away_is_gone_with_the_next_page(cast, what):
    key_request = cast.ask()
    client = cast.client("lead")
    url = f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    assert client.get(url).status_code == 200
    if what == "group":
        change(cast, "lead", groups=[])
    else:
        TeamMembership.objects.filter(user=cast.user("lead")).delete()
    assert client.get(url).status_code != 200
    assert client.get(f"/requests/{key_request.pk}/").status_code == 404


CHANGES = {
    "mail": ({"email": "elsewhere@example.test"}, "mail address: lead@example.test → elsewhere@example.test"),
    "superuser": ({"is_superuser": "on"}, "portal admin: no → yes"),
    "groups": ({"groups": []}, "groups: Team leads → none"),
    "active": ({"is_active": ""}, "may sign in: yes → no"),
    "login": ({"username": "chief"}, "login: lead → chief"),
    "name": ({"first_name": "Lena"}, "name: Lead Person → Lena Person"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_it_tells_the_user_and_security_what_changed_from_what_to_what(mailing, told, what):
    fields, line = CHANGES[what]
    change(mailing, "lead", **fields)
    sent = mails()
    whom = {"lead@example.test", "elsewhere@example.test"} if what == "mail" else {"lead@example.test"}
    assert sent.keys() == whom | {"security@example.test", "security2@example.test"}
    assert all(line in text and "Admin Person (admin) changed" in text for text in sent.values())
    assert [notice["kind"] for notice in told] == ["user.changed", "alarm.rights_changed"]
    event = last_event()
    old, new = line.partition(": ")[2].split(" → ")
    assert event.details["changed"].keys() == {what}
    shown = text_of(mailing.client("security").get(f"/audit/{event.sequence}/"))
    assert f"{what}: {old} → {new}" in shown


def test_it_tells_of_a_password_without_the_password(mailing):
    set_password(mailing, "lead")
    sent = mails()
    assert sent.keys() == {"lead@example.test", "security@example.test", "security2@example.test"}
    assert all("password: set" in text and PASSWORD not in text for text in sent.values())
    event = last_event()
    assert event.details["changed"] == {"password": "set"}
    assert mailing.user("lead").password not in event.canonical


def test_it_tells_nobody_of_a_save_that_changes_nothing(mailing, told):
    change(mailing, "lead")
    assert not told
    assert "changed" not in last_event().details


def test_it_tells_each_whose_membership_changed_and_security_once(mailing, told):
    team = mailing.team
    members = list(team.memberships.order_by("pk"))
    roles = {m.user.username: m for m in members}
    kept = [roles[name] for name in ("engineer", "colleague", "lead", "colead")]
    rows = [(m, m.user, m.is_lead != (m.user.username == "engineer")) for m in kept]
    gone = {"memberships-1-DELETE": "on"}
    save(
        mailing.client("admin"),
        f"/admin/keys_app/team/{team.pk}/change/",
        team_form("Payments", [*rows, (None, mailing.user("stranger"), True)], max_lifetime_days="365", **gone),
    )
    assert last_event("team.changed").details["changed"]["members"] == {
        "colleague": {"from": "member", "to": None},
        "engineer": {"from": "member", "to": "lead"},
        "stranger": {"from": None, "to": "lead"},
    }
    sent = mails()
    assert "team Payments: member → lead" in sent["engineer@example.test"]
    assert "team Payments: none → lead" in sent["stranger@example.test"]
    assert "team Payments: member → none" in sent["colleague@example.test"]
    assert "lead@example.test" not in sent
    assert "Engineer Person (engineer), team Payments: member → lead" in sent["security@example.test"]
    assert [notice["kind"] for notice in told].count("alarm.rights_changed") == 1


def test_it_tells_who_was_in_a_team_that_is_deleted(mailing):
    team = mailing.team.__class__.objects.create(name="Short-lived")
    TeamMembership.objects.create(team=team, user=mailing.user("stranger"), is_lead=True)
    save(mailing.client("admin"), f"/admin/keys_app/team/{team.pk}/delete/", {"post": "yes"})
    assert "team Short-lived: lead → none" in mails()["stranger@example.test"]
    assert last_event("team.deleted").details["members"] == {"stranger": "lead"}


def test_an_admin_who_signs_in_with_a_password_they_set_is_told_from_the_lead(mailing):
    """Each event of the session says who set the password: signing in, deciding, changing the password, signing out."""
    set_password(mailing, "lead")
    client = signed_in("lead")
    key_request = mailing.ask()
    url = f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    digest = re.search(r'name="digest" value="([0-9a-f]*)"', client.get(url).content.decode()).group(1)
    assert client.post(url, {"digest": digest, "decision": "approve", "reason": ""}).status_code == 302
    assert client.get("/audit/").status_code == 403
    fields = {"oldpassword": PASSWORD, "password1": ANOTHER, "password2": ANOTHER}
    assert client.post("/accounts/password/change/", fields).status_code == 302
    client.post("/accounts/logout/")
    mine = matching(actor="Lead Person")
    assert set(mine.values_list("action", flat=True)) == {
        "user.signed_in",
        "request.approved",
        "access.refused",
        "user.password_changed",
        "user.signed_out",
    }
    assert {event.details.get("password_set_by") for event in mine} == {"Admin Person (admin)"}
    assert {event.details.get("password_set_by") for event in matching(actor="Engineer")} == {None}
    by_lead = matching(action="request.approved").get()
    assert "password set by Admin Person (admin)" in text_of(
        mailing.client("security").get(f"/audit/{by_lead.sequence}/")
    )


def test_a_mailed_link_makes_the_password_the_users_own(with_links):
    set_password(with_links, "lead")
    by_mailed_link("lead@example.test")
    event = last_event("user.password_changed")
    assert event.details == {"with": "a mailed link"}
    signed_in("lead", ANOTHER)
    assert last_event("user.signed_in").details == {}


def test_a_mailed_link_does_not_if_somebody_else_changed_the_address(with_links):
    """An admin who sends the link to themselves is no better off than with a password they set."""
    change(with_links, "lead", email="mine@example.test")
    by_mailed_link("mine@example.test")
    signed_in("lead", ANOTHER)
    by = "whoever reads the mail address that Admin Person (admin) set"
    assert last_event("user.signed_in").details == {"password_set_by": by}


def test_the_first_address_of_a_new_account_is_the_users_own(with_links):
    User.objects.create(username="newcomer")
    change(with_links, "newcomer", email="new@example.test")
    by_mailed_link("new@example.test")
    signed_in("newcomer", ANOTHER)
    assert last_event("user.signed_in").details == {}


def test_an_admin_sets_their_own_password_unmarked_unless_theirs_is_marked(mailing):
    set_password(mailing, "admin")
    admin = signed_in("admin")
    assert last_event("user.signed_in").details == {}
    User.objects.filter(username="lead").update(is_superuser=True)
    set_password(mailing, "lead", by=admin)
    set_password(mailing, "lead", by=signed_in("lead"))
    signed_in("lead")
    assert last_event("user.signed_in").details == {"password_set_by": "Admin Person (admin)"}


def test_a_password_set_on_the_command_line_is_marked_and_told(transactional_db, typed, settings):  # noqa: F811
    settings.SENDS_MAIL = True
    Group.objects.get_or_create(name="Security")[0].user_set.add(User.objects.create(username="s", email="s@a.test"))
    User.objects.create_user("lena", "lena@a.test")
    call_command("changepassword", "lena", verbosity=0)
    assert mails().keys() == {"lena@a.test", "s@a.test"}
    signed_in("lena")
    assert last_event("user.signed_in").details["password_set_by"].startswith("changepassword by ")


def test_an_operator_vouches_for_a_user(transactional_db, typed, settings):  # noqa: F811
    settings.SENDS_MAIL = True
    User.objects.create_user("lena", "lena@a.test")
    call_command("changepassword", "lena", verbosity=0)
    client = signed_in("lena")
    with pytest.raises(CommandError, match="no user nobody"):
        call_command("vouch_for", "nobody", reason="I was there.")
    with pytest.raises(CommandError, match="Give a reason"):
        call_command("vouch_for", "lena", reason=" ")
    call_command("vouch_for", "Lena", reason="Set at my desk.")
    event = last_event("user.vouched_for")
    assert (event.reason, event.details["subject"]) == ("Set at my desk.", "lena")
    assert event.actor_name.startswith("vouch_for by ")
    assert "count as the user’s own again" in mails()["lena@a.test"]
    assert not is_in(client)
    signed_in("lena")
    assert last_event("user.signed_in").details == {}


def test_the_database_has_its_trigger(db):
    catalogue = {"sqlite": "sqlite_master WHERE name", "postgresql": "pg_trigger WHERE tgname"}[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {catalogue} = 'user_deactivated'")
        assert cursor.fetchone() == (1,)
