"""What an approval is bound to."""

import pytest

from keys_app.key_requests.content_digest import content_digest
from keys_app.permissions.catalogue import expand
from keys_app.permissions.policy import Policy

READ = "/twilio/messaging/messages/read"
WILDCARD = "/twilio/messaging/messages/*"
APPROVED = {
    "account_sid": "AC" + "1" * 32,
    "friendly_name": "usage-report",
    "lifetime_days": 30,
    "policy": Policy.parse([READ]),
}


def test_an_approval_is_for_the_same_set_however_it_was_chosen():
    one = content_digest(**{**APPROVED, "policy": Policy.parse([WILDCARD])})
    assert one == content_digest(**{**APPROVED, "policy": Policy.parse(reversed(expand(WILDCARD)))})
    assert one != content_digest(**APPROVED)


@pytest.mark.parametrize(
    "change",
    [
        {"account_sid": "AC" + "2" * 32},
        {"friendly_name": "usage-report "},
        {"lifetime_days": 31},
        {"policy": Policy.parse([READ, "/twilio/billing/usage/read"])},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_approval_is_for_nothing_else(change):
    assert content_digest(**{**APPROVED, **change}) != content_digest(**APPROVED)
