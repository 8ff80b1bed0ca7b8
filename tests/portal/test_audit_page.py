"""The audit table: for Security, newest first, with what matters in it."""

import pytest

from keys_app.audit import ledger
from tests.cast import READ_MESSAGES, text_of


@pytest.mark.parametrize(
    ("role", "status"), [("security", 200), ("engineer", 403), ("lead", 403), ("admin", 403), ("stranger", 403)]
)
def test_it_is_for_security_only(cast, role, status):
    cast.ask()
    assert cast.client(role).get("/audit/").status_code == status


def test_it_shows_sid_creator_account_policy_action_and_time_newest_first(cast):
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    key = key_request.keys.get()
    answer = cast.client("security").get("/audit/")
    page = text_of(answer)
    for shown in (key.sid, "Engineer Person", cast.account.sid, *READ_MESSAGES, "key.issued", f"{key.issued_at:%H:%M}"):
        assert shown in page
    numbers = [event.sequence for event in answer.context["events"]]
    assert numbers == sorted(numbers, reverse=True)
    assert page.index("key.issued") < page.index("request.created")


def test_it_filters_and_keeps_the_filter_in_the_address(cast):
    cast.issued()
    client = cast.client("security")
    found = client.get("/audit/", {"action": "request.approved", "actor": "Lead Person"}).context["events"]
    assert [event.action for event in found] == ["request.approved"]
    assert client.get("/audit/", {"account": cast.other_account.sid}).context["events"] == []


@pytest.mark.parametrize("query", ["before=x", "before=-1", "before=" + "9" * 30, "actor=" + "x" * 5000])
def test_it_takes_nonsense_in_every_filter(cast, query):
    cast.ask()
    assert cast.client("security").get("/audit/?" + query).status_code == 200


def test_it_pages_through_every_event_once(cast):
    from django.db import transaction

    with transaction.atomic():
        for number in range(230):
            ledger.append(ledger.Entry(action="test.event", actor_name="a test", details={"number": number}))
    client, url, seen = cast.client("security"), "/audit/", []
    while url:
        answer = client.get(url)
        seen += [event.sequence for event in answer.context["events"]]
        url = answer.context["next_url"] and "/audit/" + answer.context["next_url"]
    assert seen == list(range(230, 0, -1))
