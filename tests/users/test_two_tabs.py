"""Two tabs edit the same thing in the admin: a page that is behind writes only what was changed on it."""

import base64
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group, User

from keys_app.audit.ledger import matching
from keys_app.catalogue.models import CataloguePermission
from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.notifications.models import Webhook
from keys_app.notifications.webhooks import set_address, set_signing_secret
from keys_app.organisation.models import Account, Team, TeamMembership


class Fields(HTMLParser):
    """What a browser would post of a page's forms, as they stand."""

    def __init__(self, page):
        super().__init__()
        self.data, self._select, self._area = {}, "", ""
        self.feed(page)

    def add(self, name, value):
        self.data.setdefault(name, []).append(value)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        name = values.get("name", "")
        if tag == "input" and name and values.get("type") not in ("submit", "button"):
            if values.get("type") not in ("checkbox", "radio") or "checked" in values:
                self.add(name, values.get("value", "on" if values.get("type") == "checkbox" else ""))
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in values and self._select:
            self.add(self._select, values.get("value", ""))
        elif tag == "textarea":
            self._area = name
            self.add(name, "")

    def handle_endtag(self, tag):
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data):
        if self._area:
            self.data[self._area][-1] += data.removeprefix("\n") if not self.data[self._area][-1] else data


@pytest.fixture
def admin(cast):
    return cast.client("admin")


def opened(admin, subject):
    """Open a page; return how to save it with some fields changed."""
    url = f"/admin/{subject._meta.app_label}/{subject._meta.model_name}/{subject.pk}/change/"
    answer = admin.get(url)
    assert answer.status_code == 200
    shown = {
        name: values for name, values in Fields(answer.content.decode()).data.items() if name != "csrfmiddlewaretoken"
    }

    def save(**changed):
        posted = {**shown, **changed}
        answer = admin.post(url, {name: value for name, value in posted.items() if value is not None})
        assert answer.status_code == 302, answer.content.decode()

    return save


LIMITS = {
    "max_risk": "medium",
    "max_lifetime_days": 30,
    "allowed_products": ["messaging"],
    "forbidden_permissions": ["/twilio/iam/api-keys/create"],
}


@pytest.mark.parametrize("before", [{}, LIMITS])
def test_it_keeps_what_was_changed_on_an_account_meanwhile(cast, admin, before):
    Account.objects.filter(pk=cast.account.pk).update(**before)
    save = opened(admin, cast.account)
    now = {"max_risk": "low", "max_lifetime_days": 7, "allowed_products": [], "leads_required": 2, "is_active": False}
    now |= {"forbidden_permissions": [], "credential_user": "SK" + "9" * 32}
    Account.objects.filter(pk=cast.account.pk).update(**now)
    cast.account.teams.set([cast.other_team])

    save(name="Webshop")

    account = Account.objects.get(pk=cast.account.pk)
    assert account.name == "Webshop"
    assert {name: getattr(account, name) for name in now} == now
    assert list(account.teams.all()) == [cast.other_team]
    details = matching(action="account.changed").get().details
    assert details["changed"] == {"name": {"from": "Shop", "to": "Webshop"}}
    assert (details["leads_required"], details["max_risk"]) == (2, "low")


def test_it_keeps_what_was_changed_on_a_team_and_its_members_meanwhile(cast, admin):
    save = opened(admin, cast.team)
    Team.objects.filter(pk=cast.team.pk).update(max_risk="low", notice_email="team@example.test")
    memberships = TeamMembership.objects.filter(team=cast.team).order_by("pk")
    memberships.filter(user__username="engineer").update(may_break_glass=True)
    memberships.filter(user__username="lead").update(is_lead=False)
    place = list(memberships.values_list("user__username", flat=True)).index("engineer")

    save(**{"name": "Payouts", f"memberships-{place}-is_lead": "on"})

    team = Team.objects.get(pk=cast.team.pk)
    assert (team.name, team.max_risk, team.notice_email) == ("Payouts", "low", "team@example.test")
    rights = {one.user.username: (one.is_lead, one.may_break_glass) for one in memberships.select_related("user")}
    assert rights["engineer"] == (True, True)
    assert rights["lead"] == (False, False)


def test_it_keeps_what_was_changed_on_a_user_meanwhile(cast, admin):
    user = cast.user("security")
    save = opened(admin, user)
    user.groups.set(Group.objects.filter(name="Engineers"))
    user.set_password("another-long-passphrase")
    user.is_active, user.is_staff = False, True
    user.save()

    save(first_name="Sandra")

    now = User.objects.get(pk=user.pk)
    assert (now.first_name, now.is_active, now.is_staff) == ("Sandra", False, True)
    assert now.check_password("another-long-passphrase")
    assert [group.name for group in now.groups.all()] == ["Engineers"]


def test_it_keeps_a_group_that_was_given_to_a_user_of_none(cast, admin):
    user = cast.user("stranger")
    save = opened(admin, user)
    user.groups.add(Group.objects.get(name="Security"))
    save(first_name="Sandra")
    assert [group.name for group in user.groups.all()] == ["Security"]


@pytest.mark.parametrize("number", ["9" * 400, str(2**63), "-1", "NaN", ""])
def test_what_cannot_be_the_number_of_a_group_was_not_shown(cast, admin, number):
    user = cast.user("stranger")
    save = opened(admin, user)
    save(**{"initial-groups": number, "first_name": "Sandra"})
    user.refresh_from_db()
    assert user.first_name == "Sandra"


def test_the_page_of_a_user_does_not_hold_the_hash_of_the_password(cast, admin):
    user = cast.user("engineer")
    user.set_password("a-long-enough-passphrase")
    user.save()
    page = admin.get(f"/admin/auth/user/{user.pk}/change/").content.decode()
    assert "initial-email" in page
    assert user.password not in page
    assert user.password.split("$")[-1] not in page


def test_it_keeps_what_was_changed_on_a_webhook_meanwhile(cast, admin):
    webhook = Webhook(name="chat", event_kinds=["request", "alarm"])
    set_address(webhook, "https://one.example.com/x")
    set_signing_secret(webhook, "whsec_" + base64.b64encode(bytes(32)).decode())
    webhook.save()
    save = opened(admin, webhook)
    set_address(webhook, "https://two.example.com/x")
    webhook.is_active, webhook.team, webhook.event_kinds = False, cast.team, ["key"]
    webhook.save()

    save(name="room")

    now = Webhook.objects.get()
    assert (now.name, now.is_active, now.team, now.event_kinds) == ("room", False, cast.team, ["key"])
    assert (now.url_host, now.url_ciphertext) == ("two.example.com", webhook.url_ciphertext)
    save(url="https://three.example.com/x")
    now = Webhook.objects.get()
    assert (now.url_host, now.signing_secret_ciphertext) == ("three.example.com", webhook.signing_secret_ciphertext)


def test_it_keeps_what_was_changed_on_a_rule_meanwhile(cast, admin):
    rule = ApprovalRule.objects.create(
        name="Reports", template="usage-report", environment="staging", max_lifetime_days=30
    )
    rule.template = opened_template(admin)
    rule.save()
    save = opened(admin, rule)
    ApprovalRule.objects.update(is_active=False, max_lifetime_days=7)
    save(name="Usage reports")
    now = ApprovalRule.objects.get()
    assert (now.name, now.is_active, now.max_lifetime_days) == ("Usage reports", False, 7)
    saved = matching(action="approvalrule.changed").get().details["changes"][-1]["saved"]
    assert (saved["is_active"], saved["max_lifetime_days"]) == ("False", "7")


def opened_template(admin):
    """Return a task that a rule can be for."""
    page = admin.get("/admin/keys_app/approvalrule/add/")
    return page.context["adminform"].form.fields["template"].choices[1][0]


def test_it_keeps_what_was_changed_in_the_catalogue_meanwhile(cast, admin):
    entry = CataloguePermission.objects.create(name="/twilio/new-product/things/read", meaning="things")
    save = opened(admin, entry)
    CataloguePermission.objects.update(removed=True)
    save(meaning="all things")
    now = CataloguePermission.objects.get()
    assert (now.meaning, now.removed) == ("all things", True)


def test_a_form_posted_without_what_its_page_showed_still_sets_all_it_holds(cast, admin):
    Account.objects.filter(pk=cast.account.pk).update(max_risk="low", leads_required=2)
    form = {"name": "Shop", "environment": "staging", "teams": [cast.team.pk], "leads_required": "1", "max_risk": ""}
    url = f"/admin/keys_app/account/{cast.account.pk}/change/"
    assert admin.post(url, form).status_code == 302
    account = Account.objects.get(pk=cast.account.pk)
    assert (account.max_risk, account.leads_required, account.is_active) == ("", 1, False)


def test_a_password_that_is_changed_at_a_terminal_undoes_nothing_that_happened_meanwhile(cast, monkeypatch):
    from django.contrib.auth.management.commands import changepassword
    from django.core.management import call_command

    def typed(*_, **__):
        User.objects.filter(username="admin").update(is_superuser=False, is_active=False)
        return "a-long-enough-passphrase"

    monkeypatch.setattr(changepassword.Command, "_get_pass", typed)
    call_command("changepassword", "admin", verbosity=0)
    user = User.objects.get(username="admin")
    assert (user.is_superuser, user.is_active) == (False, False)
    assert user.check_password("a-long-enough-passphrase")
