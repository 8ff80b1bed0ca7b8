"""A policy is a set: however it is written down, it stays the same one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.core.errors import InvalidInput
from keys_app.permissions.catalogue import ACTIONS, WILDCARD, catalogue, expand
from keys_app.permissions.policy import MAX_PERMISSIONS, Policy, UnknownPermissions
from keys_app.permissions.seen_policy import NoPolicy, departure, read_policy, tell_standard

NAMES = sorted(permission.name for permission in catalogue())
EXPLICIT = [name for name in NAMES if not name.endswith(WILDCARD)]
WILDCARDS = [name for name in NAMES if name.endswith(WILDCARD)]
# At most 20 of them, wildcards included, so that the five of each fit under the limit.
choices = st.lists(st.sampled_from(NAMES), min_size=1, max_size=20, unique=True)
READ = "/twilio/messaging/messages/read"


def expanded(names):
    return {explicit for name in names for explicit in expand(name)}


def collapsed(policy):
    """Return the names as Twilio may answer them: a wildcard where all five actions are set."""
    names = set(policy)
    for wildcard in WILDCARDS:
        if names >= set(expand(wildcard)):
            names = names - set(expand(wildcard)) | {wildcard}
    return names


@given(choices)
def test_it_survives_json(names):
    policy = Policy.parse(names)
    assert Policy.from_json(policy.to_json()) == policy
    assert Policy.from_json(policy.pretty_json()) == policy
    assert set(policy) == expanded(names)


@given(choices, st.randoms(use_true_random=False))
def test_order_and_duplicates_do_not_matter(names, chance):
    again = names + chance.choices(names, k=5)
    chance.shuffle(again)
    assert Policy.parse(again) == Policy.parse(names)
    assert Policy.parse(again).to_json() == Policy.parse(names).to_json()


@given(st.sampled_from(WILDCARDS), choices)
def test_a_wildcard_is_its_five_actions(wildcard, others):
    spelled_out = [*others[:10], *(wildcard[:-1] + action for action in ACTIONS)]
    assert Policy.parse([*others[:10], wildcard]) == Policy.parse(spelled_out)
    assert wildcard not in Policy.parse([wildcard])


@given(choices, choices)
def test_equal_means_the_same_set_and_so_does_the_digest(one, other):
    same = expanded(one) == expanded(other)
    assert (Policy.parse(one) == Policy.parse(other)) == same
    assert (Policy.parse(one).digest() == Policy.parse(other).digest()) == same


@given(choices)
def test_one_permission_more_or_less_is_another_policy(names):
    policy = Policy.parse(names)
    spare = next(name for name in EXPLICIT if name not in policy)
    assert Policy.of([*policy, spare]) != policy
    assert Policy.of([*policy, spare]).digest() != policy.digest()
    assert Policy.of(list(policy)[1:]).digest() != policy.digest()


def test_the_canonical_form_is_sorted_and_without_spaces():
    names = ["/twilio/voice/calls/read", "/twilio/billing/usage/read"]
    assert Policy.parse(names).to_json() == ('{"allow":["/twilio/billing/usage/read","/twilio/voice/calls/read"]}')


@pytest.mark.parametrize("names", [[], (), iter([])])
def test_nothing_is_not_a_policy(names):
    with pytest.raises(InvalidInput, match="at least one") as refusal:
        Policy.parse(names)
    assert refusal.value.field == "permissions"


@pytest.mark.parametrize("count", [1, 99, MAX_PERMISSIONS])
def test_it_takes_up_to_100(count):
    assert len(Policy.parse(EXPLICIT[:count])) == count


@pytest.mark.parametrize("count", [MAX_PERMISSIONS + 1, len(EXPLICIT)])
def test_it_refuses_more_than_100(count):
    with pytest.raises(InvalidInput, match=f"{count} permissions are chosen.*at most 100"):
        Policy.parse(EXPLICIT[:count])


def test_a_wildcard_counts_as_five():
    others = [name for name in EXPLICIT if name not in expand(WILDCARDS[0])]
    assert len(Policy.parse([WILDCARDS[0], *others[:95]])) == 100
    with pytest.raises(InvalidInput, match="101 permissions"):
        Policy.parse([WILDCARDS[0], *others[:96]])


def test_a_wildcard_and_its_own_actions_count_once():
    assert len(Policy.parse([WILDCARDS[0], *expand(WILDCARDS[0])])) == 5


@given(choices, st.randoms(use_true_random=False))
def test_it_reads_an_answer_that_is_collapsed_and_shuffled(names, chance):
    policy = Policy.parse(names)
    answer = sorted(collapsed(policy))
    chance.shuffle(answer)
    assert read_policy({"allow": answer}) == policy


def test_collapsing_is_worth_testing():
    assert collapsed(Policy.parse([WILDCARDS[0], READ])) == {WILDCARDS[0], READ}


@given(choices, st.data())
def test_an_answer_with_one_permission_less_is_another_policy(names, data):
    policy = Policy.parse(names)
    lost = data.draw(st.sampled_from(policy.allow))
    assert read_policy({"allow": [name for name in policy if name != lost]}) != policy


def test_an_answer_may_name_what_the_catalogue_does_not_know():
    answer = read_policy({"allow": [READ, "/twilio/new-product/things/read"]})
    assert isinstance(answer, Policy)
    assert answer != Policy.parse([READ])


@pytest.mark.parametrize(
    "answer",
    [
        "",
        [],
        [READ],
        json.dumps({"allow": [READ]}),
        {},
        {"allow": None},
        {"allow": READ},
        {"allow": {READ: True}},
        {"allow": [READ, 1]},
        {"allow": [READ, None]},
        {"allow": [[READ]]},
        {"allow": [READ.upper()]},
        {"allow": [READ + "\n"]},
        {"allow": ["/twilio/messaging/messages"]},
        {"allow": ["*"]},
        {"allow": ["/twilio/*/*/*"]},
        {"Allow": [READ]},
        {"allow": [READ], "deny": [READ]},
        {"allow": [READ], "deny": [None]},
        {"allow": [READ], "conditions": {"ip": []}},
        {"allow": [READ], "expires": "2026-12-31"},
        {"allow": [READ], "all": True},
        {"allow": [READ], "limit": 0},
    ],
    ids=repr,
)
def test_another_shape_is_a_policy_that_cannot_be_read(answer):
    assert read_policy(answer) is NoPolicy.UNREADABLE


@pytest.mark.parametrize("empty", [[], {}, None, "", False], ids=repr)
def test_an_empty_field_beside_the_permissions_changes_nothing(empty):
    assert read_policy({"allow": [READ], "deny": empty, "more": empty}) == Policy.of([READ])


def test_null_is_a_standard_key():
    assert read_policy(None) is NoPolicy.STANDARD


@pytest.mark.parametrize(
    ("flags", "standard"),
    [
        (("rest_api", "signing"), True),
        (("signing", "rest_api"), True),
        ((), False),
        (("rest_api",), False),
        (("restricted",), False),
        (("rest_api", "signing", "restricted"), False),
    ],
)
def test_only_the_flags_that_were_seen_tell_a_standard_key(flags, standard):
    assert tell_standard(flags) is standard


def test_what_differs_is_one_of_three_things():
    approved, other = Policy.of([READ]), Policy.of(["/twilio/voice/calls/read"])
    assert departure(approved, approved) == departure(NoPolicy.STANDARD, None) == {}
    assert departure(other, approved) == {"added": list(other), "removed": [READ]}
    assert departure(other, None) == {"added": list(other), "removed": []}
    assert departure(NoPolicy.STANDARD, approved) == {"policy": "standard"}
    assert departure(NoPolicy.UNREADABLE, approved) == departure(NoPolicy.UNREADABLE, None) == {"policy": "unreadable"}


@pytest.mark.parametrize("text", ["", "null", "[]", '{"allow":[1]}', '{"allow":[],"deny":[]}', "{", f'"{READ}"'])
def test_stored_text_that_is_no_policy_is_refused(text):
    with pytest.raises(ValueError):
        Policy.from_json(text)


def test_an_unknown_permission_comes_with_the_three_nearest():
    with pytest.raises(UnknownPermissions) as refusal:
        Policy.parse([READ, "/twilio/messaging/message/read"])
    (unknown,) = refusal.value.unknown
    assert refusal.value.field == "permissions"
    assert unknown.nearest[0] == READ
    assert len(unknown.nearest) == 3
    assert refusal.value.message == (
        f"“/twilio/messaging/message/read” is not in the catalogue. Nearest: {', '.join(unknown.nearest)}."
    )


def test_every_unknown_permission_is_named():
    wrong = ["/twilio/voice/call/read", "/twilio/voice/calls/reed"]
    with pytest.raises(UnknownPermissions) as refusal:
        Policy.parse([*wrong, READ, wrong[0]])
    assert [unknown.name for unknown in refusal.value.unknown] == wrong


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "read",
        "/twilio/messaging/messages",
        "/twilio/messaging/messages/",
        "/twilio//messages/read",
        "/twilio/messaging/messages/read/",
        "/twilio/messaging/messages/read ",
        " /twilio/messaging/messages/read",
        "/twilio/messaging/messages/read\n",
        "/twilio/messaging/messages/re\x00ad",
        "/twilio/messaging/../iam/read",
        "/Twilio/Messaging/Messages/Read",
        READ.upper(),
        "/twilio/messaging/messages/rеad",  # a Cyrillic е
        "/twilio/messaging/messages/re\u200bad",
        "\uff0ftwilio/messaging/messages/read",
    ],
    ids=ascii,
)
def test_a_malformed_name_is_told_the_shape(name):
    with pytest.raises(UnknownPermissions, match="must look like /twilio/product/resource/action") as refusal:
        Policy.parse([name])
    assert len(refusal.value.unknown[0].nearest) == 3


@pytest.mark.parametrize("name", ["/twilio/*/*/*", "*", "/twilio/billing/usage/*", "/twilio/voice/*/read"])
def test_a_wildcard_that_does_not_exist_is_refused(name):
    with pytest.raises(UnknownPermissions):
        Policy.parse([name])


def test_a_long_name_is_cut_in_the_message():
    with pytest.raises(UnknownPermissions) as refusal:
        Policy.parse(["/twilio/" + "x" * 10_000])
    assert len(refusal.value.message) < 500


def test_many_unknown_names_are_refused_without_a_long_search():
    names = [f"/twilio/voice/calls/unknown{number}" for number in range(1000)]
    with pytest.raises(UnknownPermissions) as refusal:
        Policy.parse(names)
    assert len(refusal.value.unknown) == 1000
    assert refusal.value.message.count("Nearest:") == 10
