"""Every page of the admin wears the portal's frame, and says in words what it is and what each box is for."""

from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.organisation.models import Account, Team, TeamMembership
from keys_app.reconcile.models import AccountCheck
from keys_app.users import account_changes
from tests.cast import text_of

ADDED = ["auth/user", "keys_app/team", "keys_app/approvalrule", "keys_app/webhook", "keys_app/cataloguepermission"]
LISTED = [*ADDED, "auth/group", "keys_app/account", "keys_app/providergroup", "keys_app/identity"]


class Page(HTMLParser):
    """What a page has: the controls that people see, the labels, headings, links and the current item of the nav."""

    def __init__(self, answer):
        super().__init__()
        self.controls, self.labelled, self.ids, self.h1, self.sheets = [], set(), set(), 0, []
        self.current, self._label, self._nav = [], 0, ""
        self.feed(answer.content.decode())

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids.add(values.get("id"))
        self.h1 += tag == "h1"
        if tag == "label":
            self._label += 1
            self.labelled.add(values.get("for"))
        elif tag in ("input", "select", "textarea") and values.get("type") not in ("hidden", "submit"):
            named = bool(self._label or values.get("aria-label") or "hidden" in values)
            self.controls.append((values.get("name"), values.get("id"), named))
        elif tag == "link" and values.get("rel") == "stylesheet":
            self.sheets.append(values["href"])
        elif tag == "a" and "aria-current" in values:
            self.current.append(values["href"])

    def handle_endtag(self, tag):
        self._label -= tag == "label"

    @property
    def without_label(self):
        return [name for name, id_, named in self.controls if not named and id_ not in self.labelled]


def addresses(cast):
    rule = ApprovalRule.objects.create(name="Usage", template="usage-report", environment="staging")
    user = cast.user("stranger")
    changed = {
        "auth/user": cast.user("lead").pk,
        "auth/group": Group.objects.get(name="Security").pk,
        "keys_app/team": cast.team.pk,
        "keys_app/account": cast.account.pk,
        "keys_app/approvalrule": rule.pk,
    }
    yield "/admin/"
    yield "/admin/keys_app/"
    yield "/admin/auth/user/invite/"
    yield f"/admin/auth/user/{cast.user('admin').pk}/password/"
    yield from (f"/admin/{kind}/" for kind in LISTED)
    yield from (f"/admin/{kind}/add/" for kind in ADDED)
    yield from (f"/admin/{kind}/{pk}/change/" for kind, pk in changed.items())
    yield from (f"/admin/auth/user/{user.pk}/delete/", f"/admin/keys_app/approvalrule/{rule.pk}/delete/")


def test_each_wears_the_portals_frame_and_names_every_box(cast):
    admin = cast.client("admin")
    seen = 0
    for url in addresses(cast):
        answer = admin.get(url)
        assert answer.status_code == 200, url
        page, words = Page(answer), text_of(answer)
        assert "Home Requests Keys Administration" in words, url
        assert page.current[:1] == ["/admin/"], url
        assert "Key portal 0." in words, url
        assert "Recent actions" not in words, url
        assert page.h1 == 1, url
        assert not [sheet for sheet in page.sheets if "/admin/css/" in sheet], url
        assert page.without_label == [], url
        assert "---------" not in words, url
        seen += len(page.controls)
    assert seen > 100


@pytest.mark.parametrize("role", ["lead", "security"])
def test_an_approver_finds_approvals_in_the_same_frame(cast, role):
    key_request = cast.ask()
    client = cast.client(role)
    for url in ("/admin/keys_app/keyrequest/", f"/admin/keys_app/keyrequest/{key_request.pk}/change/"):
        page = Page(client.get(url))
        assert page.current[:1] == ["/admin/keys_app/keyrequest/"]
        assert (page.h1, page.without_label) == (1, [])
    words = text_of(client.get("/admin/"))
    assert "Approvals Read the requests that wait for a decision" in words
    assert "Teams" not in words


def test_the_front_page_says_what_each_thing_is_for(cast):
    words = text_of(cast.client("admin").get("/admin/"))
    for line in (
        "Users Who may sign in, and as what.",
        "Teams Who asks for keys together, who leads, and the team’s guardrails.",
        "Twilio accounts Where keys are issued",
        "Rules Approve low-risk requests",
        "Webhooks Send notices",
        "Catalogue Every permission the portal knows.",
    ):
        assert line in words
    assert "Twilio keys" not in words  # Django's name of the app
    assert "Approvals" not in words


def test_each_page_leads_back_to_the_portals_home(cast):
    for url in addresses(cast):
        text = cast.client("admin").get(url).content.decode()
        crumbs = text[text.index('aria-label="Breadcrumbs"') :]
        assert crumbs.index('href="/"') < crumbs.index("</nav>"), url


def test_history_is_in_the_audit_for_security_and_absent_for_others(cast):
    team = f"/admin/keys_app/team/{cast.team.pk}"
    fields = {"name": "Payouts", "max_lifetime_days": "30", "memberships-TOTAL_FORMS": "0",
              "memberships-INITIAL_FORMS": "0"}  # fmt: skip
    admin = cast.client("admin")
    assert admin.post(f"{team}/change/", fields).status_code == 302
    assert "History" not in text_of(admin.get(f"{team}/change/"))
    assert admin.get(f"{team}/history/").status_code == 404
    cast.user("admin").groups.add(Group.objects.get(name="Security"))
    both = cast.client("admin")
    assert f'href="{team}/history/"' in both.get(f"{team}/change/").content.decode()
    words = text_of(both.get(f"{team}/history/", follow=True))
    assert "team.changed" in words
    assert "Payouts" in words
    assert both.get("/admin/keys_app/team/999999/history/").status_code == 404
    assert cast.client("security").get(f"{team}/history/").status_code == 403


def row_of(client, url, name):
    """Return the words of the row that names something."""
    cells = client.get(url).content.decode().split('<tr role="row">')
    [row] = [cell for cell in cells if name in cell]
    return text_of_html(row.split("</tr>")[0])


def text_of_html(html):
    words = []
    parser = HTMLParser()
    parser.handle_data = words.append
    parser.feed(html)
    return " ".join(" ".join(words).split())


def test_users_are_listed_with_team_role_and_last_sign_in(cast):
    admin = cast.client("admin")
    assert row_of(admin, "/admin/auth/user/", ">lead<").startswith("Lead Person lead Payments (lead) Team leads")
    never = cast.user("stranger")
    never.last_login = None
    never.save()
    assert row_of(admin, "/admin/auth/user/", ">stranger<").endswith("stranger None None Never Yes")


def test_accounts_are_listed_with_teams_and_how_the_last_run_went(cast):
    admin = cast.client("admin")
    sid = cast.account.sid
    assert row_of(admin, "/admin/keys_app/account/", sid) == f"Shop Staging {sid} Payments Never Yes"
    AccountCheck.objects.create(account=cast.account, failed_runs=3, last_error="Twilio refuses the credential.")
    assert "Failing since Never: Twilio refuses the credential." in row_of(admin, "/admin/keys_app/account/", sid)


def test_teams_are_listed_with_their_leads_and_limits(cast):
    row = row_of(cast.client("admin"), "/admin/keys_app/team/", ">Payments<")
    leads = TeamMembership.objects.filter(team=cast.team, is_lead=True).count()
    assert leads
    assert "Lead Person" in row
    assert "365 days No limit" in row


def test_a_form_speaks_in_words(cast):
    admin = cast.client("admin")
    words = text_of(admin.get(f"/admin/keys_app/account/{cast.account.pk}/change/"))
    assert "Twilio SID" in words
    assert "Maximum lifetime in days" in words
    assert "Max lifetime" not in words
    words = text_of(admin.get(f"/admin/keys_app/team/{cast.team.pk}/change/"))
    assert "Remove Lead Person (lead)" in words
    assert "Leads the team : Lead Person (lead)" in words


def test_a_member_is_added_without_javascript(cast):
    admin, user = cast.client("admin"), cast.user("stranger")
    url = f"/admin/keys_app/team/{cast.other_team.pk}/change/"
    page = admin.get(url).content.decode()
    count = cast.other_team.memberships.count()
    assert f'<option value="{user.pk}">Stranger Person (stranger)</option>' in page
    assert f'id="id_memberships-{count}-user"' in page
    [ids] = [admin.get(url).context["inline_admin_formsets"][0].formset.initial_forms]
    fields = {"name": "Support", "max_lifetime_days": "365", "memberships-TOTAL_FORMS": count + 1,
              "memberships-INITIAL_FORMS": count, f"memberships-{count}-user": user.pk}  # fmt: skip
    for place, form in enumerate(ids):
        fields |= {f"memberships-{place}-id": form.instance.pk, f"memberships-{place}-user": form.instance.user_id}
    assert admin.post(url, fields).status_code == 302
    assert cast.other_team.memberships.filter(user=user).exists()


def test_a_form_that_is_wrong_lists_what_to_look_at_in_the_order_of_the_page(cast):
    fields = {"name": "", "notice_email": "nonsense", "max_lifetime_days": "0", "memberships-TOTAL_FORMS": "0",
              "memberships-INITIAL_FORMS": "0"}  # fmt: skip
    answer = cast.client("admin").post(f"/admin/keys_app/team/{cast.team.pk}/change/", fields)
    words = text_of(answer)
    assert "Nothing was saved. Check what is marked below. Name Team’s mail address Maximum lifetime in days" in words
    page = Page(answer)
    assert {"id_name", "id_notice_email", "id_max_lifetime_days", "id_name_error"} <= page.ids


@pytest.mark.parametrize("url", ["/admin/auth/user/", "/admin/keys_app/team/", "/admin/keys_app/account/",
                                 "/admin/auth/group/", "/admin/keys_app/approvalrule/", "team"])  # fmt: skip
def test_a_list_needs_no_more_queries_for_more_rows(cast, url):
    admin = cast.client("admin")
    url = reverse("admin:keys_app_team_change", args=[cast.team.pk]) if url == "team" else url

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(url).status_code == 200
        return len(captured)

    def more(name):
        user = type(cast.user("lead")).objects.create(username=name)
        team = Team.objects.create(name=name)
        TeamMembership.objects.create(team=team, user=user, is_lead=True)
        TeamMembership.objects.create(team=cast.team, user=user)
        user.groups.add(Group.objects.get(name="Engineers"))
        account = Account.objects.create(
            sid=f"AC{len(name):032x}", name=name, environment="staging", credential_user="SK1",
            credential_ciphertext="x", connected_at=cast.account.connected_at,
        )  # fmt: skip
        account.teams.add(team)
        ApprovalRule.objects.create(name=name, template="usage-report", environment="staging", team=team)

    more("one")
    before = queries()
    for name in ("second", "thirdly", "fourthly"):
        more(name)
    assert queries() == before


def test_a_password_is_set_or_removed_on_one_page(cast):
    user = cast.user("admin")
    url = f"/admin/auth/user/{user.pk}/password/"
    page = cast.client("admin").get(url).content.decode()
    assert page.count('name="usable_password"') == 2
    assert 'name="set-password"' in page
    admin = cast.client("admin")
    lead = cast.user("lead")
    lead.set_password("a-long-enough-passphrase")
    lead.save()
    account_changes.sign_in_of(lead)
    data = {"usable_password": "false", "unset-password": "Remove password"}
    assert admin.post(f"/admin/auth/user/{lead.pk}/password/", data).status_code == 302
    lead.refresh_from_db()
    assert not lead.has_usable_password()
