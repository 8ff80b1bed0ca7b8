"""Questions about a request, and answers to them."""

import pytest

from keys_app.audit.ledger import matching
from keys_app.key_requests.decision_models import Comment
from tests.cast import text_of


def ask(cast, role, key_request, question):
    return cast.decide(role, key_request, "ask", question=question)


def answer_to(cast, role, key_request, text):
    return cast.client(role).post(f"/requests/{key_request.pk}/comment/", {"comment": text})


def test_both_sides_talk_on_the_request(cast, actions):
    key_request = cast.ask()
    asked = ask(cast, "lead", key_request, "Why <b>monthly</b>?")
    assert asked["Location"] == f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    assert answer_to(cast, "engineer", key_request, "Because of\nthe invoice.").status_code == 302
    for role, url in (("lead", asked["Location"]), ("engineer", f"/requests/{key_request.pk}/")):
        page = cast.client(role).get(url).content.decode()
        assert "Why &lt;b&gt;monthly&lt;/b&gt;?" in page
        assert "Because of\nthe invoice." in page
    assert actions(key_request.pk) == ["request.created", "request.commented", "request.commented"]
    assert [event.reason for event in matching(action="request.commented").order_by("sequence")] == [
        "Why <b>monthly</b>?",
        "Because of\nthe invoice.",
    ]
    key_request.refresh_from_db()
    assert key_request.state == "pending"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Write something first."),
        (" \n ", "Write something first."),
        ("q" * 2001, "The text has 2001 characters; at most 2000 are kept."),
        ("a\u202eb", "The text has a character that cannot be seen, U+202E (right-to-left override), after “a”."),
        ("a\0b", ""),
    ],
)
def test_it_refuses_bad_input_at_its_field_and_keeps_it(cast, text, message):
    key_request = cast.ask()
    for answer in (ask(cast, "lead", key_request, text), answer_to(cast, "engineer", key_request, text)):
        assert answer.status_code == 422
        assert message in text_of(answer)
        assert text.strip().replace("\0", "") in answer.content.decode().replace("\0", "")
    assert not Comment.objects.exists()


@pytest.mark.parametrize("role", ["colleague", "engineer2", "lead2", "admin", "stranger"])
def test_nobody_else_reads_or_writes(cast, role):
    key_request = cast.ask()
    assert answer_to(cast, role, key_request, "Hello?").status_code == 404
    assert ask(cast, role, key_request, "Hello?").status_code in (403, 404)
    assert not Comment.objects.exists()


@pytest.mark.parametrize("role", ["lead", "colead", "security"])
def test_who_decides_may_ask_even_when_it_is_not_their_turn(cast, role):
    key_request = cast.ask()
    assert ask(cast, role, key_request, "Is it so?").status_code == 302
    assert answer_to(cast, role, key_request, "And is that so?").status_code == 302


@pytest.mark.parametrize("end", ["reject", "cancel"])
def test_it_is_over_when_the_request_is(cast, end):
    key_request = cast.ask()
    ask(cast, "lead", key_request, "Why?")
    if end == "reject":
        cast.decide("lead", key_request, "reject", "No.")
    else:
        cast.client("engineer").post(f"/requests/{key_request.pk}/cancel/")
    late = answer_to(cast, "engineer", key_request, "Because.")
    assert late.status_code == 409
    assert "Comments are closed" in text_of(late)
    assert ask(cast, "lead", key_request, "Still?").status_code == 409
    assert "Why?" in text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))
    assert Comment.objects.count() == 1


def test_the_requester_may_answer_while_the_approval_is_unused(cast):
    key_request = cast.approved()
    assert answer_to(cast, "engineer", key_request, "Thank you.").status_code == 302


def test_a_question_decides_nothing_and_keeps_no_reason(cast):
    key_request = cast.ask()
    answer = cast.decide("lead", key_request, "ask", "A reason typed before.", question="")
    assert answer.status_code == 422
    assert "A reason typed before." in answer.content.decode()
    assert not key_request.approvals.exists()


def test_it_goes_back_to_the_request_after_a_get(cast):
    key_request = cast.ask()
    answer = cast.client("engineer").get(f"/requests/{key_request.pk}/comment/")
    assert answer["Location"] == f"/requests/{key_request.pk}/"
