"""How much harm a key could do, by the rules the portal promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.permissions.catalogue import ACTIONS, catalogue
from keys_app.permissions.risk import CONTENT, RATES, Risk, explain, policy_risk, rates_of, risk_of

NAMES = sorted(permission.name for permission in catalogue())
policies = st.lists(st.sampled_from(NAMES), max_size=30, unique=True)
USAGE = "/twilio/billing/usage/read"


@pytest.mark.parametrize(
    ("name", "risk"),
    [
        ("/twilio/iam/api-keys/read", Risk.CRITICAL),
        ("/twilio/iam/accounts/list", Risk.CRITICAL),
        ("/twilio/iam/api-keys/create", Risk.CRITICAL),
        ("/twilio/iam/api-keys/*", Risk.CRITICAL),
        ("/twilio/studio/flows/delete", Risk.HIGH),
        ("/twilio/studio/flows/*", Risk.HIGH),
        ("/twilio/messaging/messages/read", Risk.HIGH),
        ("/twilio/messaging/messages/list", Risk.HIGH),
        ("/twilio/messaging/messages/*", Risk.HIGH),
        ("/twilio/messaging/messages.media/read", Risk.HIGH),
        ("/twilio/voice/recordings/read", Risk.HIGH),
        ("/twilio/voice/transcriptions/read", Risk.HIGH),
        ("/twilio/messaging/messages/create", Risk.MEDIUM),
        ("/twilio/messaging/messages/update", Risk.MEDIUM),
        ("/twilio/studio/flows/create", Risk.HIGH),
        ("/twilio/studio/flows/update", Risk.HIGH),
        ("/twilio/voice/queues/create", Risk.MEDIUM),
        ("/twilio/voice/queues/update", Risk.MEDIUM),
        ("/twilio/lookup/phone-numbers/read", Risk.MEDIUM),
        ("/twilio/phone-numbers/regulatory-compliance.regulations/read", Risk.LOW),
        ("/twilio/phone-numbers/active-numbers/read", Risk.LOW),
        ("/twilio/verify/service/read", Risk.LOW),
        ("/twilio/studio/flows/read", Risk.LOW),
        ("/twilio/studio/flows/list", Risk.LOW),
        ("/twilio/messaging/messages.feedback/create", Risk.MEDIUM),
        (USAGE, Risk.LOW),
    ],
)
def test_each_rule(name, risk):
    assert name in catalogue()
    assert risk_of(name) is risk


def test_everything_in_identity_and_access_is_critical():
    inside = [name for name in NAMES if name.startswith("/twilio/iam/")]
    assert inside
    assert {risk_of(name) for name in inside} == {Risk.CRITICAL}
    assert not [name for name in NAMES if risk_of(name) is Risk.CRITICAL and name not in inside]


def test_no_delete_is_below_high():
    assert {risk_of(name) for name in NAMES if name.endswith(("/delete", "/*"))} == {Risk.HIGH, Risk.CRITICAL}


def test_no_create_or_update_is_below_medium():
    assert Risk.LOW not in {risk_of(name) for name in NAMES if name.endswith(("/create", "/update"))}


@pytest.mark.parametrize("word", ["recordings", "transcri", "media", "messages"])
def test_reading_what_people_said_is_high(word):
    """By the words in a resource's own name, so that a new row of the catalogue is not forgotten."""
    named = [
        item
        for item in catalogue()
        if item.action in ("read", "list") and item.resource.rpartition(".")[2].split("-")[0].startswith(word)
    ]
    assert named
    assert {risk_of(item.name) for item in named} == {Risk.HIGH}


def test_every_resource_held_to_be_private_exists():
    assert set(CONTENT) <= {f"{item.product}/{item.resource}" for item in catalogue()}


PUBLIC = {
    f"/twilio/phone-numbers/regulatory-compliance.{name}/{action}"
    for name in ("end-users-types", "regulations", "supporting-documents-types")
    for action in ("list", "read")
}
"""What says which papers a country asks for, and of no one what they are."""


def test_rates_are_for_what_exists_and_no_line_stands_twice():
    lines = [(rate.kind, rate.where, action) for rate in RATES for action in rate.actions]
    assert len({*lines}) == len(lines)
    resources = {f"{item.product}/{item.resource}" for item in catalogue()}
    assert {rate.where for rate in RATES if "/" in rate.where} <= resources
    assert {name for name in NAMES if rates_of(name) == () and "regulatory-compliance" in name} - PUBLIC == {
        name for name in NAMES if "regulatory-compliance" in name and name.endswith(("/delete", "/*"))
    }


PERSONAL = ("bundles", "end-users", "supporting-documents", "identity", "trust-hub", "customer-profiles", "factors")
PERSONAL += ("entities", "challenge", "passkeys", "totp", "kyc")
OUTLIVES = ("sinks", "subscription", "webhooks", "callbacks", "credential-lists", "credentials", "ip-acls", "domains")
OUTLIVES += ("api-keys", "signing-keys", "accounts", "sub-accounts", "oauth-apps", "forwarding", "tokens")
OUTLIVES += ("origination-urls", "trunks", "twiml.apps", "incoming-phone-numbers", "hooks", "functions", "certs")
COSTS = ("lookup", "lookups", "orders", "purchases", "porting")
ACTS = ("messages", "calls", "verifications", "faxes", "notifications", "dialers", "orders", "number-purchases")
around = st.sampled_from(["", "v2.", "new-", "services.", "settings."])
after = st.sampled_from(["", ".items", "-mappings", ".configuration"])
products = st.sampled_from(["conversations", "trust", "wireless", "phone-numbers", "new-product"])


@given(products, around, st.sampled_from(PERSONAL), after, st.sampled_from(ACTIONS))
def test_what_a_new_catalogue_says_of_people_is_high(product, before, word, behind, action):
    assert risk_of(f"/twilio/{product}/{before}{word}{behind}/{action}") is Risk.HIGH


@given(products, around, st.sampled_from(OUTLIVES), after, st.sampled_from(["create", "update", "delete"]))
def test_what_a_new_catalogue_has_that_outlives_the_key_is_high(product, before, word, behind, action):
    assert risk_of(f"/twilio/{product}/{before}{word}{behind}/{action}") is Risk.HIGH


@given(products, around, st.sampled_from(COSTS), after, st.sampled_from(ACTIONS))
def test_what_a_new_catalogue_has_that_costs_money_is_not_low(product, before, word, behind, action):
    assert risk_of(f"/twilio/{product}/{before}{word}{behind}/{action}") is not Risk.LOW


@given(products, around, st.sampled_from(ACTS), after, st.sampled_from(["create", "update"]))
def test_what_a_new_catalogue_orders_sends_or_calls_is_not_low(product, before, word, behind, action):
    assert risk_of(f"/twilio/{product}/{before}{word}{behind}/{action}") is not Risk.LOW


def test_nothing_in_the_catalogue_that_these_words_fit_is_low():
    words = [word.replace("ies", "y").rstrip("s").replace("-", "") for word in (*PERSONAL, *COSTS)]
    fits = [name for name in NAMES if any(word in name.replace("-", "") for word in words)]
    assert {name for name in fits if risk_of(name) is Risk.LOW} == {
        name for name in PUBLIC if "end-users" in name or "supporting" in name
    }
    assert len(fits) > 30


def test_the_approver_is_told_why():
    said = {name: explain([name])[0].sentence for name in NAMES}
    for name in NAMES:
        for rate in rates_of(name):
            assert rate.words in said[name] or name.startswith("/twilio/iam/"), name


def test_the_risks_are_in_order():
    assert sorted(Risk, key=lambda risk: risk.weight) == [Risk.LOW, Risk.MEDIUM, Risk.HIGH, Risk.CRITICAL]


@given(policies)
def test_the_highest_risk_wins(names):
    risk = policy_risk(names)
    assert all(risk_of(name).weight <= risk.weight for name in names)
    assert risk in {risk_of(name) for name in names} or not names


def test_one_dangerous_permission_among_many_decides():
    quiet = [name for name in NAMES if risk_of(name) is Risk.LOW][:99]
    assert policy_risk(quiet) is Risk.LOW
    assert policy_risk([*quiet, "/twilio/iam/api-keys/list"]) is Risk.CRITICAL


@pytest.mark.parametrize("name", NAMES)
def test_every_permission_has_a_sentence(name):
    (reason,) = explain([name])
    item = catalogue().get(name)
    assert reason.sentence.startswith("can ")
    assert reason.permissions == (name,)
    assert reason.risk is risk_of(name)
    assert len(reason.sentence) > len("can read x")
    assert f"{item.product}/{item.resource}" not in reason.sentence


@given(policies)
def test_the_explanation_covers_each_permission_once_and_starts_with_the_worst(names):
    reasons = explain(names)
    weights = [reason.risk.weight for reason in reasons]
    assert sorted(name for reason in reasons for name in reason.permissions) == sorted(names)
    assert weights == sorted(weights, reverse=True)
    assert all(risk_of(name) is reason.risk for reason in reasons for name in reason.permissions)
    assert len({reason.sentence for reason in reasons}) == len(reasons)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["/twilio/messaging/messages/read"], "can read the text of every message"),
        (["/twilio/messaging/messages/list", "/twilio/messaging/messages/read"], "text of every message"),
        (["/twilio/iam/api-keys/create"], "can do everything the account can"),
        (["/twilio/iam/api-keys/*"], "can do everything the account can"),
        (
            ["/twilio/studio/flows/create", "/twilio/studio/flows/update"],
            "can create and change Studio flows (Studio): calls, messages or events keep going to the address set",
        ),
        (["/twilio/studio/flows/*"], "can list, read, create, change and delete Studio flows (Studio)"),
    ],
)
def test_it_says_so_in_plain_words(names, sentence):
    (reason,) = explain(names)
    assert sentence in reason.sentence
    assert reason.permissions == tuple(names)


def test_nothing_needs_no_explanation():
    assert explain([]) == []
    assert policy_risk([]) is Risk.LOW
