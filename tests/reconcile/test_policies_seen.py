"""Whether a key has another policy at Twilio, is a Standard key there, or has a policy that cannot be read."""

import json

import pytest
from django.utils import timezone

from keys_app.audit.key_timeline import life
from keys_app.audit.ledger import history, matching
from keys_app.keys.models import ApiKey
from keys_app.permissions.policy import Policy
from keys_app.permissions.seen_policy import NoPolicy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from tests.cast import MAKE_KEYS, READ_MESSAGES, READ_USAGE, text_of

DENIES = {"deny": READ_USAGE}


@pytest.fixture
def key(cast):
    return cast.issued(permissions=READ_MESSAGES)[0].keys.get()


@pytest.fixture
def stranger(standin):
    """A key that the portal never made."""
    with standin.client() as client:
        policy = Policy.of(READ_USAGE)
        return client.create_restricted_key(account_sid=standin.account_sid, friendly_name="x", policy=policy).sid


def page_of(cast, key):
    return text_of(cast.client("engineer").get(f"/keys/{key.sid}/"))


def titles(told):
    return [notice["title"] for notice in told]


# A field beside `allow`


@pytest.mark.parametrize("empty", [[], {}, None, "", False], ids=repr)
def test_an_empty_field_beside_the_permissions_stops_no_key(cast, standin, told, empty):
    """At issue, at rotation, and when keys are compared."""
    key_request = cast.approved(permissions=READ_MESSAGES)
    standin.fault("beside_allow", fields={"deny": empty})
    assert cast.issue(key_request).status_code == 200
    key = key_request.keys.get()
    standin.fault("beside_allow", fields={"deny": empty})
    rotated = cast.client("engineer").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": "24"})
    assert rotated.status_code == 200
    found = reconcile()
    assert (found.compared, found.drifted, found.unreadable) == (2, 0, 0)
    assert titles(told) == []


def test_a_field_that_says_something_makes_a_policy_that_cannot_be_read(cast, standin, key, told, actions):
    standin.change_key(key.sid, beside=DENIES)
    found = reconcile()
    assert (found.drifted, found.unreadable) == (0, 1)
    assert titles(told) == [f"The policy of key {key.name} at Twilio cannot be read"]
    event = matching(action="key.drifted").get()
    assert event.details["policy"] == "unreadable"
    page = page_of(cast, key)
    assert "Its policy cannot be read" in page
    assert "Changed outside" not in page
    assert "found that the policy of key" in page
    assert "Policy cannot be read" in text_of(cast.client("lead").get("/keys/"))
    standin.change_key(key.sid, beside={"deny": []})
    assert reconcile().drift_cleared == 1
    assert actions()[-2:] == ["key.drifted", "key.drift_cleared"]


def test_the_ledger_tells_what_cannot_be_read_from_full_access(cast, standin, key):
    standin.change_key(key.sid, beside=DENIES)
    reconcile()
    standin.change_key(key.sid, standard=True)
    reconcile()
    assert [one.no_policy for one in life(history(key_sid=key.sid))] == [
        None,
        NoPolicy.UNREADABLE,
        NoPolicy.STANDARD,
    ]
    page = text_of(cast.client("security").get(f"/audit/keys/{key.sid}/"))
    assert "Not known: its policy could not be read" in page
    assert "Nearly everything: it had no policy" in page


def test_events_of_earlier_versions_are_read(cast, key):
    ApiKey.objects.update(drift_json='{"policy": null}', checked_at=timezone.now())
    page = page_of(cast, key)
    assert "Changed outside the portal" in page
    assert "it may do nearly everything" in page


# A Standard key


def test_flags_tell_that_a_key_is_a_standard_one_without_a_fetch(cast, standin, key, told, settings):
    reconcile()
    standin.change_key(key.sid, standard=True)
    before, settings.RECONCILE_LOOKS = standin.requests()["fetch"], 0
    assert reconcile().drifted == 1
    assert reconcile().drifted == 0
    assert standin.requests()["fetch"] == before
    assert titles(told) == [f"Key {key.name} is a Standard key at Twilio, with full access"]
    assert matching(action="key.drifted").get().details["policy"] == "standard"
    page = page_of(cast, key)
    assert "Standard key, full access" in page
    assert "found that key" in page
    assert "is a Standard key at Twilio" in page
    assert "Changed outside the portal" in page


def test_flags_spare_the_fetches_of_unmanaged_standard_keys(cast, standin, stranger, told, settings):
    standin.change_key(stranger, standard=True)
    before, settings.RECONCILE_LOOKS = standin.requests()["fetch"], 0
    reconcile()
    assert standin.requests()["fetch"] == before
    entry = UnmanagedKey.objects.get()
    assert (entry.no_policy, entry.policy_json) == ("standard", "")
    assert "It is a Standard key, with full access." in told[0]["text"]
    client = cast.client("lead")
    assert "Critical Standard key, full access" in text_of(client.get("/keys/unmanaged/"))
    assert "Standard key, full access" in text_of(client.get(entry.get_absolute_url()))


def test_an_unmanaged_key_whose_policy_cannot_be_read_says_so_and_is_not_adopted(cast, standin, stranger):
    standin.change_key(stranger, beside=DENIES)
    reconcile()
    entry = UnmanagedKey.objects.get()
    assert entry.no_policy == "unreadable"
    client = cast.client("lead")
    assert "Critical Policy cannot be read" in text_of(client.get("/keys/unmanaged/"))
    assert "the portal cannot read" in text_of(client.get(entry.get_absolute_url()))
    fields = {"team": cast.team.pk, "owner": cast.people["engineer"].pk, "lifetime_days": "30"}
    refused = client.post(f"/keys/unmanaged/{stranger}/adopt/", fields)
    assert refused.status_code == 409
    assert "no one could tell what is adopted" in text_of(refused)
    standin.change_key(stranger, beside={})
    assert client.post(f"/keys/unmanaged/{stranger}/adopt/", fields).status_code == 302


def test_what_an_earlier_version_entered_without_a_policy_is_looked_at_again(cast, standin, stranger):
    reconcile()
    UnmanagedKey.objects.update(policy_json="", no_policy="")
    assert "No policy that can be read" in text_of(cast.client("lead").get("/keys/unmanaged/"))
    reconcile()
    assert UnmanagedKey.objects.get().policy == Policy.of(READ_USAGE)
    UnmanagedKey.objects.update(policy_json="", no_policy="", gone_at=timezone.now())
    page = text_of(cast.client("security").get(f"/keys/unmanaged/{stranger}/"))
    assert "Twilio showed no policy of this key" in page
    assert "The next run looks again" not in page


def test_a_key_that_is_listed_as_standard_and_shown_with_a_policy_counts_as_standard(cast, standin, key, told):
    """Twilio contradicts itself: nothing it says then is taken for harmless."""
    standin.change_key(key.sid, flags=["rest_api", "signing"])
    assert reconcile().drifted == 1
    assert reconcile().drift_cleared == 0
    assert len(told) == 1


@pytest.mark.parametrize("flags", [["rest_api"], ["restricted", 7], "all", {"a": 1}, None], ids=repr)
def test_flags_that_say_nothing_are_left_alone(cast, standin, key, flags):
    standin.change_key(key.sid, flags=flags)
    found = reconcile()
    assert (found.compared, found.drifted) == (1, 0)


# When Twilio says that it was changed


def test_it_says_beside_a_difference_when_twilio_says_that_it_was_changed(cast, standin, key, told):
    with standin.client() as client:
        changed = client.update_key(key.sid, policy=Policy.of(MAKE_KEYS)).date_updated
    reconcile()
    key.refresh_from_db()
    assert key.twilio_updated_at == changed
    said = f"{changed:%Y-%m-%d %H:%M}"
    assert f"Twilio says that it was last changed at {said}" in told[0]["text"]
    page = page_of(cast, key)
    assert f"Last changed at Twilio, as it says: {said}" in page
    assert "It has another policy there" in page
    assert matching(action="key.drifted").get().details["date_updated"].startswith(f"{changed:%Y-%m-%d}")
    assert f"changed at Twilio {said}" in text_of(cast.client("security").get("/audit/reports/keys/"))
    report = cast.client("security").get("/audit/reports/about.jsonl", {"key": key.sid})
    (header, *_) = b"".join(report.streaming_content).splitlines()
    assert json.loads(header)["header"]["records"][0]["key"]["twilio_updated_at"].startswith(f"{changed:%Y-%m-%d}")
