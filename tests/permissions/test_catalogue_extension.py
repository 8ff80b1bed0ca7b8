"""The catalogue with what an operator knows and what real accounts said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.permissions.catalogue import (
    ACTIONS,
    catalogue,
    expand,
    extended,
    look_alike,
    read_additions,
    why_not_a_permission,
)
from keys_app.permissions.policy import Policy, UnknownPermissions
from keys_app.permissions.risk import explain

CHATS = [f"/twilio/conversations/conversations/{action}" for action in ACTIONS]
EVERY_CHAT = "/twilio/conversations/conversations/*"
USAGE = "/twilio/billing/usage/read"
CALLS = [f"/twilio/voice/calls/{action}" for action in ACTIONS]
EVERY_CALL = "/twilio/voice/calls/*"
MEANING = "conversations and who is in them"
NAMES = sorted(item.name for item in catalogue())


def with_(added=(), removed=(), observed=None):
    return extended(catalogue(), added=added, removed=removed, observed=observed or {})


def shown(known):
    return [item.name for product in known.products for row in product.resources for item in row.permissions]


def test_nothing_known_changes_nothing():
    assert with_() == catalogue()


def test_an_addition_is_shown_under_its_product_and_can_be_chosen():
    known = with_([(CHATS[1], MEANING)])
    product = next(product for product in known.products if product.name == "conversations")
    assert (product.title, [row.name for row in product.resources]) == ("Conversations", ["conversations"])
    assert product.resources[0].meaning == MEANING
    assert known.get(CHATS[1]).evidence == "operator"
    assert Policy.parse([CHATS[1]], known).allow == (CHATS[1],)
    assert "can read conversations and who is in them (Conversations)" in [
        reason.sentence for reason in explain([CHATS[1]], known)
    ]
    with pytest.raises(UnknownPermissions):
        Policy.parse([CHATS[1]])
    assert len(known) == len(catalogue()) + 1


@pytest.mark.parametrize("missing", [None, *ACTIONS])
def test_the_wildcard_is_there_when_all_five_actions_are(missing):
    known = with_([(name, MEANING) for name in CHATS if name.rpartition("/")[2] != missing])
    assert (EVERY_CHAT in known) == (missing is None)
    if missing is None:
        assert shown(known)[shown(known).index(CHATS[0]) :][:6] == [*CHATS, EVERY_CHAT]
        assert Policy.parse([EVERY_CHAT], known).allow == tuple(sorted(CHATS))


def test_an_addition_that_completes_a_known_resource_brings_its_wildcard():
    known = with_([(f"/twilio/billing/usage/{action}", "something else") for action in ACTIONS])
    assert "/twilio/billing/usage/*" in known
    assert known.get(USAGE).evidence == "two-lists"
    meaning = next(product for product in known.products if product.name == "billing").resources[0].meaning
    assert meaning == "account usage records"


@pytest.mark.parametrize("name", ["", "nonsense", EVERY_CHAT, "/twilio/conversations/read", CHATS[1] + "\n"])
def test_what_is_no_explicit_permission_is_left_out(name):
    assert with_([(name, "")]) == catalogue()


def test_a_removed_permission_cannot_be_chosen_but_can_be_read():
    known = with_(removed=[USAGE])
    assert USAGE not in known
    assert USAGE not in shown(known)
    assert USAGE not in list(known.nearest(USAGE))
    assert known.get(USAGE).evidence == "removed"
    assert known.subject("billing", "usage") == "account usage records (Billing)"
    with pytest.raises(UnknownPermissions):
        Policy.parse([USAGE], known)
    assert Policy.from_json(Policy.of([USAGE]).to_json()).allow == (USAGE,)


def test_a_wildcard_goes_with_any_of_its_actions():
    known = with_(removed=[CALLS[4]])
    assert EVERY_CALL not in known
    assert all(name in known for name in CALLS[:4])


def test_a_removed_wildcard_leaves_its_actions():
    known = with_(removed=[EVERY_CALL])
    assert EVERY_CALL not in known
    assert all(name in known for name in CALLS)


def test_a_removed_addition_can_still_be_read():
    known = with_([(CHATS[1], MEANING)], removed=[CHATS[1]])
    assert CHATS[1] not in known
    assert known.get(CHATS[1]).evidence == "removed"
    assert known.subject("conversations", "conversations") == f"{MEANING} (Conversations)"


def test_accounts_say_what_is_true():
    observed = {USAGE: True, CHATS[1]: False, CHATS[0]: True, "/twilio/not/in-the/catalogue": True}
    known = with_([(name, MEANING) for name in CHATS], observed=observed)
    assert known.get(USAGE).evidence == "account"
    assert known.get(CHATS[0]).evidence == "account"
    assert known.get(CHATS[1]).evidence == "refused"
    assert known.get(CHATS[2]).evidence == "operator"
    assert CHATS[1] in known
    assert known.get(EVERY_CHAT).evidence == "refused"
    assert "/twilio/not/in-the/catalogue" not in known


def test_a_wildcard_is_as_sure_as_its_actions():
    assert with_(observed=dict.fromkeys(CALLS, True)).get(EVERY_CALL).evidence == "account"
    assert with_(observed=dict.fromkeys(CALLS[:4], True)).get(EVERY_CALL) == catalogue().get(EVERY_CALL)


@given(st.sets(st.sampled_from(NAMES), max_size=20), st.dictionaries(st.sampled_from(NAMES), st.booleans(), max_size=9))
def test_whatever_is_removed_what_is_left_can_be_chosen_as_a_whole(removed, observed):
    known = with_(removed=removed, observed=observed)
    assert sorted(shown(known)) == sorted(item.name for item in known)
    assert not removed & set(shown(known))
    assert all(explicit in known for item in known for explicit in expand(item.name))
    assert all(known.get(name) for name in NAMES)


def test_every_known_permission_could_be_added():
    assert [name for name in NAMES if why_not_a_permission(name)] == [name for name in NAMES if name.endswith("/*")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "begins with /twilio/"),
        ("twilio/voice/calls/read", "begins with /twilio/"),
        ("/twilo/voice/calls/read", "begins with /twilio/"),
        ("/Twilio/voice/calls/read", "“T” is in no permission"),
        ("/twilio/voice/cаlls/read", "“а” is in no permission"),  # a Cyrillic letter
        ("/twilio/voice/calls/read ", "“ ” is in no permission"),
        ("/twilio/voice/calls/*", "Name each action"),
        ("/twilio/voice/*", "Name each action"),
        ("/twilio", "names no resource"),
        ("/twilio/voice", "names no resource"),
        ("/twilio/voice/read", "names no resource"),
        ("/twilio/voice/calls/recordings/read", "exactly four parts"),
        ("/twilio//calls/read", "exactly four parts"),
        ("/twilio/voice/calls/fetch", "one of list, read, create, update, delete"),
        ("/twilio/voice/calls/", "one of list, read, create, update, delete"),
        ("/twilio/voice/" + "x" * 200 + "/read", "at most 200"),
    ],
)
def test_what_is_wrong_with_a_name_is_said(name, words):
    assert words in why_not_a_permission(name)


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("/twilio/mesaging/messages/read", "messaging/messages"),
        ("/twilio/voice/call/read", "voice/calls"),
        ("/twilio/messaging/messages/read", ""),
        ("/twilio/billing/usage/update", ""),
        (CHATS[0], ""),
    ],
)
def test_a_likely_misspelling_is_pointed_out(name, twin):
    assert look_alike(name, catalogue()) == twin


def test_an_operators_file_is_read():
    text = f"permission\tmeaning\r\n{CHATS[0]}\t{MEANING}\r\n\r\n{CHATS[1]}\n{CHATS[2]}\t"
    assert read_additions(text) == ((CHATS[0], MEANING), (CHATS[1], ""), (CHATS[2], ""))
    assert read_additions("permission\tmeaning") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: "),
        (f"{USAGE}\tusage", "line 1: "),
        ("permission,meaning\n", "line 1: "),
        ("permission\tmeaning\n\n/twilio/voice/*\tx", "line 3: Name each action"),
        (f"permission\tmeaning\n{CHATS[0]}\tx\n{CHATS[0]}\tx", f"line 3: {CHATS[0]} is there twice"),
        (f"permission\tmeaning\n{CHATS[0]}\tx\ty", "line 2: too many tabs"),
        ("permission\tmeaning\n\tx", "line 2: A permission begins"),
    ],
)
def test_a_file_that_is_wrong_says_in_which_line(text, words):
    with pytest.raises(ValueError, match="line") as refusal:
        read_additions(text)
    assert str(refusal.value).startswith(words)
