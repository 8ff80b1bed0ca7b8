"""The quarterly access review: opened and closed by Security, decided by leads, every step an event."""

import pytest

from keys_app.audit.ledger import matching
from keys_app.reports.models import AccessReview, ReviewedKey
from tests.cast import text_of

URL = "/reviews/2026-Q4/"


@pytest.fixture
def review(cast):
    """Two keys of engineer, one of the lead, and an open review of them."""
    cast.issued(friendly_name="first")
    cast.issued(friendly_name="second")
    cast.issue(cast.approved("lead", by="colead", friendly_name="own"), "lead")
    assert cast.client("security").post("/reviews/", {"quarter": "2026-Q4"}).status_code == 302
    return AccessReview.objects.get()


def row(name):
    return next(one for one in ReviewedKey.objects.all() if one.key.name == name)


def decide(cast, role, name, decision, note=""):
    data = {"reviewed": row(name).pk, "decision": decision, "note": note}
    return cast.client(role).post(URL + "decide/", data)


@pytest.mark.parametrize(
    ("role", "sees", "opens"),
    [("security", 200, True), ("lead", 200, False), ("engineer", 404, False), ("admin", 404, False)],
)
def test_security_opens_one_and_approvers_see_it(cast, role, sees, opens, actions):
    cast.issued()
    client = cast.client(role)
    assert client.get("/reviews/").status_code == sees
    client.post("/reviews/", {"quarter": "2026-Q4"})
    assert AccessReview.objects.exists() is opens
    assert ("access_review.opened" in actions()) is opens
    if not opens:
        cast.client("security").post("/reviews/", {"quarter": "2026-Q4"})
    assert client.get(URL).status_code == sees


@pytest.mark.parametrize(
    ("quarter", "words"),
    [("", "like 2026-Q4"), ("2026", "like 2026-Q4"), ("2026-Q5", "like 2026-Q4"), ("x" * 5000, "like 2026-Q4"),
     ("2027-Q1", "still open")],
)  # fmt: skip
def test_only_one_at_a_time_and_only_quarters(cast, review, quarter, words):
    answer = cast.client("security").post("/reviews/", {"quarter": quarter})
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert AccessReview.objects.count() == 1


def test_a_lead_keeps_and_revokes(cast, review, actions):
    assert decide(cast, "lead", "first", "kept", "Still billed monthly.").status_code == 302
    answer = decide(cast, "lead", "second", "revoked", "Nobody uses it.")
    assert answer.status_code == 302
    kept, revoked = row("first"), row("second")
    assert (kept.decision, kept.note, kept.decided_by.username) == ("kept", "Still billed monthly.", "lead")
    assert revoked.decision == "revoked"
    assert revoked.key.state == "revoked"
    assert "2026-Q4" in revoked.key.revoke_reason
    assert kept.key.state == "active"
    assert actions()[-4:] == ["access_review.kept", "access_review.revoked", "key.revoke_started", "key.revoked"]
    event = matching(action="access_review.kept").get()
    assert (event.key_sid, event.reason, event.team) == (kept.key_id, "Still billed monthly.", "Payments")


def test_a_revocation_needs_a_note_and_keeps_what_was_typed(cast, review, actions):
    answer = decide(cast, "lead", "first", "revoked", "  ")
    assert answer.status_code == 422
    assert "Give a reason" in text_of(answer)
    answer = decide(cast, "lead", "first", "kept", "n" * 2001)
    assert answer.status_code == 422
    assert "n" * 2001 in answer.content.decode()
    assert decide(cast, "lead", "first", "nonsense").status_code == 422
    assert row("first").decision == ""
    assert not [one for one in actions() if one.startswith("access_review.") and one != "access_review.opened"]


@pytest.mark.parametrize(("role", "status"), [("engineer", 404), ("lead2", 404), ("admin", 404), ("security", 302)])
def test_others_do_not_decide(cast, review, role, status):
    assert decide(cast, role, "first", "kept").status_code == status
    assert row("first").decision == ("kept" if status == 302 else "")


def test_nobody_decides_about_their_own_key(cast, review):
    assert decide(cast, "lead", "own", "kept").status_code == 403
    assert "This is your own key" in text_of(cast.client("lead").get(URL))
    assert decide(cast, "colead", "own", "kept").status_code == 302


def test_a_key_that_is_gone_otherwise_is_not_decided(cast, review):
    cast.client("engineer").post(f"/keys/{row('first').key_id}/revoke/", {"reason": "gone"})
    assert decide(cast, "lead", "first", "kept").status_code == 409
    (team,) = cast.client("lead").get(URL).context["teams"]
    assert (team.gone, team.open) == (1, 2)


def test_a_key_whose_revocation_did_not_begin_is_still_to_be_decided(cast, review):
    """The decision is committed before Twilio is asked; a process that is killed in between leaves this."""
    ReviewedKey.objects.filter(pk=row("first").pk).update(
        decision="revoked", note="n", decided_by=cast.people["lead"], decided_at=review.opened_at
    )
    answer = cast.client("lead").get(URL)
    assert row("first").pk in [one.pk for one in answer.context["keys"]]
    assert decide(cast, "lead", "first", "revoked", "again").status_code == 302
    assert row("first").key.state == "revoked"


def test_a_decision_twilio_does_not_carry_out_says_so_and_stands(cast, review, standin):
    standin.fault("error_before", operation="delete")
    answer = decide(cast, "lead", "first", "revoked", "Nobody uses it.")
    assert answer.status_code == 503
    assert "has not deleted the key yet" in text_of(answer)
    assert (row("first").decision, row("first").key.state) == ("revoked", "revoking")
    (team,) = cast.client("lead").get(URL).context["teams"]
    assert (team.revoked, team.open) == (1, 2)


def test_progress_and_closing(cast, review, actions):
    decide(cast, "lead", "first", "kept")
    lead = cast.client("lead").get(URL).context["teams"]
    assert [(one.team.name, one.kept, one.open, one.done_percent) for one in lead] == [("Payments", 1, 2, 33)]
    assert cast.client("lead2").get(URL).context["teams"] == []
    assert cast.client("lead").post(URL + "close/").status_code == 403
    client = cast.client("security")
    assert client.post(URL + "close/").status_code == 302
    assert client.post(URL + "close/").status_code == 409
    event = matching(action="access_review.closed").get()
    assert event.details == {
        "quarter": "2026-Q4", "kept": 1, "revoked": 0, "gone": 0, "open": 2, "teams_not_done": ["Payments"],
    }  # fmt: skip
    assert decide(cast, "lead", "second", "kept").status_code == 409
    assert row("second").decision == ""
    answer = client.post("/reviews/", {"quarter": "2026-Q4"})
    assert "a review of 2026-Q4 already" in text_of(answer)


@pytest.mark.parametrize("reviewed", ["", "x", "-1", "9" * 30, "0"])
def test_nonsense_finds_no_key(cast, review, reviewed):
    answer = cast.client("lead").post(URL + "decide/", {"reviewed": reviewed, "decision": "kept"})
    assert answer.status_code == 404
    assert cast.client("lead").get("/reviews/1999-Q1/").status_code == 404


@pytest.mark.parametrize("query", ["team=x", "team=99999999999999999999", "team=&all", "all", "team=1"])
def test_the_page_takes_any_query(cast, review, query):
    assert cast.client("security").get(f"{URL}?{query}").status_code == 200


@pytest.mark.parametrize("decision", ["kept", "revoked"])
def test_it_refuses_a_note_that_cannot_be_kept(cast, review, decision, actions):
    answer = decide(cast, "lead", "first", decision, note="still\0needed")
    assert answer.status_code == 422 and "cannot be seen" in text_of(answer)
    assert row("first").decision == ""
    assert f"access_review.{decision}" not in actions()
