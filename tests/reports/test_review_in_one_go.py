"""An access review without a page load for each key: many decisions in one form, or a row at a time by htmx."""

import re
import time

import pytest

from keys_app.audit.ledger import matching
from keys_app.keys.models import ApiKey
from keys_app.reports.models import AccessReview, ReviewedKey
from keys_app.views import lists, reviews
from tests.cast import text_of
from tests.forms import forms_of
from tests.users.stale import NOTED, stale

URL = "/reviews/2026-Q4/"
DECIDE = f"{URL}decide/"


@pytest.fixture
def review(cast):
    """Three keys of engineer and one of the lead, in an open review."""
    for name in ("first", "second", "third"):
        cast.issued(friendly_name=name)
    cast.issue(cast.approved("lead", by="colead", friendly_name="own"), "lead")
    assert cast.client("security").post("/reviews/", {"quarter": "2026-Q4"}).status_code == 302
    return AccessReview.objects.get()


def row(name):
    return next(one for one in ReviewedKey.objects.all() if one.key.name == name)


def form_of(answer):
    return next(form for form in forms_of(answer) if form.action.startswith(DECIDE))


def press(cast, role, client=None, url=URL, note="", shown=None, **chosen):
    """Choose on the page what `chosen` says, by the names of keys, and press Save decisions."""
    client = client or cast.client(role)
    form = form_of(shown or client.get(url))
    choices = {f"choice-{row(name).pk}": what for name, (what, _) in chosen.items()}
    notes = {f"note-{row(name).pk}": text for name, (_, text) in chosen.items()}
    return client.post(form.action, form.sent(note=note, **choices, **notes))


def htmx(cast, role, name, decision, note="", shown=None, client=None):
    client = client or cast.client(role)
    fields = (shown or form_of(client.get(URL))).fields
    pk = row(name).pk
    data = {"reviewed": pk, "decision": decision, f"note-{pk}": note, f"seen-{pk}": fields[f"seen-{pk}"][0]}
    return client.post(DECIDE, data, headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{URL}"})


def decisions():
    return {one.key.name: one.decision for one in ReviewedKey.objects.all()}


def test_one_press_saves_every_row_each_as_an_event_of_its_own(cast, review, actions):
    before = len(actions())
    chosen = {"first": ("kept", "Billed monthly."), "second": ("revoked", "Unused."), "third": ("revoked", "")}
    answer = press(cast, "lead", note="Nobody answered.", **chosen)
    assert (answer.status_code, answer["Location"]) == (302, URL)
    assert decisions() == {"first": "kept", "second": "revoked", "third": "revoked", "own": ""}
    assert [row(name).note for name in chosen] == ["Billed monthly.", "Unused.", "Nobody answered."]
    assert {row(name).key.state for name in ("second", "third")} == {"revoked"}
    new = actions()[before:]
    assert sorted(new) == sorted(
        ["access_review.kept", *["access_review.revoked", "key.revoke_started", "key.revoked"] * 2]
    )
    assert matching(action="key.revoked").count() == 2
    page = text_of(cast.client("lead").get(URL))
    assert "3 to decide" not in page and "1 to decide" in page


def test_it_says_how_many_are_saved_and_leaves_the_undecided(cast, review):
    client = cast.client("lead")
    press(cast, "lead", client, first=("kept", ""), second=("", "Asked the owner."))
    page = client.get(URL)
    assert "Saved: 1 kept." in text_of(page)
    assert {one.key.name for one in page.context["keys"]} == {"second", "third", "own"}


def test_nothing_chosen_is_said(cast, review, actions):
    client, before = cast.client("lead"), actions()
    assert press(cast, "lead", client).status_code == 302
    assert "Nothing was chosen, so nothing was saved." in text_of(client.get(URL))
    assert actions() == before


def test_what_is_wrong_stands_at_its_row_and_the_others_are_saved(cast, review):
    answer = press(cast, "lead", first=("kept", ""), second=("revoked", ""), third=("", "Later."))
    assert answer.status_code == 422
    assert decisions() == {"first": "kept", "second": "", "third": "", "own": ""}
    assert "Saved: 1 kept." in text_of(answer)
    assert [one.key.name for one in answer.context["wrong"]] == ["second"]
    assert re.search(rf'id="note-{row("second").pk}-error">Give a reason', answer.content.decode())
    again = form_of(answer)
    assert again.fields[f"choice-{row('second').pk}"] == ["revoked"]
    assert again.fields[f"note-{row('third').pk}"] == ["Later."]
    assert press(cast, "lead", shown=answer, second=("revoked", "Unused.")).status_code == 302
    assert decisions()["second"] == "revoked"


def test_a_key_revoked_meanwhile_is_told_at_its_row(cast, review):
    shown = cast.client("lead").get(URL)
    cast.client("engineer").post(f"/keys/{row('first').key_id}/revoke/", {"reason": "Leaked."})
    answer = press(cast, "lead", shown=shown, first=("kept", ""), second=("kept", ""))
    assert answer.status_code == 422
    assert "This key is revoked" in text_of(answer) and "Leaked." in text_of(answer)
    assert decisions() == {"first": "", "second": "kept", "third": "", "own": ""}


def test_what_another_decided_meanwhile_stands_and_is_told(cast, review, actions):
    shown = cast.client("lead").get(URL)
    press(cast, "colead", first=("kept", "Mine."))
    answer = press(cast, "lead", shown=shown, first=("revoked", "Unused."))
    assert answer.status_code == 422
    assert "Colead Person (colead) decided after you opened this page: kept, “Mine.”." in text_of(answer)
    assert (row("first").decision, row("first").key.state) == ("kept", "active")
    assert press(cast, "lead", shown=answer, first=("revoked", "Unused.")).status_code == 302
    assert row("first").decision == "revoked"


def test_pressing_twice_is_once(cast, review, actions):
    shown = cast.client("lead").get(URL)
    chosen = {"first": ("kept", "Needed."), "second": ("revoked", "Unused.")}
    assert press(cast, "lead", shown=shown, **chosen).status_code == 302
    before = actions()
    assert press(cast, "lead", shown=shown, **chosen).status_code == 302
    assert actions() == before


def test_a_review_closed_meanwhile_takes_none(cast, review, actions):
    shown = cast.client("lead").get(URL)
    cast.client("security").post(f"{URL}close/")
    before = actions()
    answer = press(cast, "lead", shown=shown, first=("kept", ""), second=("revoked", "Unused."))
    assert answer.status_code == 422
    assert text_of(answer).count("This review is closed") == 2
    assert actions() == before and row("second").key.state == "active"


def test_ones_own_key_and_other_teams_are_refused_among_the_others(cast, review):
    shown = form_of(cast.client("lead").get(URL))
    assert f"choice-{row('own').pk}" not in shown.fields
    sent = {f"choice-{row('own').pk}": "kept", f"choice-{row('first').pk}": "kept", "choice-999999": "kept"}
    answer = cast.client("lead").post(DECIDE, sent)
    assert answer.status_code == 422
    assert "This is your own key" in text_of(answer) and "1 decision not saved" in text_of(answer)
    assert decisions() == {"first": "kept", "second": "", "third": "", "own": ""}
    for role in ("lead2", "engineer"):
        assert cast.client(role).post(DECIDE, {f"choice-{row('second').pk}": "kept"}).status_code == 404
    assert decisions()["second"] == ""


@pytest.mark.parametrize("name", ["choice-", "choice-x", "choice-é", f"choice-{'9' * 40}", "choice--1"])
def test_nonsense_decides_nothing(cast, review, name):
    assert cast.client("lead").post(DECIDE, {name: "kept"}).status_code == 302
    assert cast.client("lead").post(DECIDE, {f"choice-{row('first').pk}": "sold"}).status_code == 422
    assert set(decisions().values()) == {""}


def test_twilio_that_does_not_answer_leaves_the_decisions_and_says_so(cast, review, standin):
    standin.fault("error_before", operation="delete")
    answer = press(cast, "lead", first=("kept", ""), second=("revoked", "Unused."))
    assert answer.status_code == 200
    assert "Saved: 1 kept and 1 revoked." in text_of(answer)
    assert "Your decision is recorded. Twilio has not deleted the key yet" in text_of(answer)
    assert row("second").key.state == "revoking"


def test_it_asks_twilio_no_longer_than_one_call_may_take(cast, review, settings, monkeypatch, standin):
    settings.TWILIO_DEADLINE = 0.5
    standin.fault("hang", operation="delete")
    began = time.monotonic()
    chosen = dict.fromkeys(("first", "second", "third"), ("revoked", "Unused."))
    text = text_of(press(cast, "lead", **chosen))
    assert {row(name).key.state for name in chosen} == {"revoking"}
    assert "There was no time left to ask Twilio about this key." in text
    print(f"{time.monotonic() - began:.1f} s")


def test_a_revocation_asks_to_sign_in_again_and_keeps_what_was_chosen(cast, review, actions):
    client, before = stale(cast, "lead"), actions()
    answer = press(cast, "lead", client, first=("kept", "Needed."), second=("revoked", "Unused."), note="For all.")
    assert answer.status_code == 302 and answer["Location"].startswith("/accounts/reauthenticate/")
    assert actions() == before
    session = client.session
    session[NOTED] = time.time()
    session.save()
    form = form_of(client.get(URL))
    first, second, third = (row(name).pk for name in ("first", "second", "third"))
    kept = {name: form.fields[name] for name in (f"choice-{first}", f"choice-{second}", f"choice-{third}", "note")}
    assert kept == {
        f"choice-{first}": ["kept"], f"choice-{second}": ["revoked"], f"choice-{third}": [""], "note": ["For all."],
    }  # fmt: skip
    assert form.fields[f"note-{second}"] == ["Unused."]
    assert client.post(form.action, form.sent()).status_code == 302
    assert decisions() == {"first": "kept", "second": "revoked", "third": "", "own": ""}


def test_to_keep_needs_no_fresh_sign_in(cast, review):
    assert press(cast, "lead", stale(cast, "lead"), first=("kept", "")).status_code == 302
    assert decisions()["first"] == "kept"


def test_htmx_saves_one_row_and_answers_with_it_and_the_progress(cast, review):
    answer = htmx(cast, "lead", "first", "kept", "Needed.")
    html = answer.content.decode()
    assert answer.status_code == 200 and html.lstrip().startswith(f'<li class="panel" id="reviewed-{row("first").pk}"')
    assert "<html" not in html and 'id="review-progress"' in html
    assert "“first” is kept. 3 left to decide." in text_of(answer)
    assert decisions()["first"] == "kept"


def test_htmx_tells_at_the_row_what_is_wrong(cast, review, actions):
    shown = form_of(cast.client("lead").get(URL))
    before = actions()
    answer = htmx(cast, "lead", "first", "revoked", "")
    assert answer.status_code == 422 and "Give a reason" in text_of(answer) and actions() == before
    htmx(cast, "colead", "first", "kept")
    answer = htmx(cast, "lead", "first", "revoked", "Unused.", shown)
    assert answer.status_code == 422 and "decided after you opened this page" in text_of(answer)
    assert 'value="Unused."' in answer.content.decode()
    answer = htmx(cast, "lead", "second", "revoked", "Unused.", client=stale(cast, "lead"))
    assert answer["HX-Redirect"].startswith("/accounts/reauthenticate/")
    assert row("first").key.state == row("second").key.state == "active"


def test_the_next_page_begins_after_the_last_row(cast, review, monkeypatch):
    monkeypatch.setattr("keys_app.views.http.listing.SIZES", (2,))
    client, seen, url = cast.client("security"), [], URL
    while url:
        page = client.get(url)
        seen += [one.key.name for one in page.context["keys"]]
        url = page.context["listing"].next_url
    assert sorted(seen) == ["first", "own", "second", "third"]
    url = client.get(URL).context["listing"].next_url
    answer = press(cast, "security", client, url, **{seen[2]: ("kept", "")})
    assert answer["Location"] == url
    for nonsense in ("x", "0", "9" * 30, "-1"):
        assert client.get(URL, {"after": nonsense}).status_code == 404


def test_a_page_of_many_needs_no_more_queries(cast, review, django_assert_num_queries, django_assert_max_num_queries):
    client = cast.client("lead")
    with django_assert_max_num_queries(18) as few:  # what three filters offer, and how many there are, included
        client.get(URL, {"team": "0"})
    with django_assert_num_queries(len(few)):
        client.get(URL)


def test_a_press_takes_the_rows_refused_before_and_those_of_the_page(cast, review):
    """After a refusal both are on one page."""
    assert 2 * lists.REVIEWED.most == reviews._MOST_AT_ONCE
    key = row("first").key
    copies = [
        ApiKey(
            **{
                **_columns(key),
                "sid": f"SK{number:032x}",
                "issuance_id": None,
                "request_id": None,
                "adopted_at": key.issued_at,
            }
        )
        for number in range(55)
    ]
    ApiKey.objects.bulk_create(copies)
    ReviewedKey.objects.bulk_create(ReviewedKey(review=review, key=one, team=cast.team) for one in copies)
    rows = ReviewedKey.objects.filter(key__in=copies)
    answer = cast.client("lead").post(DECIDE, {f"choice-{one.pk}": "kept" for one in rows})
    assert "Saved: 55 kept." in text_of(answer.client.get(answer["Location"]))


def _columns(key):
    return {column.attname: getattr(key, column.attname) for column in key._meta.concrete_fields}
