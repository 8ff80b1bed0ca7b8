"""Where Twilio contradicts itself about a key, Security is told with its SID, and nothing is believed gone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.keys.models import ApiKey
from keys_app.notifications.models import Trouble
from keys_app.permissions.policy import Policy
from keys_app.reconcile.run import reconcile
from keys_app.twilio_iam.client import TwilioIamClient
from tests.cast import READ_USAGE, text_of

NO_KEY = {"status": 404, "code": 20404}
OTHER_404 = {"status": 404, "code": 1}
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def alone(cast, settings):
    """One account, and listings that are right at once."""
    settings.RECONCILE_GRACE = timedelta(0)
    cast.other_account.delete()
    return cast


@pytest.fixture
def key(alone):
    return alone.issued()[0].keys.get()


def revoke(cast, key):
    return cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "It leaked."})


def contradicted(told):
    return [notice for notice in told if notice["kind"] == "alarm.contradiction"]


def named(told):
    """Return the title of the one contradiction that was told."""
    (notice,) = contradicted(told)
    return notice["title"]


@pytest.fixture
def listing(monkeypatch):
    """Change what Twilio lists: the function gets the keys and returns what is listed instead."""

    def as_if(change):
        listed = TwilioIamClient.list_keys

        def changed(self, *, account_sid):
            return iter(change(list(listed(self, account_sid=account_sid))))

        monkeypatch.setattr(TwilioIamClient, "list_keys", changed)

    return as_if


@pytest.mark.parametrize("answer", [NO_KEY, OTHER_404])
def test_a_404_for_a_key_that_is_listed_deletes_nothing(alone, standin, key, told, answer):
    standin.fault("refuse", operation="delete", times=3, **answer)
    page = revoke(alone, key)
    assert page.status_code == 503
    assert "may still work" in text_of(page)
    for _ in range(2):
        assert reconcile().not_revoked == 1
        key.refresh_from_db()
        assert key.state == "revoking"
    assert named(told) == f"Twilio says that key {key.sid} is gone, but it is there"
    assert alone.account.sid in contradicted(told)[0]["text"]
    assert "But it lists the key" in text_of(alone.client("security").get("/reconciliation/"))
    assert reconcile().revoked == 1
    assert standin.key(key.sid) is None
    reconcile()
    assert [notice["kind"] for notice in told][-1] == "alarm.ended"


def test_a_404_for_a_key_that_is_only_shown_deletes_nothing(alone, standin, key, told, listing):
    listing(lambda keys: [])
    standin.fault("refuse", operation="delete", times=2, **NO_KEY)
    revoke(alone, key)
    assert reconcile().not_revoked == 1
    key.refresh_from_db()
    assert key.state == "revoking"
    assert "But it shows the key" in contradicted(told)[0]["text"]
    reconcile()
    assert standin.key(key.sid) is None


def test_a_404_counts_with_a_whole_listing_begun_afterwards_alone(alone, standin, key):
    with standin.client() as client:
        client.delete_key(key.sid)
    revoke(alone, key)
    standin.fault("error_before", operation="list", times=100)
    reconcile(wait=lambda _: None)
    key.refresh_from_db()
    assert key.state == "revoking"
    standin.clear_faults()
    assert reconcile().revoked == 1


def test_a_deletion_that_twilio_confirms_is_recorded_at_once(alone, standin, key):
    before = standin.requests()["list"]
    assert revoke(alone, key).status_code == 302
    key.refresh_from_db()
    assert (key.state, standin.requests()["list"]) == ("revoked", before)


@pytest.mark.parametrize("grace", [0, 900])
def test_a_live_key_that_is_listed_but_not_shown_is_told_of_after_the_grace_period(
    alone, standin, key, told, settings, grace
):
    settings.RECONCILE_GRACE = timedelta(seconds=grace)
    ApiKey.objects.update(checked_at=None)
    standin.fault("refuse", operation="fetch", times=3, **NO_KEY)
    for _ in range(2):
        assert reconcile().vanished == 0
    assert len(contradicted(told)) == (0 if grace else 1)
    Trouble.objects.update(since=timezone.now() - timedelta(minutes=16))
    reconcile()
    assert named(told) == f"Twilio lists key {key.sid}, which should be gone"
    key.refresh_from_db()
    assert key.state == "active"
    reconcile()
    assert Trouble.objects.get().ended_at


def test_a_key_that_vanished_is_live_again_when_twilio_shows_it_again(alone, standin, key, told, listing, monkeypatch):
    """Nobody wanted it deleted: it may be in use."""
    with monkeypatch.context():
        hidden = []
        listing(lambda keys: [one for one in keys if one.sid not in hidden])
        hidden.append(key.sid)
        standin.fault("refuse", operation="fetch", **NO_KEY)
        assert reconcile().vanished == 1
        hidden.clear()
        assert reconcile().reappeared == 1
    key.refresh_from_db()
    assert (key.state, key.revoke_reason, key.revoked_at) == ("active", "", None)
    assert standin.key(key.sid)
    assert "counts as live" in told[-1]["title"]
    assert matching(action="key.came_back").get().key_sid == key.sid
    reconcile()
    assert standin.key(key.sid)


def test_a_key_that_someone_revoked_is_none_that_vanished_whatever_the_reason(alone, standin, key, listing):
    with standin.client() as client:
        stale = list(client.list_keys(account_sid=alone.account.sid))
    alone.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "Deleted outside the portal."})
    ApiKey.objects.update(revoked_at=timezone.now() - timedelta(hours=1))
    listing(lambda keys: stale)
    reconcile()
    key.refresh_from_db()
    assert key.state == "revoking"


def test_a_revoked_key_that_is_listed_but_not_shown_is_deleted_again(alone, standin, key, told):
    ApiKey.objects.update(state="revoked", revoked_at=timezone.now() - timedelta(hours=1), revoke_reason="It leaked.")
    standin.fault("refuse", operation="fetch", **NO_KEY)
    assert reconcile().reappeared == 1
    assert "It was recorded as gone. Twilio lists it" in contradicted(told)[0]["text"]
    assert reconcile().revoked == 1
    assert standin.key(key.sid) is None


def test_a_key_listed_shortly_after_its_deletion_is_none(alone, standin, key, told, settings, listing):
    settings.RECONCILE_GRACE = timedelta(minutes=15)
    with standin.client() as client:
        stale = list(client.list_keys(account_sid=alone.account.sid))
    revoke(alone, key)
    listing(lambda keys: keys + stale)
    reconcile()
    assert told == []
    ApiKey.objects.update(revoked_at=timezone.now() - timedelta(minutes=16))
    reconcile()
    assert key.sid in named(told)


def test_an_orphan_that_is_listed_after_its_deletion_is_told_of(alone, standin, told, listing):
    standin.fault("drop_after")
    alone.issue(alone.approved())
    with standin.client() as client:
        stale = list(client.list_keys(account_sid=alone.account.sid))
    assert reconcile().orphans_deleted == 1
    listing(lambda keys: stale)
    standin.fault("refuse", operation="delete", times=100, **NO_KEY)
    reconcile()
    assert any(stale[0].sid in notice["title"] + notice["text"] for notice in contradicted(told))


def test_a_key_that_a_whole_listing_lacks_but_twilio_shows_is_told_of(alone, standin, key, told, listing):
    hidden = [key.sid]
    listing(lambda keys: [one for one in keys if one.sid not in hidden])
    assert reconcile().vanished == 0
    assert named(told) == f"Twilio does not list key {key.sid}, but shows it"
    hidden.clear()
    reconcile()
    assert Trouble.objects.get().ended_at


def test_it_is_over_too_when_such_a_key_is_revoked(alone, standin, key, listing):
    listing(lambda keys: [])
    reconcile()
    assert Trouble.objects.get().ended_at is None
    assert revoke(alone, key).status_code == 302
    reconcile()
    assert Trouble.objects.get().ended_at


@pytest.mark.parametrize(
    "change",
    [{"friendly_name": "another"}, {"date_created": LONG_AGO}, {"date_updated": LONG_AGO}],
)
def test_a_listing_and_a_fetch_that_differ_are_told_of(alone, standin, key, told, settings, listing, change):
    standin.age(3600)
    ApiKey.objects.update(checked_at=None)
    different = [change]

    def changed(keys):
        return [_with(one, **(different[0] if different else {})) for one in keys]

    listing(changed)
    reconcile()
    assert named(told) == f"Twilio says two things about key {key.sid}"
    reconcile()
    assert len(contradicted(told)) == 1
    different.clear()
    reconcile()
    assert Trouble.objects.get().ended_at


def _with(key, **changes):
    values = {name: getattr(key, name) for name in key.__slots__}
    return type(key)(**{**values, **changes})


def test_a_key_changed_a_moment_ago_is_no_contradiction(alone, standin, key, told, listing):
    ApiKey.objects.update(checked_at=None)
    listing(lambda keys: [_with(one, friendly_name="before") for one in keys])
    reconcile()
    assert contradicted(told) == []


def test_a_sid_that_is_listed_twice_is_told_of_and_changes_nothing(alone, standin, key, told):
    with standin.client() as client:
        policy = Policy.of(READ_USAGE)
        made = client.create_restricted_key(account_sid=alone.account.sid, friendly_name="by hand", policy=policy)
    standin.fault("duplicates", operation="list")
    found = reconcile()
    assert (found.unmanaged_new, found.vanished, found.drifted) == (1, 0, 0)
    titles = {notice["title"] for notice in contradicted(told)}
    assert titles == {f"Twilio lists key {sid} twice" for sid in (key.sid, made.sid)}
    reconcile()
    assert not Trouble.objects.filter(ended_at=None).exists()


def test_a_key_that_moved_while_the_pages_were_read_is_none(alone, standin, key, told, listing):
    now = timezone.now()
    listing(lambda keys: keys + [_with(one, date_updated=now) for one in keys])
    reconcile()
    assert contradicted(told) == []


def test_a_breach_that_answers_404_stays_open(alone, standin, told):
    """A key just made may not be known everywhere."""
    standin.fault("other_policy")
    standin.fault("refuse", operation="delete", **NO_KEY)
    key_request = alone.approved()
    assert "could not be deleted yet" in text_of(alone.issue(key_request))
    key_request.refresh_from_db()
    assert key_request.state == "issuing"


def test_a_breach_that_is_not_listed_is_deleted_by_its_sid(alone, standin, told, listing):
    """It was closed as gone after a few listings without it, though it lived."""
    standin.fault("other_policy")
    standin.fault("refuse", operation="delete", status=400, code=20001)
    alone.issue(alone.approved())
    sid = standin.keys()[0]["sid"]
    listing(lambda keys: [])
    for _ in range(4):
        reconcile()
    assert standin.key(sid) is None
    assert matching(action="key.orphan_deleted").get().key_sid == sid
    assert sid in named(told)
