"""Asking for a key: what is taken, and what each bad field gets."""

import re

import pytest

from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import TeamMembership
from keys_app.permissions.catalogue import catalogue
from tests.cast import OTHER_ACCOUNT, READ_MESSAGES, text_of

EXPLICIT = [item.name for item in catalogue() if item.action != "*"]


def test_it_redirects_to_the_page_of_the_new_request(cast):
    answer = cast.client("engineer").post("/requests/new/", cast.form())
    created = KeyRequest.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/requests/{created.pk}/"
    assert (created.state, created.risk, created.team) == ("pending", "low", cast.team)


def test_it_stores_wildcards_as_sorted_explicit_actions(cast):
    created = cast.ask(permissions=["/twilio/voice/calls/*", "/twilio/billing/usage/read"])
    calls = [f"/twilio/voice/calls/{action}" for action in ("create", "delete", "list", "read", "update")]
    assert list(created.policy) == ["/twilio/billing/usage/read", *calls]
    assert created.risk == "high"


@pytest.mark.parametrize("count", [1, 100])
def test_it_takes_1_to_100_permissions(cast, count):
    assert len(cast.ask(permissions=EXPLICIT[:count]).policy) == count


BAD = {
    "unknown permission": ({"permissions": ["/twilio/messaging/mesages/read"]}, "is not in the catalogue"),
    "malformed permission": ({"permissions": ["drop table"]}, "is not a permission"),
    "wrong case": ({"permissions": ["/twilio/Messaging/messages/read"]}, "is not a permission"),
    "look-alike": ({"permissions": ["/twilio/messaging/m\u0435ssages/read"]}, "is not a permission"),
    "wildcard above a resource": ({"permissions": ["/twilio/messaging/*"]}, "is not a permission"),
    "no permission": ({"permissions": []}, "Choose at least one permission"),
    "101 permissions": ({"permissions": EXPLICIT[:101]}, "101 permissions are chosen"),
    "very many permissions": ({"permissions": ["x"] * 700}, "700 permissions were sent"),
    "no account": ({"account": ""}, "Choose a Twilio account"),
    "account of another team": ({"account": OTHER_ACCOUNT}, "Choose one of your teams' accounts"),
    "account nobody has": ({"account": "AC1"}, "Choose one of your teams' accounts"),
    "no name": ({"friendly_name": " "}, "Give the key a name"),
    "name too long with the marker": (
        {"friendly_name": "n" * 47},
        "The name has 47 characters; at most 46 fit",
    ),
    "name of two lines": ({"friendly_name": "one\ntwo"}, "one line of visible characters"),
    "name that reads backwards": ({"friendly_name": "abc\u202edef"}, "U+202E (right-to-left override), after “abc”"),
    "name with a blank letter": ({"friendly_name": "report\u3164"}, "U+3164 (hangul filler), after “report”"),
    "name with another space": ({"friendly_name": "usage\u3000report"}, "U+3000 (ideographic space)"),
    "name too long as Twilio counts": ({"friendly_name": "\U0001f511" * 24}, "has 48 characters as Twilio counts them"),
    "purpose that reads backwards": ({"purpose": "abc\u202edef"}, "cannot be seen"),
    "name with a marker": ({"friendly_name": "x [kp:AAAAAAAAAAAA]"}, "is reserved"),
    "no purpose": ({"purpose": ""}, "Say what the key is for"),
    "purpose too long": ({"purpose": "p" * 2001}, "has 2001 characters; at most 2000"),
    "ticket that is no address": ({"ticket_url": "not an address"}, "Enter a whole address"),
    "ticket that is a script": ({"ticket_url": "javascript:alert(1)"}, "Enter a whole address"),
    "no lifetime": ({"lifetime_days": ""}, "Enter a lifetime in days"),
    "lifetime of nothing": ({"lifetime_days": "0"}, "Minimum lifetime: 1 day"),
    "lifetime of over a year": ({"lifetime_days": "366"}, "Maximum lifetime: 365 days"),
    "lifetime that is no number": ({"lifetime_days": "9O"}, "Enter a whole number of days"),
    "huge lifetime": ({"lifetime_days": "9" * 5000}, "whole number of days"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_it_refuses_at_the_field_and_keeps_everything_typed(cast, changes, message):
    posted = cast.form(**{"purpose": "Kept as typed.", "permissions": READ_MESSAGES, **changes})
    answer = cast.client("engineer").post("/requests/new/", posted)
    body = answer.content.decode()
    field = next(iter(changes))
    assert answer.status_code == 422
    assert message in text_of(answer)
    assert answer.context["form"].errors.keys() == {field}
    assert f'id="{"permissions" if field == "permissions" else "id_" + field}_error"' in body
    if field != "purpose":
        assert "Kept as typed." in body
    if field != "permissions":
        assert all(f'value="{name}"' in body for name in READ_MESSAGES)
        assert set(ticked(body)) == set(READ_MESSAGES)
    elif len(changes["permissions"]) < 200:
        assert set(ticked(body)) >= set(changes["permissions"])
    assert not KeyRequest.objects.exists()


def ticked(body: str) -> list[str]:
    """Return the permissions a page shows as chosen, unknown ones included."""
    from html.parser import HTMLParser

    found = []

    class Boxes(HTMLParser):
        def handle_starttag(self, tag, attributes):
            given = dict(attributes)
            if given.get("name") == "permissions" and "checked" in given:
                found.append(given["value"])

    Boxes().feed(body)
    return found


def test_it_names_the_nearest_permissions(cast):
    answer = cast.client("engineer").post("/requests/new/", cast.form(permissions=["/twilio/messaging/message/raed"]))
    assert "Nearest: /twilio/messaging/messages/read" in text_of(answer)


def test_it_holds_the_teams_own_limit_on_the_lifetime(cast):
    cast.team.max_lifetime_days = 30
    cast.team.save()
    refused = cast.client("engineer").post("/requests/new/", cast.form(lifetime_days="31"))
    assert "Maximum lifetime in team Payments: 30 days" in text_of(refused)
    assert cast.ask(lifetime_days="30").lifetime_days == 30


def test_it_asks_for_the_team_only_where_the_account_has_two_of_ones_teams(cast):
    client = cast.client("engineer")
    assert 'name="team"' not in client.get("/requests/new/").content.decode()
    TeamMembership.objects.create(team=cast.other_team, user=cast.people["engineer"])
    cast.account.teams.add(cast.other_team)
    client = cast.client("engineer")
    assert 'name="team"' in client.get("/requests/new/").content.decode()
    refused = client.post("/requests/new/", cast.form())
    assert "more than one of your teams" in text_of(refused)
    foreign = client.post("/requests/new/", cast.form(team="999"))
    assert "Choose one of your teams" in text_of(foreign)
    assert cast.ask(team=str(cast.other_team.pk)).team == cast.other_team


@pytest.mark.parametrize("role", ["security", "admin", "stranger"])
def test_it_offers_no_account_to_people_who_may_not_request(cast, role):
    TeamMembership.objects.create(team=cast.team, user=cast.people[role], is_lead=True)
    answer = cast.client(role).post("/requests/new/", cast.form())
    assert answer.status_code == 422
    assert cast.account.name not in text_of(answer)
    assert not KeyRequest.objects.exists()


def test_it_offers_no_account_that_is_switched_off(cast):
    cast.account.is_active = False
    cast.account.save()
    answer = cast.client("engineer").post("/requests/new/", cast.form())
    assert "Choose one of your teams' accounts" in text_of(answer)


def test_it_searches_without_javascript_and_keeps_what_was_typed(cast):
    posted = cast.form(search="phone call", search_only="1", friendly_name="", permissions=READ_MESSAGES)
    answer = cast.client("engineer").post("/requests/new/", posted)
    body = answer.content.decode()
    assert answer.status_code == 200
    assert "/twilio/voice/calls/list" in body
    assert "/twilio/verify/service/list" not in body
    assert set(ticked(body)) == set(READ_MESSAGES)
    assert "A monthly report." in body
    assert answer.context["form"].errors == {}


def _said_of(answer, product):
    """Return whether the page shows the answer on a product."""
    return any(tag.partition(">")[2].startswith(f"{product} (") for tag in answer.content.decode().split("<p "))


@pytest.mark.parametrize(("search", "product"), [("sync", "Sync"), ("functions", "Serverless"), ("Trust", "TrustHub")])
def test_a_search_for_a_product_without_permissions_says_which_kind_of_no_it_is(cast, search, product):
    answer = cast.client("engineer").post("/requests/new/", cast.form(search=search, search_only="1"))
    assert _said_of(answer, product)
    assert not _said_of(answer, "Notify")
    assert not _said_of(cast.client("engineer").get("/requests/new/"), product)


def test_the_form_says_where_a_key_works_and_that_it_signs_no_access_tokens(cast):
    text = text_of(cast.client("engineer").get("/requests/new/"))
    assert "on its own account and in the region US1 only" in text
    assert "can’t sign Access Tokens" in text
    assert "OAuth apps" in text


def test_its_summary_of_refusals_follows_the_page(cast):
    """From top to bottom, so that the first link leads to what is mended first."""
    cast.let_break_glass()
    wrong = {"account": "", "friendly_name": "", "lifetime_days": "x", "purpose": "", "ticket_url": "x",
             "incident": "x" * 200, "permissions": []}  # fmt: skip
    page = cast.client("engineer").post("/requests/new/", cast.form(**wrong)).content.decode()
    linked = re.findall(
        r'<a href="#([^"]+)">', page[page.index('id="error-summary"') : page.index('id="request-form"')]
    )
    assert len(linked) == len(wrong)
    places = [page.index(f'id="{name}"') for name in linked]
    assert places == sorted(places), linked
