"""`PORTAL_LIMITS`: how often within an hour a user may do what costs others work or makes keys."""

import re
from datetime import timedelta

import pytest
from django.db.models import F

from keys_app.audit.ledger import matching
from keys_app.core.actor import Actor
from keys_app.key_requests.decision_models import Comment
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.users.limits import count
from keys_app.users.models import LimitedUse
from tests.cast import secret_in, text_of
from tests.key_requests.test_decision_races import at_once

HTMX = {"HX-Request": "true"}
PASTED = "curl https://api.twilio.com/2010-04-01/Accounts/AC/Usage/Records.json"
MOST = 2


@pytest.fixture(autouse=True)
def limits(settings):
    """Two of each within an hour."""
    settings.LIMITS = dict.fromkeys(settings.LIMITS, MOST)
    return settings


def at_the_limit(cast, kind, role="engineer"):
    """Let a user have done all they may of a kind, an instant ago."""
    for _ in range(MOST):
        count(kind, Actor.of(cast.user(role)))


def time_passes(**span):
    LimitedUse.objects.update(at=F("at") - timedelta(**span))


def says_when(answer, kind):
    assert answer.status_code == 429
    assert re.search(rf"The limit of 2 {kind} an hour is reached. Try again in (1 hour|5\d minutes)", text_of(answer))
    return 3000 <= int(answer["Retry-After"]) <= 3600  # however slow the machine is


def one_event(kind, name="Engineer Person"):
    (event,) = matching(action="user.turned_away")
    return (event.actor_name, event.details) == (name, {"limit": kind, "most": MOST})


def ask(cast, role="engineer", **changes):
    return cast.client(role).post("/requests/new/", cast.form(**changes))


def test_requests_are_limited_and_what_was_typed_is_kept(cast):
    """One engineer sent 60 requests in 4 seconds and queued 100 mails to one lead."""
    purpose = "What I have written for half an hour."
    statuses = [ask(cast).status_code for _ in range(10)]
    assert statuses == [302] * MOST + [429] * 8
    answer = ask(cast, purpose=purpose, friendly_name="kept")
    assert says_when(answer, "new requests")
    page = answer.content.decode()
    assert purpose in page
    assert 'value="kept"' in page
    assert answer.context["selected_count"] == 1
    assert KeyRequest.objects.count() == MOST
    assert len(matching(action="request.created")) == MOST
    assert one_event("requests")
    assert ask(cast, "colleague").status_code == 302


def test_a_second_press_at_the_limit_leads_to_what_the_first_made(cast):
    count("requests", Actor.of(cast.user("engineer")))
    client, form = cast.client("engineer"), cast.form(once="token-of-this-form")
    first, second = client.post("/requests/new/", form), client.post("/requests/new/", form)
    assert (first.status_code, second.status_code) == (302, 302)
    assert first["Location"].partition("?")[0] == second["Location"].partition("?")[0]
    assert KeyRequest.objects.count() == 1
    assert not matching(action="user.turned_away")
    assert says_when(client.post("/requests/new/", cast.form(once="token-of-another")), "new requests")


def test_copies_and_changes_of_a_key_are_new_requests(cast):
    key_request, _ = cast.issued()
    copy = cast.client("engineer").get(f"/requests/new/?copy={key_request.pk}")
    assert copy.status_code == 200
    assert ask(cast).status_code == 302
    assert ask(cast, changes_key=key_request.keys.get().pk).status_code == 429


def test_an_hour_later_there_are_more(cast):
    cast.ask()
    time_passes(minutes=30)
    cast.ask()
    assert ask(cast).status_code == 429
    time_passes(minutes=30)
    assert [ask(cast).status_code for _ in range(2)] == [302, 429]


def test_what_is_refused_for_another_reason_does_not_count(cast):
    assert {ask(cast, purpose="").status_code for _ in range(5)} == {422}
    assert ask(cast).status_code == 302


def test_comments_are_limited(cast):
    key_request = cast.ask()
    url = f"/requests/{key_request.pk}/comment/"
    client = cast.client("engineer")
    assert [client.post(url, {"comment": "Why?"}).status_code for _ in range(4)] == [302, 302, 429, 429]
    answer = client.post(url, {"comment": "A long answer."})
    assert says_when(answer, "comments and reminders")
    assert "A long answer.</textarea>" in answer.content.decode()
    assert Comment.objects.count() == MOST
    assert one_event("comments")


def test_so_are_the_questions_of_those_who_decide(cast):
    key_request = cast.ask()
    at_the_limit(cast, "comments", "lead")
    answer = cast.decide("lead", key_request, "ask", question="What for, in detail?")
    assert says_when(answer, "comments and reminders")
    assert "What for, in detail?</textarea>" in answer.content.decode()
    assert not Comment.objects.exists()
    assert cast.decide("colead", key_request, "ask", question="What for?").status_code == 302


DOWNLOADS = {
    "CSV": "/audit/export.csv?q=action:request.created",
    "JSON Lines": "/audit/export.jsonl?q=action:request.created",
    "OCSF": "/audit/export.ocsf.jsonl?q=action:request.created",
    "a person": "/audit/reports/about.jsonl?person=engineer",
}


@pytest.mark.parametrize("url", DOWNLOADS.values(), ids=DOWNLOADS)
def test_downloads_of_the_audit_are_limited(cast, url):
    cast.ask()
    client = cast.client("security")
    for other in list(DOWNLOADS.values())[:MOST]:
        assert client.get(other).status_code == 200
    answer = client.get(url)
    assert says_when(answer, "downloads of the audit")
    assert "Content-Disposition" not in answer
    assert 'value="engineer"' in answer.content.decode() or "?q=action:request.created" in answer.content.decode()
    assert len(matching(action="audit.exported")) == MOST
    assert client.get(url).status_code == 429
    assert one_event("exports", "Security Person")


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "page"])
def test_pastes_are_limited_at_their_place(cast, headers):
    client = cast.client("engineer")
    posted = cast.form(paste_only="1", paste=PASTED)
    for _ in range(MOST):
        assert "Needs these permissions" in client.post("/requests/new/", posted, headers=headers).content.decode()
    answer = client.post("/requests/new/", posted, headers=headers)
    assert says_when(answer, "pastes")
    page = answer.content.decode()
    assert "Needs these permissions" not in page
    if headers:
        assert page.strip().startswith('<div class="stack" data-part="paste">')
    else:
        assert f"{PASTED}</textarea>" in page
        assert "A monthly report.</textarea>" in page
    client.post("/requests/new/", posted, headers=headers)
    assert one_event("pastes")
    assert not [row for row in LimitedUse.objects.values() if "curl" in str(row)]


def test_other_ways_to_choose_are_no_pastes(cast):
    at_the_limit(cast, "pastes")
    posted = cast.form(search_only="1", search="messages", paste=PASTED)
    assert cast.client("engineer").post("/requests/new/", posted).status_code == 200


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "page"])
def test_issuing_is_limited_before_anything_is_begun(cast, standin, headers):
    key_request = cast.approved()
    at_the_limit(cast, "issues")
    for _ in range(3):
        answer = cast.issue(key_request, headers=headers)
        assert says_when(answer, "keys issued, rotated or replaced")
        assert answer.content.decode().strip().startswith("<dialog") is bool(headers)
    key_request.refresh_from_db()
    assert key_request.state == "approved"
    assert not Issuance.objects.exists()
    assert not matching(action="key.issue_started")
    assert one_event("issues")
    time_passes(hours=1)
    assert secret_in(cast.issue(key_request))


def test_rotating_and_replacing_are_limited_too(cast):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    time_passes(hours=1)
    at_the_limit(cast, "issues")
    client = cast.client("engineer")
    answer = client.post(f"/keys/{key.pk}/rotate/", {"overlap_hours": "72"})
    assert says_when(answer, "keys issued, rotated or replaced")
    assert '<option value="72" selected>' in answer.content.decode()
    assert client.post(f"/keys/{key.pk}/rotate/", {"overlap_hours": "72"}, headers=HTMX).status_code == 429
    assert client.post(f"/keys/{key.pk}/replace/").status_code == 429
    assert list(ApiKey.objects.values_list("state", flat=True)) == ["active"]
    assert Issuance.objects.count() == 1
    assert one_event("issues")
    time_passes(hours=1)
    assert secret_in(client.post(f"/keys/{key.pk}/rotate/", {"overlap_hours": "72"}))


def test_a_press_on_what_is_done_does_not_count(cast):
    key_request, _ = cast.issued()
    assert {cast.issue(key_request).status_code for _ in range(5)} == {409}
    assert LimitedUse.objects.count() == 2  # its request, its key


def test_each_limit_has_an_event_of_its_own(cast):
    at_the_limit(cast, "requests")
    at_the_limit(cast, "pastes")
    for _ in range(2):
        ask(cast)
        cast.client("engineer").post("/requests/new/", cast.form(paste_only="1", paste=PASTED))
    events = matching(action="user.turned_away").order_by("sequence")
    assert [event.details["limit"] for event in events] == ["requests", "pastes"]


def test_a_limit_of_none_is_none(cast, settings):
    settings.LIMITS = {**settings.LIMITS, "requests": 0}
    assert {ask(cast).status_code for _ in range(5)} == {302}
    at_the_limit(cast, "issues")
    assert cast.issue(cast.approved("colleague"), "colleague").status_code == 200


def test_of_many_at_once_no_more_are_done(live_cast):
    """Each with a connection of its own."""
    ask(live_cast)
    clients = [live_cast.client("engineer") for _ in range(4)]
    answers = at_once(*[lambda c=client: c.post("/requests/new/", live_cast.form()).status_code for client in clients])
    assert sorted(answers) == [302, 429, 429, 429]
    assert KeyRequest.objects.count() == MOST
    assert len(matching(action="user.turned_away")) == 1
