"""The table of Twilio's errors is whole, says where each fact is from, and claims no more than that."""

import re
from pathlib import Path

import pytest

from keys_app.twilio_errors import words
from keys_app.twilio_errors.lookup import as_kept, form_of, said
from keys_app.twilio_errors.model import Grade, Mender
from keys_app.twilio_errors.table import CODES, TABLE, UNKNOWN

from .samples import SAMPLES

NAMED = {70001, 70002, 70051, 70151, 70152, 20001, 20003, 20101, 20151, 20404, 20429, 31202, 8001, 8021}


def test_each_code_is_in_it_with_every_form_in_the_samples():
    assert CODES == NAMED
    shown = {(code, name) for code, name, _, _ in SAMPLES}
    assert {(form.code, form.name) for form in TABLE} - shown == {
        (8001, "permission_missing"),
        (8021, "not_authorized"),
    }
    assert all(sum(form.code == code and form.text is None for form in TABLE) <= 1 for code in CODES)


@pytest.mark.parametrize("form", [*TABLE, *UNKNOWN], ids=lambda form: f"{form.code} {form.name}")
def test_what_is_only_concluded_is_not_claimed(form):
    facts = [form.means, *form.causes]
    assert all(fact.source and fact.grade in Grade for fact in facts)
    for fact in facts:
        assert (fact.grade is not Grade.INFERRED) or re.search(r"\b(seems|perhaps)\b", fact.words, re.IGNORECASE)
    assert form.means.words.endswith(".")
    assert form.mend.endswith(".")
    assert form.turn in Mender


def test_70051_and_what_answers_like_it_have_five_causes():
    forms = [form for form in TABLE if form.code in (70051, 8001, 8021) and form.name != "permission_missing"]
    assert len(forms) == 6
    for form in forms:
        assert "Five causes: (1) " in words.for_a_caller(form)
        assert "belongs to another account than the AccountSid of the call" in words.for_a_caller(form)


@pytest.mark.parametrize(("code", "name", "status", "message"), SAMPLES)
def test_an_answer_has_its_row_with_the_status_and_without(code, name, status, message):
    for known in (status, None):
        form = form_of(code, message, known)
        assert (form.code, form.name) == (code, name)
    assert as_kept(code, message, status) == message
    assert said(code, f"{message}.") == f"{message} ({code})"


@pytest.mark.parametrize("code", [None, 20403, 99999])
@pytest.mark.parametrize(("status", "turn"), [(401, Mender.ADMIN), (403, Mender.ADMIN), (400, Mender.REQUESTER)])
def test_what_is_not_in_it_keeps_its_words_and_its_status(code, status, turn):
    form = form_of(code, "Something new", status)
    assert form in UNKNOWN
    assert form.turn is turn
    kept = as_kept(code, "Something new", status)
    assert kept == f"Something new (HTTP {status})"
    assert form_of(code, kept) == form  # as the page reads it later
    assert as_kept(code, f"HTTP {status}", status) == f"HTTP {status}"
    assert form_of(code, f"HTTP {status}") == form


def test_a_row_of_last_year_without_a_status_is_worded():
    assert form_of(None, "No reason was given").turn is Mender.REQUESTER
    assert form_of(20003, "").name == "authenticate"
    assert form_of(None, "").name == "refused"


@pytest.mark.parametrize("form", [*TABLE, *UNKNOWN], ids=lambda form: f"{form.code} {form.name}")
def test_the_guide_for_operators_has_each_row(form):
    guide = (Path(__file__).resolve().parents[2] / "docs" / "operating.md").read_text()
    assert f"| {form.means.words} | {form.turn} | {form.mend} |" in guide
