"""The approver's list: its filters, search and the lookups it takes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import Account
from tests.cast import MAKE_KEYS

LIST = "/admin/keys_app/keyrequest/"


def listed(cast, role, **wanted):
    answer = cast.client(role).get(LIST, wanted)
    assert answer.status_code == 200, wanted
    return {item.friendly_name for item in answer.context["cl"].result_list}


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
        ("lead", {}, {"old", "critical", "decided"}),
        ("security", {}, {"old", "critical", "decided", "foreign"}),
        ("lead", {"yours": "decide"}, {"old"}),
        ("security", {"yours": "decide"}, {"critical"}),
        ("lead", {"yours": "review"}, set()),
        ("lead", {"state__exact": "approved"}, {"decided"}),
        ("lead", {"risk__exact": "critical"}, {"critical"}),
        ("security", {"account__environment__exact": "production"}, {"foreign"}),
        ("lead", {"age": "3"}, {"old"}),
        ("lead", {"age": "7"}, set()),
        ("lead", {"q": "yearly"}, {"old"}),
        ("lead", {"q": "tickets.example.com/77"}, {"old"}),
        ("lead", {"q": "foreign"}, set()),
        ("lead", {"q": "Colleague"}, {"critical"}),
    ],
)
def test_it_filters_and_searches(cast, requests, role, wanted, names):
    assert listed(cast, role, **wanted) == names


def test_it_filters_by_team_and_account(cast, requests):
    assert listed(cast, "security", team=cast.other_team.pk) == {"foreign"}
    assert listed(cast, "security", account=cast.account.sid) == {"old", "critical", "decided"}


def test_a_lead_filters_by_nothing_of_other_teams(cast, requests):
    everything = {"old", "critical", "decided"}
    assert listed(cast, "lead", team=cast.other_team.pk) == everything
    assert listed(cast, "lead", account=cast.other_account.sid) == everything
    page = cast.client("lead").get(LIST).content.decode()
    assert cast.other_team.name not in page
    assert cast.other_account.sid not in page


@pytest.mark.parametrize("value", ["x", "9" * 40, "-1", "é"])
@pytest.mark.parametrize("name", ["yours", "team", "account", "age", "q", "p", "o"])
def test_nonsense_is_answered_and_shows_nothing_more(cast, requests, name, value):
    answer = cast.client("lead").get(LIST, {name: value})
    assert answer.status_code in (200, 302, 400)
    assert "foreign" not in answer.content.decode()


@pytest.mark.parametrize(
    "lookup", ["requester__password__startswith", "account__credential_ciphertext__contains", "policy_json__contains"]
)
def test_it_takes_no_other_lookups(cast, requests, lookup):
    assert cast.client("lead").get(LIST, {lookup: "a"}).status_code == 400
