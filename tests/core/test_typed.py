"""What a text may hold, whoever types it and wherever it is kept."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.core.typed import line_problem, mixed_words, prose_problem, unified, utf16_units

SEEN = [
    "",
    "A monthly report.",
    "Zählerstände für Köln, naïve Größe",
    "第二季度 レポート 보고서",
    "नमस्ते, क्\u200dष",  # a joiner between letters
    "می\u200cخواهم",  # and a non-joiner
    "\U0001f469\u200d\U0001f4bb \U0001f469\U0001f3fd\u200d\U0001f692 \u2764\ufe0f",  # emoji put together
    "5 × 3 ≥ 14 … “so”",
]
UNSEEN = {
    "\0": "U+0000",
    "\x1b[31mred": "U+001B",
    "\x9b31m": "U+009B",
    "\x7f": "U+007F",
    "a\u200bb": "U+200B (zero width space), after “a”",
    "1\u200d2": "U+200D (zero width joiner), after “1”",
    "a \u200cb": "U+200C (zero width non-joiner), after “a”",
    "a\u200d": "U+200D",
    "\ufeffa": "U+FEFF (zero width no-break space) at its start",
    "soft\xadhyphen": "U+00AD (soft hyphen)",
    "\u2066isolated\u2069": "U+2066",
    "\u200emark": "U+200E",
    "\u3164": "U+3164 (hangul filler)",
    "\u2800": "U+2800",
    "\ufe0f": "U+FE0F",
    "a\ufe0f\ufe0f": "U+FE0F",
    "\U000e0041": "U+E0041",
    "\ue000": "U+E000",
    "a\u2029b": "U+2029",
}


@pytest.mark.parametrize("text", SEEN)
def test_what_can_be_seen_is_kept(text):
    assert prose_problem(text, 200, "text") == line_problem(text, "name") == ""


@pytest.mark.parametrize(("text", "named"), UNSEEN.items())
def test_what_cannot_be_seen_is_named_with_its_place(text, named):
    problem = prose_problem(text, 200, "text")
    assert named in problem
    assert line_problem(text, "name")


def test_prose_has_lines_and_tabs_and_a_name_has_neither():
    assert prose_problem("a\r\nb\rc\n\td", 200, "text") == ""
    for text in ("a\nb", "a\r\nb", "a\x85b"):
        assert line_problem(text, "name") == "The name has more than one line. Use one line of visible characters."
    assert "U+0009" in line_problem("a\tb", "name")
    assert "U+00A0 (no-break space)" in line_problem("a\xa0b", "name")
    assert prose_problem("a\xa0b", 200, "text") == ""


def test_line_ends_are_one():
    assert unified("a\r\nb\rc\nd") == "a\nb\nc\nd"
    assert prose_problem("a\r\n" * 5, 10, "text") == ""
    assert prose_problem("x" * 11, 10, "text") == "The text has 11 characters; at most 10 are kept."


def test_length_is_counted_as_twilio_counts():
    assert [utf16_units(text) for text in ("", "ab", "ä", "\U0001f511")] == [0, 2, 1, 2]


@pytest.mark.parametrize("name", ["usage-report", "Отчёт", "отчёт usage", "μ-service", "λ", "zählung"])
def test_a_word_of_one_script_is_no_look_alike(name):
    found = mixed_words(name)
    assert found == ([] if name != "μ-service" else ["“μ-service” has letters of Greek and Latin"])


def test_a_word_of_several_scripts_is():
    assert mixed_words("pаypal report") == ["“pаypal” has letters of Cyrillic and Latin"]


@given(st.text(alphabet=st.characters(max_codepoint=sys.maxunicode), max_size=30))
def test_what_passes_holds_no_character_a_terminal_obeys_or_a_reader_misses(text):
    if not prose_problem(text, 100, "text"):
        kept = unified(text)
        assert not {char for char in kept if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs", "Co")} - {
            "\n",
            "\t",
        }
        assert not {char for char in kept if unicodedata.category(char) == "Cf"} - {"\u200c", "\u200d"}
