"""What the audit says a key could do at each moment, when it was changed behind the portal's back."""

import pytest
from django.utils import timezone

from keys_app.audit.key_timeline import life
from keys_app.audit.ledger import Entry, history
from keys_app.keys.models import ApiKey
from keys_app.permissions.policy import Policy
from keys_app.reconcile.run import reconcile
from tests.cast import MAKE_KEYS, READ_MESSAGES, READ_USAGE, text_of

from .test_audit_page import append

SK = "SK" + "a" * 32


@pytest.fixture
def key(cast):
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    return key_request.keys.get()


def lived(sid):
    return [(one.action, set(one.policy), one.no_policy is not None, one.gone) for one in life(history(key_sid=sid))]


def change(standin, sid, permissions):
    with standin.client() as client:
        client.update_key(sid, policy=Policy.of(permissions))


def test_a_change_at_twilio_is_a_period_of_its_own_until_it_is_set_back(cast, standin, key):
    change(standin, key.sid, [*MAKE_KEYS, READ_MESSAGES[0]])
    reconcile()
    url = f"/audit/keys/{key.sid}/"
    assert MAKE_KEYS[0] in text_of(cast.client("security").get(url, {"at": timezone.now().isoformat()}))
    cast.client("engineer").post(f"/keys/{key.sid}/confirm/")  # repeats what was approved, which is not what it can do
    assert lived(key.sid)[-1][1] == {*MAKE_KEYS, READ_MESSAGES[0]}
    change(standin, key.sid, READ_MESSAGES)
    reconcile()
    cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "done"})
    assert lived(key.sid) == [
        ("key.issued", set(READ_MESSAGES), False, False),
        ("key.drifted", {*MAKE_KEYS, READ_MESSAGES[0]}, False, False),
        ("key.drift_cleared", set(READ_MESSAGES), False, False),
        ("key.revoked", set(), False, True),
    ]
    page = text_of(cast.client("security").get(url))
    assert "key.drifted" in page
    assert cast.client("lead").get(url).status_code == 403


def test_a_key_that_lost_its_policy_could_do_nearly_everything(cast, key):
    append(Entry("key.drifted", "reconciler", key_sid=key.sid, policy=key.policy_json, details={"policy": None}))
    assert lived(key.sid)[-1] == ("key.drifted", set(), True, False)
    url = f"/audit/keys/{key.sid}/"
    page = text_of(cast.client("security").get(url, {"at": timezone.now().isoformat()}))
    assert "it could do nearly everything" in page
    assert "Nearly everything: it had no policy" in page
    assert "Critical" in page


def test_a_standard_key_of_which_only_the_name_changed_could_still_do_everything(cast):
    append(
        Entry("key.adopted", "Lena Lead", key_sid=SK),
        Entry("key.drifted", "reconciler", key_sid=SK, details={"name": "x"}),
    )
    assert lived(SK)[-1][2:] == (True, False)


def test_a_deletion_outside_ends_it_and_a_key_that_is_there_again_goes_on(cast, standin, key):
    with standin.client() as client:
        client.delete_key(key.sid)
    reconcile()
    assert lived(key.sid)[-1] == ("key.vanished", set(), False, True)
    append(Entry("key.reminded", "reconciler", key_sid=key.sid, policy=key.policy_json))
    assert lived(key.sid)[-1][0] == "key.vanished"
    append(Entry("key.reappeared", "reconciler", key_sid=key.sid, policy=key.policy_json))
    assert lived(key.sid)[-1] == ("key.reappeared", set(READ_MESSAGES), False, False)


@pytest.mark.parametrize("fault", ["null_policy", "other_policy"])
def test_a_key_made_with_another_policy_could_do_what_twilio_said(cast, standin, fault):
    key_request = cast.approved(permissions=READ_MESSAGES)
    standin.fault(fault)
    assert cast.issue(key_request).status_code == 502
    (begun, ended) = lived(key_request.issuances.get().key_sid)
    assert (begun[0], ended) == ("key.policy_breach", ("key.breach_deleted", set(), False, True))
    assert begun[2] is (fault == "null_policy")
    assert begun[1] != set(READ_MESSAGES)


def test_an_adopted_key_without_a_policy_that_got_one_and_lost_it_again(db):
    added = {"added": READ_USAGE, "removed": []}
    append(
        Entry("key.adopted", "lead", key_sid=SK),
        Entry("key.drifted", "reconciler", key_sid=SK, details=added),
        Entry("key.drift_cleared", "reconciler", key_sid=SK),
    )
    assert [one[1:3] for one in lived(SK)] == [(set(), True), (set(READ_USAGE), False), (set(), True)]


def test_a_changed_name_changes_nothing_it_could_do(cast, standin, key):
    with standin.client() as client:
        client.update_key(key.sid, friendly_name="another")
    reconcile()
    assert ApiKey.objects.get().drift == {"name": "another"}
    assert [one[0] for one in lived(key.sid)] == ["key.issued"]


def test_what_was_asked_for_is_not_what_a_key_with_another_policy_had(cast):
    policy = Policy.of(READ_USAGE).to_json()
    append(
        Entry("key.policy_breach", "engineer", key_sid=SK, policy=policy),
        Entry("key.breach_deleted", "engineer", key_sid=SK, policy=policy),
    )
    assert lived(SK) == []
    assert "No event says what this key could do" in text_of(cast.client("security").get(f"/audit/keys/{SK}/"))


def test_nonsense_in_an_event_is_read_as_what_was_approved(cast):
    policy = Policy.of(READ_USAGE).to_json()
    append(
        Entry("key.issued", "engineer", key_sid=SK, policy=policy),
        Entry("key.drifted", "reconciler", key_sid=SK, policy=policy, details={"added": "all", "removed": 3}),
    )
    assert [one[0] for one in lived(SK)] == ["key.issued"]
    assert cast.client("security").get(f"/audit/keys/{SK}/").status_code == 200
