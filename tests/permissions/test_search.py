"""People search with their own words."""

import csv
from importlib import resources

import pytest

from keys_app.permissions.catalogue import catalogue
from keys_app.permissions.search import matches, search_text

TEXTS = {
    f"{product.name}/{item.name}": search_text(product, item)
    for product in catalogue().products
    for item in product.resources
}
SYNONYMS = list(
    csv.DictReader(
        resources.files("keys_app.permissions").joinpath("data/synonyms.tsv").read_text("utf-8").splitlines(),
        delimiter="\t",
    )
)


def found(query):
    return {key for key, text in TEXTS.items() if matches(query, text)}


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("text", "messaging/messages"),
        ("SMS", "messaging/messages"),
        ("mms", "messaging/messages.media"),
        ("WhatsApp", "messaging/messages"),
        ("recording", "voice/recordings"),
        ("voicemail", "voice/recordings"),
        ("otp", "verify/verification"),
        ("2FA", "verify/verification-check"),
        ("caller id", "voice/outgoing-caller-ids"),
        ("bill", "billing/usage"),
        ("cost", "billing/usage"),
        ("phone number", "phone-numbers/active-numbers"),
        ("carrier", "lookup/phone-numbers"),
        ("ivr", "studio/flows"),
        ("queue", "voice/queues"),
        ("queue", "taskrouter/workspaces.task-queues"),
        ("messaging service", "messaging/services"),
        ("sip domain", "voice/sip.domains"),
        ("send sms", "messaging/messages"),
        ("delete recording", "voice/recordings"),
        ("/twilio/messaging/messages/read", "messaging/messages"),
        ("  MESSAGES   read ", "messaging/messages"),
        ("api key", "iam/api-keys"),
        ("charge", "billing/usage"),
        ("charges", "billing/usage"),
        ("phone bill", "billing/usage"),
        ("bills", "billing/usage"),
        ("text", "messaging/messages"),
        ("text message", "messaging/messages"),
        ("sms code", "verify/verification"),
        ("SMS codes", "verify/verification-check"),
        ("one time password", "verify/verification"),
        ("robocall", "voice/calls"),
        ("phone call", "voice/calls"),
        ("who called", "lookup/phone-numbers"),
        ("hold music", "voice/queues"),
        ("unsubscribe", "messaging/services"),
    ],
)
def test_it_is_found_by(query, key):
    assert key in found(query)


@pytest.mark.parametrize(
    ("query", "key"),
    [("otp", "voice/calls"), ("sms", "video/rooms"), ("bill", "voice/calls"), ("sms recording", "messaging/messages")],
)
def test_it_is_not_found_by(query, key):
    assert key not in found(query)


def test_every_word_has_to_be_there():
    assert found("voice recording") < found("recording")
    assert found("voice nonsense") == set()


def test_no_words_match_everything():
    assert found("") == found("  \t") == set(TEXTS)


def test_the_text_is_lower_case_and_has_the_meaning():
    for product in catalogue().products:
        for item in product.resources:
            text = search_text(product, item)
            assert text == text.lower()
            assert item.meaning.lower() in text
            assert product.title.lower() in text


@pytest.mark.parametrize("row", SYNONYMS, ids=lambda row: f"{row['term']}-{row['target']}")
def test_each_synonym_leads_somewhere_and_adds_something(row):
    targets = {key for key in TEXTS if row["target"] in (key, key.partition("/")[0])}
    assert targets
    assert targets <= found(row["term"])
    assert row["term"] == row["term"].strip().lower()


def test_no_synonym_is_there_twice():
    assert len({tuple(row.items()) for row in SYNONYMS}) == len(SYNONYMS) >= 100
