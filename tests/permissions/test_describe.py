"""The summary says the worst first, in sentences a person can act on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.permissions.catalogue import WILDCARD, catalogue, expand
from keys_app.permissions.describe import Missing, summarize
from keys_app.permissions.presets import templates
from keys_app.permissions.risk import CONTENT, Risk, explain, policy_risk

NAMES = sorted(permission.name for permission in catalogue())
EXPLICIT = [name for name in NAMES if not name.endswith(WILDCARD)]
policies = st.lists(st.sampled_from(NAMES), max_size=30, unique=True)


def missing(*names):
    return {item.permission for item in summarize(names).missing}


@given(policies)
def test_the_leak_is_one_to_four_sentences(names):
    leak = summarize(names).leak
    assert 1 <= len(leak) <= 4
    assert len(set(leak)) == len(leak)
    assert all(sentence.startswith("A stranger could") and sentence.endswith(".") for sentence in leak)
    assert all(len(sentence) < 250 for sentence in leak)


@pytest.mark.parametrize("name", EXPLICIT)
def test_every_permission_alone_makes_one_plain_sentence(name):
    (sentence,) = summarize([name]).leak
    item = catalogue().get(name)
    assert f"{item.product}/{item.resource}" not in sentence
    assert "nothing" not in sentence


@given(policies)
def test_risk_and_reasons_are_those_of_the_explicit_set(names):
    summary = summarize(names)
    explicit = sorted({one for name in names for one in expand(name)})
    assert summary.risk is policy_risk(explicit)
    assert summary.reasons == tuple(explain(explicit))


@given(policies)
def test_what_is_missing_exists_and_is_not_there_already(names):
    summary = summarize(names)
    explicit = {one for name in names for one in expand(name)}
    listed = [item.permission for item in summary.missing]
    assert len(set(listed)) == len(listed)
    assert all(name in catalogue() and name not in explicit for name in listed)
    assert all(
        item.permission.rpartition("/")[0] in {name.rpartition("/")[0] for name in explicit} for item in summary.missing
    )


@given(policies)
def test_giving_what_is_missing_ends_with_nothing_missing(names):
    for _ in range(2):  # read calls for list in turn
        names = [*names, *(item.permission for item in summarize(names).missing)]
    assert summarize(names).missing == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/twilio/messaging/messages/create", "at the account's cost: send messages to anyone."),
        ("/twilio/voice/calls/create", "at the account's cost: call anyone."),
        ("/twilio/verify/verification/create", "at the account's cost: send verification codes to anyone."),
        ("/twilio/phone-numbers/active-numbers/create", "at the account's cost: buy phone numbers."),
        ("/twilio/messaging/messages/read", "read what customers wrote and were sent."),
        ("/twilio/messaging/messages/list", "read what customers wrote and were sent."),
        ("/twilio/voice/recordings/read", "read what was said in calls."),
        ("/twilio/video/recordings/read", "read video recordings and what was said in them."),
        ("/twilio/iam/api-keys/create", "make keys with full access"),
        ("/twilio/iam/api-keys/*", "make keys with full access"),
        ("/twilio/iam/api-keys/delete", "change who may use the account: API keys."),
        ("/twilio/iam/api-keys/list", "see how the account is set up: API keys."),
        ("/twilio/studio/flows/delete", "delete for good: Studio flows."),
        ("/twilio/studio/flows.validate/update", "change: dry-run check of a flow definition."),
        ("/twilio/voice/queues/create", "create: hold queues for waiting calls."),
        ("/twilio/event-streams/sink/create", "goes on working after the key is revoked: delivery target for events."),
        ("/twilio/voice/sip.credential-lists/update", "key is revoked: username/password lists for SIP"),
        ("/twilio/verify/factor/read", "read how users prove who they are."),
        ("/twilio/phone-numbers/regulatory-compliance.end-users/list", "read identity papers, and whom they are"),
        ("/twilio/lookup/phone-numbers/read", "at the account's cost: look up who is behind phone numbers."),
        ("/twilio/billing/usage/read", "see account usage records."),
    ],
)
def test_it_says_what_a_stranger_could_do(name, said):
    (sentence,) = summarize([name]).leak
    assert said in sentence


def test_the_worst_comes_first_and_only_four_are_said():
    leak = summarize(NAMES).leak
    assert [
        word in sentence for word, sentence in zip(["full access", "cost", "read", "is revoked"], leak, strict=True)
    ] == [True] * 4
    assert "send messages to anyone" in leak[1]


def test_long_lists_are_cut_with_a_count():
    (sentence,) = summarize(
        [name for name in NAMES if name.startswith("/twilio/taskrouter") and name.endswith("/list")]
    ).leak
    assert sentence.count(",") == 2
    assert "more." in sentence


def test_nothing_leaks_nothing():
    summary = summarize([])
    assert (summary.risk, summary.reasons, summary.missing) == (Risk.LOW, (), ())
    assert summary.leak == ("A stranger could do nothing with it.",)


@pytest.mark.parametrize("resource", sorted(CONTENT))
def test_private_content_is_never_merely_seen(resource):
    names = [
        name
        for name in EXPLICIT
        if name.rpartition("/")[0] == f"/twilio/{resource}" and name.endswith(("/read", "/list"))
    ]
    assert summarize(names).leak[0].startswith("A stranger could read ")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["/twilio/messaging/messages/create"], {"/twilio/messaging/messages/read"}),
        (["/twilio/messaging/messages/update"], {"/twilio/messaging/messages/read"}),
        (["/twilio/messaging/messages/delete"], {"/twilio/messaging/messages/read"}),
        (["/twilio/messaging/messages/read"], {"/twilio/messaging/messages/list"}),
        (["/twilio/messaging/messages/list"], set()),
        (["/twilio/messaging/messages/create", "/twilio/messaging/messages/read"], {"/twilio/messaging/messages/list"}),
        (["/twilio/messaging/messages/*"], set()),
        (["/twilio/verify/verification-check/create"], set()),  # there is no read
        (["/twilio/lookup/phone-numbers/read"], set()),  # there is no list
        (["/twilio/event-streams/sink.test/create"], set()),
        (
            ["/twilio/messaging/messages/create", "/twilio/messaging/services/read"],
            {"/twilio/messaging/messages/read", "/twilio/messaging/services/list"},
        ),
    ],
)
def test_it_names_what_is_usually_wanted(names, expected):
    assert missing(*names) == expected


def test_it_says_why_once():
    (item,) = summarize(["/twilio/messaging/messages/create", "/twilio/messaging/messages/delete"]).missing
    assert item == Missing("/twilio/messaging/messages/read", "Without read the key cannot look at what it created.")


def test_a_permission_the_catalogue_does_not_hold_is_summarized_too():
    summary = summarize(["/twilio/conversations/chats/create", "/twilio/iam/new-thing/update"])
    assert summary.risk is Risk.CRITICAL
    assert "conversations/chats" in summary.leak[1]
    assert summary.missing == ()


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.slug)
def test_templates_lack_little(template):
    """A template leaves out only what it says it leaves out."""
    assert len(summarize(template.permissions).missing) == 0
