"""The marker in a key's name at Twilio."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.core.typed import utf16_units
from keys_app.permissions.naming import MAX_FRIENDLY_NAME, MAX_NAME, find_marker, marked_name, new_marker

MARKER = "ABCDEFGH2345"
names = st.text(min_size=1, max_size=MAX_NAME).filter(lambda name: utf16_units(name) <= MAX_NAME)


def test_the_limits_leave_room_for_the_marker():
    assert (MAX_NAME, MAX_FRIENDLY_NAME) == (46, 64)
    assert len(marked_name("n" * MAX_NAME, MARKER)) == MAX_FRIENDLY_NAME


def test_a_longer_name_is_refused():
    with pytest.raises(ValueError, match="longer than Twilio allows"):
        marked_name("n" * (MAX_NAME + 1), MARKER)


def test_markers_are_12_base32_characters_and_differ():
    markers = {new_marker(b"i" * 32) for _ in range(1000)}
    assert len(markers) == 1000
    assert all(re.fullmatch("[A-Z2-7]{12}", marker) for marker in markers)


@given(names)
def test_a_marker_is_found_again(name):
    marker = new_marker(b"i" * 32)
    assert find_marker(marked_name(name, marker)) == marker


@given(names)
def test_a_marker_in_the_name_itself_does_not_count(name):
    fooling = f"{name[:20]} [kp:{MARKER}]"
    assert find_marker(marked_name(fooling, "ZZZZZZZZ7777")) == "ZZZZZZZZ7777"


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "a name",
        f"[kp:{MARKER}]",
        f"x[kp:{MARKER}]",
        f"x [kp:{MARKER}] ",
        f"x [kp:{MARKER}]\n",
        f"x [kp:{MARKER}] copy",
        f"x [kp:{MARKER.lower()}]",
        f"x [kp:{MARKER[:-1]}]",
        f"x [kp:{MARKER}7]",
        f"x [kp:{MARKER[:-1]}1]",
        f"x [KP:{MARKER}]",
        f"x (kp:{MARKER})",
    ],
)
def test_what_only_looks_like_a_marker_is_none(name):
    assert find_marker(name) is None
