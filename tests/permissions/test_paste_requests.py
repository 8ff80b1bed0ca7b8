"""Requests of many clients are read exactly, or not at all: a tick that is not needed is a failure."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.permissions.paste import read_paste

DATA = Path(__file__).parent / "data"
UNKNOWN, EXPLAIN = "UNKNOWN-METHOD", "EXPLAIN"


def own_cases():
    """Return name, input and expectation of the text file: `=== name => what it needs`, then the input."""
    for block in ("\n" + (DATA / "paste_requests.txt").read_text(encoding="utf-8")).split("\n=== ")[1:]:
        head, _, text = block.partition("\n")
        name, _, needs = head.rpartition(" => ")
        words = {"UNKNOWN": UNKNOWN, "NOTHING": []}
        yield name, text, words.get(needs, [f"/twilio/{one}" for one in needs.split()])


GIVEN = [(case["name"], case["input"], case["expect"]) for case in json.loads((DATA / "paste.json").read_text())]
CASES = [*GIVEN, *own_cases()]
NEEDS = {text: set(expect) if isinstance(expect, list) else set() for _, text, expect in CASES}


def ticked(text):
    return {item.permission for item in read_paste(text).suggestions}


@pytest.mark.parametrize(("text", "expect"), [pytest.param(text, expect, id=name) for name, text, expect in CASES])
def test_it_is_read_exactly_or_offered_without_a_tick(text, expect):
    reading = read_paste(text)
    if isinstance(expect, list):
        assert sorted(item.permission for item in reading.suggestions) == sorted(expect)
        return
    assert reading.suggestions == ()
    assert reading.offered if expect == UNKNOWN else reading.unmapped


def test_a_log_that_could_be_read_in_two_ways_is_not_read():
    address = "https://api.twilio.com/2010-04-01/Accounts/AC1"
    log = f"request URL: {address}/Messages.json\nrequest method: POST\nrequest URL: {address}/Calls.json\n"
    reading = read_paste(log)
    assert reading.suggestions == ()
    assert len(reading.offered) == 4
    assert [item.permission for item in read_paste(log + "request method: GET").suggestions] == [
        "/twilio/messaging/messages/create",
        "/twilio/voice/calls/list",
    ]


def test_a_diff_is_read_for_what_it_adds():
    address = 'f"https://api.twilio.com/2010-04-01/Accounts/{sid}/'
    removed, added = (
        f'-    requests.delete({address}Messages/SM1.json")',
        f'+    requests.post({address}Messages.json")',
    )
    assert ticked(f"{removed}\n{added}") == ticked(added) == {"/twilio/messaging/messages/create"}
    assert ticked(removed) == set()


def test_a_command_in_a_text_of_several_lines_is_not_taken_for_one_that_is_run():
    command = "curl -X POST https://api.twilio.com/2010-04-01/Accounts/$SID/Messages.json"
    assert ticked(command)
    assert not ticked(f'sh """\n{command}\n"""')


def test_there_are_enough_cases():
    assert len(CASES) >= 200
    assert sum(expect == UNKNOWN for *_, expect in CASES) >= 30


@pytest.mark.parametrize("text", NEEDS, ids=[name for name, *_ in CASES])
def test_cutting_lines_off_ticks_nothing_more(text):
    lines = text.split("\n")
    for number in range(1, len(lines)):
        assert ticked("\n".join(lines[:number])) <= NEEDS[text]
        assert ticked("\n".join(lines[number:])) <= NEEDS[text]


@pytest.mark.parametrize("text", NEEDS, ids=[name for name, *_ in CASES])
def test_commenting_out_ticks_nothing_more(text):
    lines = text.split("\n")
    for sign in ("# ", "// "):
        assert not ticked("\n".join(sign + line for line in lines))
        for number, line in enumerate(lines):
            changed = "\n".join([*lines[:number], sign + line, *lines[number + 1 :]])
            assert ticked(changed) <= NEEDS[text], changed


@pytest.mark.parametrize("text", NEEDS, ids=[name for name, *_ in CASES])
def test_another_order_of_lines_ticks_nothing_more(text):
    lines = text.split("\n")
    for seed in range(6):
        changed = "\n".join(Random(seed).sample(lines, len(lines)))
        assert ticked(changed) <= NEEDS[text], changed


WRAPPERS = [
    "def send():\n    {}\n",
    "```\n{}\n```",
    "Hello,\n\nthis fails:\n\n{}\n\nThanks, Jo",
    "if (ready) {{\n{}\n}}",
    "try {{\n{}\n}} catch (e) {{\n  console.log(e)\n}}",
    '"""\n{}\n"""',
    "/*\n{}\n*/",
    "<!--\n{}\n-->",
    "<pre>{}</pre>",
    "> {}",
]


@pytest.mark.parametrize("text", NEEDS, ids=[name for name, *_ in CASES])
def test_wrapping_ticks_nothing_more(text):
    for wrapper in WRAPPERS if '"""' not in text else WRAPPERS[:5]:
        assert ticked(wrapper.replace("{{", "{").replace("}}", "}").replace("{}", text)) <= NEEDS[text], wrapper
    for prefix in ("> ", "    ", "| ", "2024-05-01 12:00:00 INFO "):
        assert ticked("\n".join(prefix + line for line in text.split("\n"))) <= NEEDS[text], prefix
    assert ticked(json.dumps({"text": text})) <= NEEDS[text]
    if "//" not in text.replace("://", "") and "# " not in text:  # else a comment would end
        assert ticked(text.replace(" ", "\n")) <= NEEDS[text]


@given(st.sampled_from(sorted(NEEDS)), st.data())
def test_a_piece_of_it_is_read_without_an_error(text, data):
    start = data.draw(st.integers(0, len(text)))
    read_paste(text[start : data.draw(st.integers(start, len(text)))])
