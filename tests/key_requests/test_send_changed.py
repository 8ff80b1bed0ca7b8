"""A request that came to no key is sent again, changed: with what was typed and why it came to none at hand."""

import pytest

from keys_app.key_requests.models import KeyRequest
from tests.cast import READ_MESSAGES, text_of

OFFER = "Send a changed request"
ENDED = {
    "rejected": "Lead Person (lead) rejected it: “Ask for less.”",
    "cancelled": "You cancelled it.",
    "lapsed": "It was not decided, or its approval not used, in time.",
    "failed": "Twilio refused to make this key",
}


def ended(cast, state):
    asked = {"permissions": READ_MESSAGES, "purpose": "The monthly report.", "lifetime_days": "20"}
    send = cast.approved if state == "failed" else cast.ask
    key_request = send(**asked, ticket_url="https://tickets.example.test/7")
    if state == "rejected":
        cast.decide("lead", key_request, "reject", "Ask for less.")
    elif state == "cancelled":
        cast.client("engineer").post(f"/requests/{key_request.pk}/cancel/")
    else:
        KeyRequest.objects.update(state=state)
    return key_request


@pytest.mark.parametrize("state", ENDED)
def test_its_page_leads_to_the_form_with_all_of_it_and_why(cast, state):
    key_request = ended(cast, state)
    engineer, link = cast.client("engineer"), f"/requests/new/?copy={key_request.pk}"
    page = engineer.get(f"/requests/{key_request.pk}/")
    assert OFFER in text_of(page) and f'href="{link}"' in page.content.decode()
    form = engineer.get(link)
    html = form.content.decode()
    assert ENDED[state] in text_of(form)
    assert "The monthly report.</textarea>" in html
    for value in ("usage-report", "20", "https://tickets.example.test/7", str(key_request.pk)):
        assert f'value="{value}"' in html
    assert all(f'value="{name}"' in html for name in READ_MESSAGES)


def test_the_reason_stays_at_hand_when_the_form_is_refused(cast):
    key_request = ended(cast, "rejected")
    form = cast.form(purpose="", copy=str(key_request.pk))
    answer = cast.client("engineer").post("/requests/new/", form)
    assert answer.status_code == 422
    assert ENDED["rejected"] in text_of(answer)
    for wrong in ("", "x", "00000000-0000-4000-8000-000000000000"):
        assert cast.client("engineer").post("/requests/new/", {**form, "copy": wrong}).status_code == 422


def test_an_open_or_issued_request_offers_it_not(cast):
    issued = cast.issued()[0]
    for key_request in (issued, cast.ask(friendly_name="open"), cast.approved(friendly_name="approved")):
        assert OFFER not in text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))


def test_another_user_gets_the_policy_and_not_the_words(cast):
    """A teammate may start from the policy; why it was rejected was said to the requester."""
    key_request = ended(cast, "rejected")
    assert OFFER not in text_of(cast.client("lead").get(f"/requests/{key_request.pk}/"))
    form = cast.client("colleague").get(f"/requests/new/?copy={key_request.pk}")
    assert "Ask for less." not in text_of(form)
    assert "The monthly report." not in text_of(form)


def test_a_changed_change_still_changes_the_key(cast):
    sid = cast.issued()[0].keys.get().sid
    change = cast.ask(changes_key=sid, friendly_name="more")
    cast.decide("lead", change, "reject", "Ask for less.")
    form = cast.client("engineer").get(f"/requests/new/?copy={change.pk}")
    assert f'name="changes_key" value="{sid}"' in form.content.decode()
    assert "Ask for less." in text_of(form)
