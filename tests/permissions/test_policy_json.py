"""A policy typed by a person is read exactly, or refused with the place and the reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.core.errors import InvalidInput
from keys_app.permissions.catalogue import WILDCARD, catalogue
from keys_app.permissions.policy import Policy
from keys_app.permissions.policy_json import MAX_TEXT, PolicyTextError, parse_policy_text

NAMES = sorted(permission.name for permission in catalogue())
EXPLICIT = [name for name in NAMES if not name.endswith(WILDCARD)]
READ = "/twilio/messaging/messages/read"
LIST = "/twilio/messaging/messages/list"
choices = st.lists(st.sampled_from(NAMES), min_size=1, max_size=20, unique=True)


def refusal(text):
    with pytest.raises(PolicyTextError) as caught:
        parse_policy_text(text)
    assert caught.value.field == "policy_text"
    assert isinstance(caught.value, InvalidInput)
    caught.value.message.encode()  # what is shown can always be sent
    return caught.value


def allow(*names):
    return json.dumps({"allow": list(names)})


@given(choices)
def test_the_canonical_form_is_read_back_as_the_same_policy(names):
    policy = Policy.parse(names)
    assert parse_policy_text(policy.to_json()) == policy
    assert parse_policy_text(policy.pretty_json()) == policy
    assert parse_policy_text(parse_policy_text(policy.to_json()).to_json()).to_json() == policy.to_json()


@given(choices, st.sampled_from([None, 0, 1, 4, "\t"]), st.sampled_from(["\n", "\r\n"]))
def test_a_bare_list_in_any_layout_is_read(names, indent, newline):
    text = json.dumps(names, indent=indent).replace("\n", newline)
    assert parse_policy_text(f"{newline} {text}{newline}") == Policy.parse(names)


def read_or_refused(text):
    try:
        parse_policy_text(text)
    except PolicyTextError as error:
        assert error.message
        error.message.encode()


@given(st.text(max_size=300))
def test_any_text_is_a_policy_or_a_refusal_in_words(text):
    read_or_refused(text)


@given(st.text(alphabet='{}[]",:\\/alowtwi*\n \u0430\x00\ud800', max_size=60))
def test_anything_like_json_is_a_policy_or_a_refusal_in_words(text):
    read_or_refused(text)


@given(choices, st.data())
def test_a_policy_with_one_character_changed_is_never_something_else_silently(names, data):
    policy = Policy.parse(names)
    text = policy.to_json()
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters()) + text[place + 1 :]
    try:
        read = parse_policy_text(changed)
    except PolicyTextError:
        return
    assert {name for name in read if f'"{name}"' not in changed} == set()


def test_a_wildcard_is_spelled_out():
    assert len(parse_policy_text(allow("/twilio/voice/calls/*"))) == 5


def test_names_given_twice_and_a_byte_order_mark_do_no_harm():
    assert parse_policy_text("\ufeff" + allow(READ, READ)) == Policy.parse([READ])


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ('{"allow": ["@",]}', 1, 46, "no comma may stand before ]"),
        ('{"allow": ["@"],}', 1, 46, "comma"),
        ('{\n  "allow": [\n    "@"\n    "@"\n  ]\n}', 4, 5, "a comma or a colon is missing"),
        ("{'allow': ['@']}", 1, 2, "double quotation marks"),
        ('{"allow": [\n// all\n"@"]}', 2, 1, "no comments"),
        ('{"allow": ["@"]', 1, 45, "ends too early"),
        ('{"allow": ["@]}', 1, 12, "no closing quotation mark"),
        ('{"allow": ["@\n"]}', 1, 44, "closing quotation mark missing"),
        ('{"allow": ["@"]}\n{}', 2, 1, "Nothing may follow"),
        ('{allow: ["@"]}', 1, 2, "not JSON"),
        ('{"allow" ["@"]}', 1, 10, "not JSON"),
        ("allow all", 1, 1, "not JSON"),
        ('["\\x41"]', 1, 3, "backslash"),
    ],
)
def test_a_mistake_in_the_json_is_shown_with_its_place(text, line, column, said):
    error = refusal(text.replace("@", READ))
    assert said in error.message
    assert error.message.startswith(f"Line {error.line}, column {error.column}: ")
    assert (error.line, abs(error.column - column) <= 1) == (line, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no text"),
        (" \n\t", "no text"),
        ("\ufeff", "no text"),
        ("null", "not null"),
        ("3", "not a number"),
        ("NaN", "not a number"),
        ("1" * 5000, "not a number"),
        ("true", "not true or false"),
        (f'"{READ}"', "not a text"),
        ("{}", "“allow” is missing"),
        ("[]", "The list is empty"),
        ('{"allow": []}', "The list is empty"),
        ('{"allow": null}', "must be a list of permissions, not null"),
        ('{"allow": "@"}', "must be a list of permissions, not a text"),
        ('{"allow": {"@": true}}', "must be a list of permissions, not an object"),
        (json.dumps([READ, 1]), "Entry 2 of the list is a number"),
        (json.dumps([READ, None]), "Entry 2 of the list is null"),
        (json.dumps([READ, True]), "Entry 2 of the list is true or false"),
        (json.dumps([[READ]]), "Entry 1 of the list is a list"),
        (json.dumps([{"allow": [READ]}]), "Entry 1 of the list is an object"),
        (json.dumps([READ, 1.5]), "Entry 2 of the list is a number"),
    ],
    ids=lambda value: value[:40],
)
def test_another_shape_is_refused_in_words(text, said):
    assert said in refusal(text.replace("@", READ)).message


@pytest.mark.parametrize("key", ["deny", "Allow", "allow ", "policy", "version", "", "a" * 1000])
def test_another_key_is_named(key):
    text = f'{{\n "allow": ["{READ}"],\n {json.dumps(key)}: []\n}}'
    error = refusal(text)
    assert (error.line, error.column) == (3, 2)
    assert f"not “{key[:80]}" in error.message
    assert len(error.message) < 300


@pytest.mark.parametrize("second", ["[]", f'["{LIST}"]', '"x"'])
def test_a_key_that_is_there_twice_is_refused(second):
    error = refusal(f'{{"allow": ["{READ}"],\n"allow": {second}}}')
    assert "“allow” is there twice" in error.message
    assert (error.line, error.column) == (2, 1)


def test_a_key_twice_inside_is_refused_too():
    assert "twice" in refusal('[{"x": 1, "x": 2}]').message
    assert "twice" in refusal('[{"x": 1, "\\u0078": 2}]').message


@pytest.mark.parametrize("depth", [17, 1000, MAX_TEXT // 2])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting_is_refused_before_python_gives_up(depth, brackets):
    opening = brackets[0] if brackets == "[]" else '{"":'
    text = (opening * depth)[: MAX_TEXT - 10]
    assert "nested too deeply" in refusal(text).message
    assert "nested too deeply" in refusal('{"allow": ' + text[: MAX_TEXT - 20]).message


def test_brackets_inside_a_name_are_not_nesting():
    assert "not a permission" in refusal(json.dumps(["[" * 100])).message


@pytest.mark.parametrize("length", [MAX_TEXT + 1, 10 * 1024 * 1024])
@pytest.mark.parametrize("start", ["", "\x00", "[" * 100])
def test_a_text_too_long_is_refused_first(length, start):
    error = refusal(start + " " * (length - len(start)))
    assert error.message == f"The text has {length:,} characters. At most 65,536 are read."


def test_the_longest_text_is_read():
    text = allow(READ)
    assert parse_policy_text(text + " " * (MAX_TEXT - len(text))) == Policy.parse([READ])


@pytest.mark.parametrize("char", ["\x00", "\x01", "\x08", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\ud800"], ids=ascii)
@pytest.mark.parametrize("place", ["raw", "outside", "escaped"])
def test_control_and_broken_characters_are_refused_by_code_point(char, place):
    texts = {
        "raw": f'["/twilio/x{char}y"]',
        "outside": f'{char}["{READ}"]',
        "escaped": f'["/twilio/x\\u{ord(char):04x}y"]',
    }
    error = refusal(texts[place])
    assert f"U+{ord(char):04X}" in error.message
    assert char not in error.message
    assert error.line == 1


def test_a_binary_file_is_refused():
    assert "U+" in refusal(bytes(range(256)).decode("latin-1")).message


@pytest.mark.parametrize("escape", ["\\n", "\\t", "\\r"])
def test_an_escaped_line_end_inside_a_name_is_refused(escape):
    assert "U+00" in refusal(f'["{READ}{escape}"]').message


@pytest.mark.parametrize(
    ("wrong", "right", "name"),
    [
        ("\u0430", "a", "CYRILLIC SMALL LETTER A"),
        ("\u0435", "e", "CYRILLIC SMALL LETTER IE"),
        ("\u03bf", "o", "GREEK SMALL LETTER OMICRON"),
        ("\uff0f", "/", "FULLWIDTH SOLIDUS"),
        ("\u2215", "/", "DIVISION SLASH"),
        ("\u200b", "", "ZERO WIDTH SPACE"),
        ("\u202e", "", "RIGHT-TO-LEFT OVERRIDE"),
        ("\u00a0", " ", "NO-BREAK SPACE"),
        ("\u0131", "i", "LATIN SMALL LETTER DOTLESS I"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("escaped", [False, True])
def test_a_look_alike_is_named_with_its_code_point(wrong, right, name, escaped):
    like = READ.replace(right, wrong, 1) if right.strip() else READ[:10] + wrong + READ[10:]
    error = refusal(json.dumps([LIST, like], ensure_ascii=escaped, indent=1))
    assert f"U+{ord(wrong):04X} ({name})" in error.message
    assert error.line == 3


def test_quotation_marks_of_a_word_processor_are_named():
    error = refusal(f"[\u201c{READ}\u201d]")
    assert "“\u201c”, U+201C (LEFT DOUBLE QUOTATION MARK)" in error.message
    assert (error.line, error.column) == (1, 2)


@pytest.mark.parametrize(
    "name",
    ["/Twilio/Messaging/Messages/Read", READ.upper(), READ[1:], f" {READ}", f"{READ} ", f"{READ}/", READ + "//"],
)
def test_another_spelling_of_a_known_name_says_which_was_meant(name):
    error = refusal(json.dumps([LIST, name]))
    assert f"Did you mean {READ}?" in error.message
    assert [unknown.name for unknown in error.unknown] == [name]


@pytest.mark.parametrize(
    "name", ["*", "/*", "/twilio/*", "/twilio/messaging/*", "/twilio/*/*/*", "/twilio/voice/*/read"]
)
def test_a_wildcard_above_a_resource_is_refused(name):
    assert "never for more" in refusal(json.dumps([name])).message


def test_a_wildcard_on_a_resource_with_fewer_actions_is_refused():
    assert "this resource has fewer" in refusal(allow("/twilio/video/rooms/*")).message


def test_an_unknown_permission_comes_with_its_place_and_the_nearest():
    error = refusal(json.dumps({"allow": [READ, "/twilio/messaging/message/read"]}, indent=2))
    assert (error.line, error.column) == (4, 5)
    assert error.unknown[0].nearest[0] == READ
    assert "is not in the catalogue. Nearest: " + READ in error.message


def test_many_unknown_names_are_counted_not_searched():
    error = refusal(json.dumps([f"/x{number}" for number in range(2000)]))
    assert len(error.unknown) == 2000
    assert error.message.endswith("1,990 more do not exist.")
    assert sum(bool(unknown.nearest) for unknown in error.unknown) == 10


@pytest.mark.parametrize("count", [1, 100])
def test_it_takes_1_to_100(count):
    assert len(parse_policy_text(json.dumps(EXPLICIT[:count]))) == count


@pytest.mark.parametrize("names", [EXPLICIT[:101], [name for name in NAMES if name.endswith(WILDCARD)][:21]])
def test_it_refuses_more_than_100(names):
    assert "Twilio allows at most 100" in refusal(json.dumps(names)).message


def test_it_asks_the_catalogue_it_is_given():
    class Small:
        def __contains__(self, name):
            return name == READ

        def nearest(self, name, count=3):
            return [READ]

    assert parse_policy_text(allow(READ), Small()) == Policy.parse([READ])
    with pytest.raises(PolicyTextError, match="Nearest: /twilio/messaging/messages/read"):
        parse_policy_text(allow(LIST), Small())
