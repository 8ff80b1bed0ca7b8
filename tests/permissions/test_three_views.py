"""Levels, checkboxes and JSON show one policy; going from any of them to any other changes nothing."""

import json

from hypothesis import given
from hypothesis import strategies as st

from keys_app.permissions.catalogue import WILDCARD, catalogue, expand
from keys_app.permissions.levels import Level, level_of, permissions_at
from keys_app.permissions.policy import MAX_PERMISSIONS, Policy
from keys_app.permissions.policy_json import parse_policy_text

RESOURCES = [resource for product in catalogue().products for resource in product.resources]
EXPLICIT = sorted(permission.name for permission in catalogue() if permission.action != WILDCARD)
WILDCARDS = sorted(permission.name for permission in catalogue() if permission.action == WILDCARD)
single = st.sets(st.sampled_from(EXPLICIT), min_size=1, max_size=60)


@st.composite
def whole_levels(draw):
    """Sets that have the form of levels, which single names drawn by chance seldom have."""
    chosen = draw(st.lists(st.tuples(st.sampled_from(RESOURCES), st.sampled_from(list(Level)[1:4])), max_size=8))
    names = {name for resource, level in chosen for name in permissions_at(resource, level)}
    return names or {EXPLICIT[0]}


choices = st.one_of(single, whole_levels())


def to_levels(chosen):
    """Return a level for each resource and, where that is custom, the actions."""
    levels, custom = {}, {}
    for place, resource in enumerate(RESOURCES):
        level = level_of(resource, chosen)
        if level is Level.CUSTOM:
            custom[place] = [item.name for item in resource.permissions if item.name in chosen]
        elif level is not Level.NONE:
            levels[place] = level
    return levels, custom


def from_levels(levels, custom):
    names = {name for place, level in levels.items() for name in permissions_at(RESOURCES[place], level)}
    return names | {name for listed in custom.values() for name in listed}


@given(choices)
def test_the_three_views_agree(chosen):
    by_levels = from_levels(*to_levels(chosen))
    by_boxes = Policy.parse(chosen)
    by_json = parse_policy_text(by_boxes.to_json())
    assert by_levels == set(by_boxes) == set(by_json) == chosen


@given(choices)
def test_going_round_changes_nothing(chosen):
    policy = Policy.parse(from_levels(*to_levels(chosen)))
    again = parse_policy_text(policy.pretty_json())
    assert to_levels(set(again)) == to_levels(chosen)
    assert Policy.parse(again).to_json() == policy.to_json()


@given(st.sets(st.sampled_from(WILDCARDS), min_size=1, max_size=MAX_PERMISSIONS // 5))
def test_wildcards_mean_the_same_in_each_view(wildcards):
    expected = {name for wildcard in wildcards for name in expand(wildcard)}
    assert from_levels(*to_levels(wildcards)) == expected
    assert set(Policy.parse(wildcards)) == expected
    assert set(parse_policy_text(json.dumps({"allow": sorted(wildcards)}))) == expected


@given(choices, st.sampled_from(EXPLICIT))
def test_one_tick_is_seen_in_every_view(chosen, tick):
    other = chosen ^ {tick}
    assert from_levels(*to_levels(other)) == other
    if other:
        assert set(parse_policy_text(Policy.parse(other).to_json())) == other
        assert Policy.parse(other) != Policy.parse(chosen)
