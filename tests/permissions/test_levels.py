"""A level and the set it stands for are two ways to write the same choice."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.permissions.catalogue import WILDCARD, catalogue, expand
from keys_app.permissions.levels import Level, available_levels, level_of, permissions_at

BY_NAME = {f"{product.name}/{item.name}": item for product in catalogue().products for item in product.resources}
RESOURCES = list(BY_NAME.values())
SETS = [level for level in Level if level is not Level.CUSTOM]
resources = st.sampled_from(RESOURCES)


def explicit(resource):
    return [item.name for item in resource.permissions if item.action != WILDCARD]


def actions_at(key, level):
    return [name.rpartition("/")[2] for name in permissions_at(BY_NAME[key], level)]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.permissions[0].name)
def test_the_levels_of_a_resource_come_back_and_differ(resource):
    offered = available_levels(resource)
    assert offered[0] is Level.NONE
    assert [level_of(resource, permissions_at(resource, level)) for level in offered] == list(offered)
    assert len({permissions_at(resource, level) for level in offered}) == len(offered)
    assert set(permissions_at(resource, offered[-1])) == set(explicit(resource))


@given(resources, st.sampled_from(SETS))
def test_a_level_becomes_the_least_one_with_the_same_set(resource, level):
    names = permissions_at(resource, level)
    back = level_of(resource, names)
    assert SETS.index(back) <= SETS.index(level)
    assert permissions_at(resource, back) == names


@given(resources)
def test_each_level_holds_the_one_below_it_and_never_a_wildcard(resource):
    sets = [set(permissions_at(resource, level)) for level in SETS]
    assert all(low <= high for low, high in pairwise(sets))
    assert not [name for names in sets for name in names if name.endswith(WILDCARD) or name not in catalogue()]


@given(st.data())
def test_any_choice_is_a_level_or_custom(data):
    resource = data.draw(resources)
    chosen = data.draw(st.sets(st.sampled_from(explicit(resource))))
    level = level_of(resource, chosen)
    if level is Level.CUSTOM:
        assert all(set(permissions_at(resource, other)) != chosen for other in SETS)
    else:
        assert set(permissions_at(resource, level)) == chosen


@pytest.mark.parametrize(
    ("key", "level", "actions"),
    [
        ("messaging/messages", Level.READ, ["list", "read"]),
        ("messaging/messages", Level.WRITE, ["list", "read", "create", "update"]),
        ("messaging/messages", Level.ALL, ["list", "read", "create", "update", "delete"]),
        ("messaging/messages", Level.NONE, []),
        ("billing/usage", Level.READ, ["read"]),
        ("billing/usage", Level.ALL, ["read"]),
        ("event-streams/sink.test", Level.READ, []),
        ("event-streams/sink.test", Level.WRITE, ["create"]),
        ("voice/recordings", Level.WRITE, ["list", "read"]),
        ("voice/sip.connection-policies.targets", Level.ALL, ["list", "read", "create", "update", "delete"]),
    ],
)
def test_a_level_is_what_exists_of_it(key, level, actions):
    assert actions_at(key, level) == actions


@pytest.mark.parametrize(
    ("key", "offered"),
    [
        ("messaging/messages", ["none", "read", "write", "all"]),
        ("billing/usage", ["none", "read"]),
        ("event-streams/sink.test", ["none", "write"]),
        ("voice/recordings", ["none", "read", "all"]),
        ("voice/sip.emergency-addresses", ["none", "write", "all"]),
    ],
)
def test_only_levels_that_differ_are_offered(key, offered):
    assert [level.value for level in available_levels(BY_NAME[key])] == offered


def test_a_wildcard_is_everything():
    assert level_of(BY_NAME["voice/calls"], ["/twilio/voice/calls/*"]) is Level.ALL


def test_other_resources_do_not_count():
    chosen = [*expand("/twilio/voice/calls/*"), "/twilio/voice/queues/read"]
    assert level_of(BY_NAME["voice/calls"], chosen) is Level.ALL
    assert level_of(BY_NAME["voice/queues"], chosen) is Level.CUSTOM
    assert level_of(BY_NAME["voice/recordings"], chosen) is Level.NONE


def test_resources_of_the_same_name_in_two_products_are_kept_apart():
    assert level_of(BY_NAME["voice/recordings"], permissions_at(BY_NAME["video/recordings"], Level.ALL)) is Level.NONE


def test_custom_stands_for_no_set():
    with pytest.raises(ValueError, match="custom"):
        permissions_at(BY_NAME["voice/calls"], Level.CUSTOM)
