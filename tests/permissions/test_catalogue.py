"""The catalogue is what the data files say, and helps with names that are nearly right."""

from collections import Counter

import pytest

from keys_app.permissions.catalogue import ACTIONS, PRODUCT_TITLES, WILDCARD, catalogue, expand


def listed():
    return [permission for permission in catalogue() if permission.evidence != "implied"]


def test_it_has_every_listed_permission_and_the_implied_ones():
    evidence = Counter(permission.evidence for permission in catalogue())
    assert len(listed()) == 514
    assert evidence == {"two-lists": 373, "one-list": 140, "one-report": 1, "implied": 5}


def test_it_groups_them_by_product_and_resource():
    products = catalogue().products
    shown = [item for product in products for resource in product.resources for item in resource.permissions]
    assert [product.name for product in products] == sorted(PRODUCT_TITLES)
    assert len(products) == 14
    assert sum(len(product.resources) for product in products) == 162
    assert Counter(shown) == Counter(catalogue())


def test_every_resource_has_a_meaning():
    without = [r.name for product in catalogue().products for r in product.resources if not r.meaning]
    assert without == []


def test_the_columns_agree_with_the_name():
    for item in catalogue():
        assert item.name == f"/twilio/{item.product}/{item.resource}/{item.action}"


def test_a_wildcard_exists_exactly_where_all_five_actions_do():
    for product in catalogue().products:
        for resource in product.resources:
            actions = {item.action for item in resource.permissions}
            assert (WILDCARD in actions) == (actions >= set(ACTIONS)), resource.name


def test_actions_come_in_one_order_with_the_wildcard_last():
    order = [*ACTIONS, WILDCARD]
    for product in catalogue().products:
        for resource in product.resources:
            places = [order.index(item.action) for item in resource.permissions]
            assert places == sorted(places)


def test_only_a_wildcard_is_expanded():
    assert expand("/twilio/messaging/messages/*") == tuple(f"/twilio/messaging/messages/{a}" for a in ACTIONS)
    assert expand("/twilio/messaging/messages/read") == ("/twilio/messaging/messages/read",)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/twilio/messaging/message/read", "/twilio/messaging/messages/read"),
        ("/twilio/mesaging/messages/create", "/twilio/messaging/messages/create"),
        ("twilio/voice/calls/list", "/twilio/voice/calls/list"),
        ("/TWILIO/Voice/Calls/List", "/twilio/voice/calls/list"),
        ("/twilio/billing/usage/reed", "/twilio/billing/usage/read"),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(typed, meant):
    nearest = catalogue().nearest(typed)
    assert nearest[0] == meant
    assert len(set(nearest)) == 3
    assert all(name in catalogue() for name in nearest)


@pytest.mark.parametrize("typed", ["", "x", "'; DROP TABLE", "é" * 10_000])
def test_there_are_three_nearest_names_for_anything(typed):
    assert len(catalogue().nearest(typed)) == 3
