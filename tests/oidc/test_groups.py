"""Rights from groups of the provider: given and taken at each sign-in, and told apart from those given by hand."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

from keys_app.audit.ledger import matching
from keys_app.organisation.models import ProviderGroup, ProviderRight, TeamMembership
from portal.oidc import checks

from .provider import go

FILE = """
[groups."kp-engineers"]
group = "Engineers"
team = "Payments"

[groups."kp-leads"]
group = "Team leads"
teams = ["Payments", "Support"]
lead = true

[groups."kp-admins"]
admin = true
"""


@pytest.fixture
def file(settings, tmp_path, cast, provider):
    """A portal with teams, whose groups stand in a file."""
    path = tmp_path / "groups.toml"
    path.write_text(FILE)
    settings.OIDC = replace(settings.OIDC, groups_file=path)
    return path


@pytest.fixture
def table(cast, provider):
    """The same in the table of the admin."""
    for name, group, teams, lead in (
        ("kp-engineers", "Engineers", [cast.team], False),
        ("kp-leads", "Team leads", [cast.team, cast.other_team], True),
    ):
        row = ProviderGroup.objects.create(name=name, group=Group.objects.get(name=group), lead=lead)
        row.teams.set(teams)
    ProviderGroup.objects.create(name="kp-admins", admin=True)


def rights(user):
    user = User.objects.get(pk=user.pk)
    teams = TeamMembership.objects.filter(user=user).values_list("team__name", "is_lead")
    return set(user.groups.values_list("name", flat=True)), dict(teams), user.is_superuser


def erin():
    return User.objects.get(identity__subject="erin")


def actions():
    return [
        event.action for event in matching().order_by("sequence") if event.body["actor_name"] == "the sign-in provider"
    ]


@pytest.mark.parametrize("source", ["file", "table"])
def test_groups_give_and_take(source, request, come):
    request.getfixturevalue(source)
    come("erin", groups=["kp-engineers", "of-others"])
    assert rights(erin()) == ({"Engineers"}, {"Payments": False}, False)
    assert actions() == ["user.created", "team.changed", "user.changed"]
    come("erin", groups=["kp-leads", "kp-admins"])
    assert rights(erin()) == ({"Team leads"}, {"Payments": True, "Support": True}, True)
    come("erin", groups=["kp-engineers"])
    assert rights(erin()) == ({"Engineers"}, {"Payments": False}, False)
    come("erin", groups=[])
    assert rights(erin()) == (set(), {}, False)
    assert not ProviderRight.objects.exists()


def test_nothing_is_recorded_where_nothing_changes(file, come):
    come("erin", groups=["kp-engineers"])
    before = actions()
    come("erin", groups=["kp-engineers"])
    assert actions() == before


def test_what_was_given_by_hand_stays(file, come, cast):
    come("erin", groups=[])
    TeamMembership.objects.create(user=erin(), team=cast.team)
    erin().groups.add(Group.objects.get(name="Engineers"))
    come("erin", groups=["kp-engineers", "kp-leads"])
    assert rights(erin()) == ({"Engineers", "Team leads"}, {"Payments": True, "Support": True}, False)
    come("erin", groups=[])
    assert rights(erin()) == ({"Engineers"}, {"Payments": False}, False)


def test_a_group_taken_away_ends_the_other_sessions(file, come):
    elsewhere = come("erin", groups=["kp-engineers"])
    assert elsewhere.get("/keys/").status_code == 200
    here = come("erin", groups=["kp-engineers", "kp-leads"])
    assert elsewhere.get("/keys/").status_code == 200  # more rights end nothing
    now = come("erin", groups=["kp-engineers"])
    assert [client.get("/keys/").status_code for client in (elsewhere, here, now)] == [302, 302, 200]


OVERAGE = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example.com/"}}}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, "did not send your groups (“groups”)"),
        ({"groups": {"kp-leads": True}}, "did not send your groups (“groups”)"),
        (OVERAGE, "only where to ask for them"),
        ({"hasgroups": True}, "only where to ask for them"),
    ],
)
def test_groups_that_are_not_there_refuse_the_sign_in_and_change_nothing(file, come, provider, claims, reason):
    there = come("erin", groups=["kp-engineers"])
    before = rights(erin())
    provider.says("erin", **claims)
    client = Client()
    answer = go(client, provider)
    assert (answer.status_code, reason in answer.content.decode()) == (403, True)
    assert "_auth_user_id" not in client.session
    assert rights(erin()) == before
    assert there.get("/keys/").status_code == 200
    assert reason in matching(action="user.sign_in_failed").order_by("-sequence").first().details["why"]
    provider.says("frank", **claims)
    assert go(Client(), provider).status_code == 403
    assert not User.objects.filter(identity__subject="frank").exists()


def test_another_claim_can_hold_them(file, come, settings):
    settings.OIDC = replace(settings.OIDC, groups_claim="roles")
    come("erin", roles="kp-engineers", groups=["kp-admins"])
    assert rights(erin()) == ({"Engineers"}, {"Payments": False}, False)


def test_where_no_group_gives_anything_none_are_needed(cast, come):
    come("erin")
    assert rights(erin()) == (set(), {}, False)


def test_without_a_mapped_group_every_page_says_whom_to_ask(file, come, cast):
    client = come("erin", groups=["of-others"])
    for path in ("/", "/keys/", "/requests/new/", "/audit/", "/admin/"):
        answer = client.get(path)
        assert (answer.status_code, "Admin Person (admin)" in answer.content.decode()) == (403, True), path
    assert client.post("/requests/new/", {}).status_code == 403
    assert client.get("/accounts/logout/").status_code == 200
    assert client.post("/accounts/logout/").status_code == 200
    assert come("erin", groups=["kp-engineers"]).get("/").status_code == 200


BAD = {
    '[groups."a"]\ngroup = "Enginers"': "group “a”: there is no group “Enginers”",
    '[groups."a"]\nteam = "Paymints"': "group “a”: there is no team “Paymints”",
    '[groups."a"]\nteams = ["Payments", "x"]': "there is no team “x”",
    '[groups."a"]\nteems = ["Payments"]': "“teems” is not one of its settings",
    '[groups."a"]\nadmin = "yes"': "“admin” is not one of its settings, or has another kind of value",
    '[groups."a"]\nlead = true': "lead is set, and no team",
    "[groups": "can’t be read",
    "other = 1": "has no groups",
}


@pytest.mark.parametrize("text", BAD)
def test_a_file_that_names_what_is_not_there_is_refused_by_name(text, file, provider):
    file.write_text(text)
    provider.says("erin", groups=["kp-engineers"])
    answer = go(Client(), provider)
    assert (answer.status_code, BAD[text] in answer.content.decode()) == (403, True)
    assert not User.objects.filter(identity__subject="erin").exists()
    assert BAD[text] in checks.check()[0].msg
    assert BAD[text] in checks.of_database(databases=["default"])[0].msg
    with pytest.raises(SystemCheckError, match="E003"):
        call_command("check", "--deploy")


def test_a_file_that_is_not_there_is_refused(file, provider):
    file.unlink()
    provider.says("erin", groups=["kp-engineers"])
    assert go(Client(), provider).status_code == 403
    assert "can’t be read" in checks.check()[0].msg


def test_a_right_file_passes_the_check(file):
    assert checks.check() == []


def test_a_portal_admin_edits_the_table_unless_there_is_a_file(table, cast, settings, tmp_path):
    admin, row = cast.client("admin"), ProviderGroup.objects.get(name="kp-admins")
    page = f"/admin/keys_app/providergroup/{row.pk}/change/"
    form = {"name": "kp-admins", "group": "", "teams": [cast.team.pk], "lead": "on"}
    assert admin.post(page, form).status_code == 302
    row.refresh_from_db()
    assert (row.lead, row.admin) == (True, False)
    assert matching(action="providergroup.changed").get().details["teams"] == ["Payments"]
    (tmp_path / "groups.toml").write_text(FILE)
    settings.OIDC = replace(settings.OIDC, groups_file=tmp_path / "groups.toml")
    assert admin.get(page).status_code == 200
    assert admin.post(page, form).status_code == 403
    assert admin.get("/admin/keys_app/providergroup/add/").status_code == 403
    assert cast.client("lead").get(page).status_code == 403
