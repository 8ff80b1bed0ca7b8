"""RFC 8785 in the ledger: its published vectors, and odd strings and numbers through an append."""

import json
import struct

import pytest
import rfc8785
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from keys_app.audit import offline_verifier
from keys_app.audit.ledger import Entry, append, leaf_hash, matching

# RFC 8785, appendix B: the bits of a double and how it is written.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
# RFC 8785, section 3.2.3: names in the order of their UTF-16 code units.
SORTING = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\U0001f600": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
}
SORTED = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
# RFC 8785, section 3.2.2.
LITERALS = {
    "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": '\u20ac$\u000f\nA\'B"\\\\"/',
    "literals": [None, True, False],
}
LITERALS_TEXT = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
)


def stored(**details):
    """Append an event with these details and return it."""
    with transaction.atomic():
        number = append(Entry("test.event", "somebody", details=details))
    return matching().get(sequence=number)


@pytest.mark.parametrize("bits", NUMBERS)
def test_numbers_are_written_as_the_rfc_lists_them(db, bits):
    value = struct.unpack(">d", bytes.fromhex(bits))[0]
    assert f'"details":{{"value":{NUMBERS[bits]}}},' in stored(value=value).canonical
    assert offline_verifier.canonical(value) == NUMBERS[bits]


def test_names_are_sorted_as_the_rfc_sorts_them(db):
    event = stored(**SORTING)
    assert list(json.loads(event.canonical)["details"]) == SORTED
    assert list(json.loads(offline_verifier.canonical(SORTING))) == SORTED


def test_literals_and_strings_are_those_of_the_rfc(db):
    assert f'"details":{LITERALS_TEXT},' in stored(**LITERALS).canonical
    assert offline_verifier.canonical(LITERALS) == LITERALS_TEXT


ODD = ["", "\x01\x1f\x7f", "\b\t\n\f\r", '"\\/', "\u2028\u2029", "é e\u0301", "\ufeff", "\U0010ffff", "</script>"]


@pytest.mark.parametrize("text", ODD)
def test_odd_text_comes_back_as_it_was(db, text):
    event = stored(text=text)
    assert event.details == {"text": text}
    assert bytes(event.leaf_hash) == leaf_hash(event.canonical.encode())
    assert offline_verifier.canonical(json.loads(event.canonical)) == event.canonical


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_written_so_that_it_is_read_back(value):
    text = rfc8785.dumps(value).decode()
    assert float(text) == value
    assert offline_verifier.canonical(value) == text
