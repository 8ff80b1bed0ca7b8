"""The approver's list: its filters, search and the lookups it takes."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import Account
from tests.cast import MAKE_KEYS, text_of
from tests.forms import forms_of

LIST = "/admin/keys_app/keyrequest/"


def listed(cast, role, **wanted):
    answer = cast.client(role).get(LIST, wanted, follow=True)
    assert answer.status_code == 200, wanted
    return {item.friendly_name for item in answer.context["listing"].rows}


@pytest.fixture
def requests(cast):
    """An old one of low risk, a critical one a lead has approved, one that is decided, and a foreign one."""
    old = cast.ask(friendly_name="old", purpose="Yearly sums.", ticket_url="https://tickets.example.com/77")
    KeyRequest.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=4))
    critical = cast.ask("colleague", friendly_name="critical", permissions=MAKE_KEYS)
    cast.decide("lead", critical, "approve")
    cast.approved(friendly_name="decided")
    Account.objects.filter(pk=cast.other_account.pk).update(environment="production")
    cast.ask("engineer2", friendly_name="foreign", account=cast.other_account.sid)


@pytest.mark.parametrize(
    ("role", "wanted", "names"),
    [
        ("lead", {}, {"old"}),
        ("security", {}, {"critical"}),
        ("lead", {"show": "waiting"}, {"critical"}),
        ("security", {"show": "waiting"}, {"old", "foreign"}),
        ("lead", {"show": "decided"}, {"decided"}),
        ("lead", {"show": "all"}, {"old", "critical", "decided"}),
        ("security", {"show": "all"}, {"old", "critical", "decided", "foreign"}),
        ("lead", {"yours": "decide"}, {"old"}),
        ("security", {"yours": "review"}, {"critical"}),
        ("lead", {"state": "approved"}, {"decided"}),
        ("lead", {"state__exact": "approved"}, {"decided"}),
        ("lead", {"risk__exact": "critical", "show": "all"}, {"critical"}),
        ("security", {"account__environment__exact": "production", "show": "all"}, {"foreign"}),
        ("lead", {"age": "3d"}, {"old"}),
        ("lead", {"age": "7d"}, set()),
        ("lead", {"q": "yearly"}, {"old"}),
        ("lead", {"q": "tickets.example.com/77"}, {"old"}),
        ("lead", {"q": "foreign", "show": "all"}, set()),
        ("lead", {"q": "Colleague", "show": "all"}, {"critical"}),
    ],
)
def test_it_filters_and_searches(cast, requests, role, wanted, names):
    assert listed(cast, role, **wanted) == names


def test_it_filters_by_team_and_account(cast, requests):
    assert listed(cast, "security", show="all", team=cast.other_team.pk) == {"foreign"}
    assert listed(cast, "security", show="all", account=cast.account.sid) == {"old", "critical", "decided"}


def test_a_lead_filters_by_nothing_of_other_teams(cast, requests):
    everything = {"old", "critical", "decided"}
    assert listed(cast, "lead", show="all", team=cast.other_team.pk) == everything
    assert listed(cast, "lead", show="all", account=cast.other_account.sid) == everything
    page = cast.client("lead").get(LIST, {"show": "all"}).content.decode()
    assert cast.other_team.name not in page
    assert cast.other_account.sid not in page


@pytest.mark.parametrize("value", ["x", "9" * 40, "-1", "é"])
@pytest.mark.parametrize("name", ["show", "yours", "team", "account", "age", "q", "p", "o", "after", "state__exact"])
def test_nonsense_is_answered_and_shows_nothing_more(cast, requests, name, value):
    answer = cast.client("lead").get(LIST, {name: value})
    assert answer.status_code in (200, 302, 404)
    assert "foreign" not in answer.content.decode()


@pytest.mark.parametrize(
    "lookup", ["requester__password__startswith", "account__credential_ciphertext__contains", "policy_json__contains"]
)
def test_it_takes_no_other_lookups(cast, requests, lookup):
    for value in ("a", "zzz"):
        assert listed(cast, "lead", **{lookup: value}) == {"old"}


def test_each_row_leads_to_its_request_and_the_filters_go_along(cast, requests):
    old, lead = KeyRequest.objects.get(friendly_name="old"), cast.client("lead")
    assert f'href="{LIST}{old.pk}/change/"' in lead.get(LIST).content.decode()
    page = lead.get(LIST, {"age": "1d"}).content.decode()
    assert f'href="{LIST}{old.pk}/change/?_changelist_filters=age%3D1d"' in page


def test_what_is_ticked_leads_to_every_policy_without_a_script(cast, requests):
    """The list, the page of several and one press: three loads for up to twenty."""
    lead, second = cast.client("lead"), cast.ask(friendly_name="second")
    page = lead.get(LIST)
    form = next(form for form in forms_of(page) if form.action.endswith("/several/"))
    assert form.method == "get"
    boxes = re.findall(r'name="id" value="([^"]+)"', page.content.decode())
    assert str(second.pk) in boxes and len(boxes) == 2
    several = lead.get(form.action, {"id": boxes})
    approve = next(form for form in forms_of(several) if "approve" in form.fields)
    assert sorted(approve.fields["approve"]) == sorted(boxes)
    assert "You approved “second”." in text_of(lead.post(form.action, approve.sent(), follow=True))
    assert 'name="id"' not in lead.get(LIST, {"show": "all"}).content.decode()


def test_it_says_when_nothing_waits(cast):
    assert "Nothing waits for you." in text_of(cast.client("lead").get(LIST))
