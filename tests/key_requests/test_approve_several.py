"""Approving several requests of low risk on one page that shows every policy."""

import uuid

import pytest

from keys_app.key_requests.decision_models import Approval
from keys_app.organisation.models import Account
from tests.cast import MAKE_KEYS, READ_MESSAGES, READ_USAGE, text_of
from tests.forms import forms_of

LIST = "/admin/keys_app/keyrequest/"
SEVERAL = f"{LIST}several/"
BOTH = [*READ_USAGE, "/twilio/messaging/services/read"]


def page_of(cast, role, *requests):
    return cast.client(role).get(SEVERAL, {"id": [str(item.pk) for item in requests]})


def press(cast, role, *requests, digests=None):
    """Send the page's form with all of these ticked, and return the list page that follows."""
    shown = {f"digest-{item.pk}": (digests or {}).get(item.pk, item.content_digest) for item in requests}
    return cast.client(role).post(SEVERAL, {"approve": [str(item.pk) for item in requests], **shown}, follow=True)


def states(*requests):
    for item in requests:
        item.refresh_from_db()
    return [item.state for item in requests]


def test_it_lists_every_policy_and_approves_each_by_itself(cast, actions):
    first, second = cast.ask(friendly_name="first", permissions=BOTH), cast.ask(friendly_name="second")
    chosen = {"action": "approve_several", "_selected_action": [str(first.pk), str(second.pk)]}
    page = cast.client("lead").post(LIST, chosen, follow=True)
    assert page.redirect_chain[0][0].startswith(SEVERAL)
    for text in ("first", "second", *BOTH):
        assert text in text_of(page)
    answer = press(cast, "lead", first, second)
    assert "You approved “first”." in text_of(answer)
    assert states(first, second) == ["approved", "approved"]
    for item in (first, second):
        assert actions(item.pk) == ["request.created", "request.approved"]
        assert item.approvals.get().content_digest == item.content_digest


def test_it_leads_back_to_the_list_as_it_was_filtered(cast):
    client, first, second = cast.client("lead"), cast.ask(friendly_name="first"), cast.ask(friendly_name="second")
    filtered = f"{LIST}?risk=low&sort=newest"
    [form] = [form for form in forms_of(client.get(filtered)) if form.action == SEVERAL]
    page = client.get(SEVERAL, form.sent(id=[str(first.pk), str(second.pk)]))
    assert f'<a href="{filtered.replace("&", "&amp;")}">Approvals</a>' in page.content.decode()
    address = page.wsgi_request.get_full_path()
    ticked = {"approve": str(first.pk), f"digest-{first.pk}": first.content_digest}
    assert client.post(address, ticked)["Location"] == filtered
    chosen = {"action": "approve_several", "_selected_action": [str(second.pk)]}
    assert "_changelist_filters=risk%3Dlow" in client.post(f"{LIST}?risk=low", chosen)["Location"]


def test_it_tells_a_name_the_team_has_already(cast):
    one, other = cast.ask(friendly_name="twin"), cast.ask("colleague", friendly_name="Twin")
    assert text_of(page_of(cast, "lead", one, other)).count("The team has this name on this account already") == 2
    other = cast.ask(friendly_name="alone")
    assert "has this name" not in text_of(page_of(cast, "lead", other))


@pytest.mark.parametrize("ticked", ["1", "' OR 1=1", "\0", "x" * 36])
def test_it_refuses_with_words_what_is_no_request(cast, ticked):
    request = cast.ask()
    chosen = {"action": "approve_several", "_selected_action": [str(request.pk), ticked], "index": "0"}
    page = cast.client("lead").post(LIST, chosen, follow=True)
    assert (page.status_code, page.redirect_chain) == (200, [(LIST, 302)])
    assert "What was ticked can’t be read, so nothing was done." in text_of(page)


@pytest.mark.parametrize("permissions", [READ_MESSAGES, MAKE_KEYS, ["/twilio/messaging/messages/create"]])
def test_it_leaves_out_what_is_not_low_risk(cast, permissions):
    low, risky = cast.ask(), cast.ask(friendly_name="risky", permissions=permissions)
    page = page_of(cast, "lead", low, risky)
    assert "risk: decide it on its own page." in text_of(page)
    assert f'value="{risky.pk}"' not in page.content.decode()
    answer = press(cast, "lead", low, risky)
    assert "“risky” was not approved: Only requests of low risk are approved together." in text_of(answer)
    assert states(low, risky) == ["approved", "pending"]


def test_it_leaves_out_ones_own_and_what_is_decided(cast):
    own, decided, open_one = cast.ask("lead"), cast.approved(), cast.ask()
    page = text_of(page_of(cast, "lead", own, decided, open_one))
    assert "This is your own request" in page
    assert "There is nothing to decide" in page
    answer = text_of(press(cast, "lead", own, decided, open_one))
    assert answer.count("was not approved") == 2
    assert states(own, decided, open_one) == ["pending", "approved", "approved"]
    assert decided.approvals.count() == 1


def test_it_does_not_approve_one_that_changed_meanwhile_and_says_so(cast):
    Account.objects.update(leads_required=2)
    changed, same = cast.ask(permissions=BOTH, friendly_name="changed"), cast.ask(friendly_name="same")
    shown = changed.content_digest
    assert cast.narrow("colead", changed, READ_USAGE).status_code == 302
    answer = text_of(press(cast, "lead", changed, same, digests={changed.pk: shown}))
    assert "“changed” was not approved: The request is not what this page showed" in answer
    assert "Colead Person (colead) took away /twilio/messaging/services/read." in answer
    assert "You approved “same”." in answer
    assert (changed.approvals.count(), same.approvals.count()) == (1, 1)


def test_it_shows_and_approves_nothing_of_other_teams(cast):
    foreign = cast.ask("engineer2", account=cast.other_account.sid, friendly_name="foreign")
    assert "foreign" not in text_of(page_of(cast, "lead", foreign))
    answer = text_of(press(cast, "lead", foreign))
    assert "foreign" not in answer
    assert "Nothing was ticked, so nothing was approved." in answer
    assert states(foreign) == ["pending"]


@pytest.mark.parametrize("wrong", ["", "x", "0", "9" * 200, "é\0", str(uuid.UUID(int=0)), "{" * 40])
def test_nonsense_is_nothing(cast, wrong):
    key_request = cast.ask()
    client = cast.client("lead")
    page = client.get(SEVERAL, {"id": [wrong, str(key_request.pk)]})
    assert page.status_code == (400 if "\0" in wrong else 200)
    answer = client.post(SEVERAL, {"approve": [wrong], "digest-x": "x"}, follow=True)
    assert "Nothing was ticked" in text_of(answer)
    assert states(key_request) == ["pending"]


@pytest.mark.parametrize("digest", ["", "0" * 64, "é"])
def test_a_wrong_digest_approves_nothing(cast, digest):
    key_request = cast.ask()
    assert "not what this page showed" in text_of(press(cast, "lead", key_request, digests={key_request.pk: digest}))
    assert states(key_request) == ["pending"]
    assert not Approval.objects.exists()


def test_what_is_ticked_twice_is_approved_once(cast, actions):
    key_request = cast.ask()
    press(cast, "lead", key_request, key_request)
    assert states(key_request) == ["approved"]
    assert actions(key_request.pk).count("request.approved") == 1


def test_it_counts_as_one_of_two_where_two_are_required(cast):
    Account.objects.update(leads_required=2)
    key_request = cast.ask()
    press(cast, "lead", key_request)
    assert states(key_request) == ["pending"]
    press(cast, "colead", key_request)
    assert states(key_request) == ["approved"]


@pytest.mark.parametrize("role", ["engineer", "stranger", "admin"])
def test_it_is_closed_to_people_who_do_not_decide(cast, role):
    key_request = cast.ask()
    shown = page_of(cast, role, key_request)
    assert shown.status_code == (403 if role == "admin" else 302)
    assert "usage-report" not in shown.content.decode()
    press(cast, role, key_request)
    assert states(key_request) == ["pending"]
