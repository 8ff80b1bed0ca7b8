"""What the reconciler makes of keys that were deleted, changed or made outside the portal."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Account
from keys_app.permissions.policy import Policy
from keys_app.reconcile import unmanaged
from keys_app.reconcile.holds import keys_in_doubt
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.twilio_iam.client import TwilioIamClient
from tests.cast import MAKE_KEYS, READ_MESSAGES, READ_USAGE, text_of


@pytest.fixture
def key(cast):
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    return key_request.keys.get()


@pytest.fixture
def outside(cast, standin):
    """Somebody who works with the account without the portal."""

    class Outside:
        def make(self, name="by hand", permissions=READ_USAGE):
            with standin.client() as client:
                policy = Policy.of(permissions)
                return client.create_restricted_key(
                    account_sid=standin.account_sid, friendly_name=name, policy=policy
                ).sid

        def change(self, sid, **changes):
            with standin.client() as client:
                client.update_key(sid, **changes)

        def delete(self, sid):
            with standin.client() as client:
                client.delete_key(sid)

    return Outside()


def kinds(told):
    return [notice["kind"] for notice in told]


# Deleted outside


def test_it_notes_a_key_that_was_deleted_outside(cast, key, outside, actions, told):
    outside.delete(key.sid)
    found = reconcile()
    key.refresh_from_db()
    assert found.vanished == 1
    assert (key.state, key.revoke_reason) == ("revoked", "Deleted outside the portal.")
    assert actions()[-1] == "key.vanished"
    assert kinds(told) == ["alarm.key_vanished"]
    assert told[0]["people"] == [key.owner]
    assert reconcile().vanished == 0
    assert "Deleted outside the portal" in text_of(cast.client("engineer").get(f"/keys/{key.sid}/"))


@pytest.mark.parametrize("code", [20404, 0])
def test_it_believes_twilios_own_code_at_once_and_another_404_with_a_second_listing(
    cast, standin, key, outside, told, code
):
    outside.delete(key.sid)
    standin.fault("refuse", operation="fetch", status=404, code=code, times=2)
    assert reconcile().vanished == (1 if code else 0)
    key.refresh_from_db()
    assert key.state == ("revoked" if code else "active")
    assert reconcile().vanished == (0 if code else 1)
    key.refresh_from_db()
    assert key.state == "revoked"
    assert kinds(told) == ["alarm.key_vanished"]


def test_a_key_that_is_listed_late_is_not_taken_for_gone(cast, standin, key, monkeypatch, told):
    monkeypatch.setattr(TwilioIamClient, "list_keys", lambda *_, **__: iter(()))
    assert reconcile().vanished == 0
    key.refresh_from_db()
    assert key.state == "active"
    assert not told


@pytest.mark.parametrize("fault", ["error_before", "drop_before", "unauthorized", "html"])
def test_it_concludes_nothing_from_a_listing_that_is_not_whole(cast, standin, key, outside, told, fault):
    outside.delete(key.sid)
    standin.fault(fault, operation="list", times=10)
    found = reconcile(wait=lambda _: None)
    key.refresh_from_db()
    assert (found.vanished, found.accounts_failed) == (0, 2)
    assert key.state == "active"
    assert not told


@pytest.mark.parametrize("fault", ["error_before", "drop_before", "unauthorized", "redirect"])
def test_it_concludes_nothing_from_a_fetch_that_failed(cast, standin, key, outside, fault):
    outside.delete(key.sid)
    standin.fault(fault, operation="fetch", times=10)
    found = reconcile(wait=lambda _: None)
    key.refresh_from_db()
    assert (found.vanished, found.accounts_failed) == (0, 2)
    assert key.state == "active"


def test_a_key_issued_after_the_listing_began_is_left_alone(cast, standin, key):
    ApiKey.objects.update(
        issued_at=timezone.now() + timedelta(seconds=5), expires_at=timezone.now() + timedelta(days=1)
    )
    with standin.client() as client:
        client.delete_key(key.sid)
    before = standin.requests()["fetch"]
    reconcile()
    assert standin.requests()["fetch"] == before


def test_a_revoked_key_that_is_there_again_is_deleted_again(cast, standin, key, told, actions, settings):
    ApiKey.objects.update(state="revoked", revoked_at=timezone.now(), revoke_reason="It leaked.")
    assert reconcile().reappeared == 0  # its deletion may not have reached the listing
    settings.RECONCILE_GRACE = timedelta(0)
    assert reconcile().reappeared == 1
    assert kinds(told) == ["alarm.key_reappeared"]
    assert reconcile().revoked == 1
    key.refresh_from_db()
    assert (key.state, key.revoke_reason, standin.key(key.sid)) == ("revoked", "It leaked.", None)
    assert actions()[-2:] == ["key.reappeared", "key.revoked"]
    assert reconcile().reappeared == 0


# Changed outside


def test_it_notes_a_changed_policy_once_and_that_it_is_back(cast, key, outside, actions, told):
    outside.change(key.sid, policy=Policy.of([*MAKE_KEYS, READ_MESSAGES[0]]))
    assert reconcile().drifted == 1
    assert reconcile().drifted == 0
    key.refresh_from_db()
    assert key.drift == {"added": MAKE_KEYS, "removed": [READ_MESSAGES[1]]}
    assert kinds(told) == ["alarm.key_drifted"]
    event = matching(action="key.drifted").get()
    assert event.details == {**key.drift, "date_updated": key.twilio_updated_at.isoformat()}
    page = text_of(cast.client("engineer").get(f"/keys/{key.sid}/"))
    assert "Changed outside the portal" in page
    assert MAKE_KEYS[0] in page
    assert "Changed outside" in text_of(cast.client("lead").get("/keys/"))
    outside.change(key.sid, policy=Policy.of(READ_MESSAGES))
    assert reconcile().drift_cleared == 1
    key.refresh_from_db()
    assert key.drift_json == ""
    assert actions()[-2:] == ["key.drifted", "key.drift_cleared"]
    assert "Changed outside" not in text_of(cast.client("engineer").get(f"/keys/{key.sid}/")).split("History")[0]


def test_each_distinct_change_is_an_event_of_its_own(cast, key, outside, actions, told):
    for permissions in (MAKE_KEYS, READ_USAGE, READ_USAGE, MAKE_KEYS):
        outside.change(key.sid, policy=Policy.of(permissions))
        reconcile()
    assert actions().count("key.drifted") == 3
    assert len(told) == 3


def test_a_wildcard_and_another_order_are_no_change(cast, standin, outside):
    whole = [f"/twilio/voice/calls/{action}" for action in ("create", "delete", "list", "read", "update")]
    key_request, _ = cast.issued(permissions=["/twilio/voice/calls/*"])
    outside.change(key_request.keys.get().sid, policy=Policy.of(reversed(whole)))
    assert reconcile().drifted == 0


def test_it_notes_a_changed_name_without_what_cannot_be_shown(cast, key, outside, told):
    outside.change(key.sid, friendly_name="mine\u202e now\x07")
    assert reconcile().drifted == 1
    key.refresh_from_db()
    assert key.drift == {"name": "mine now"}
    assert ApiKey.objects.filter(pk=key.pk, state="active").exists()
    assert "Its name there: “mine now”" in text_of(cast.client("engineer").get(f"/keys/{key.sid}/"))


def test_it_looks_at_the_longest_unseen_first_and_at_a_few_only(cast, standin, settings):
    keys = [cast.issued(friendly_name=f"n-{number}")[0].keys.get() for number in range(4)]
    long_ago = timezone.now() - timedelta(days=1)
    for number, key in enumerate(keys):
        seen = {"checked_at": long_ago - timedelta(minutes=number), "issued_at": long_ago}
        ApiKey.objects.filter(pk=key.pk).update(**seen)
    monday = timezone.now() - timedelta(days=3)
    listing = [
        type(summary)(summary.sid, summary.friendly_name, monday, monday, ())
        for summary in standin.client().list_keys(account_sid=standin.account_sid)
    ]
    settings.RECONCILE_LOOKS = 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TwilioIamClient, "list_keys", lambda *_, account_sid: iter(listing))
        before = standin.requests()["fetch"]
        assert reconcile().compared >= 2
        assert standin.requests()["fetch"] - before <= 2 * settings.RECONCILE_LOOKS
    looked = set(
        ApiKey.objects.filter(checked_at__gt=timezone.now() - timedelta(minutes=1)).values_list("pk", flat=True)
    )
    assert looked == {keys[3].pk, keys[2].pk}


def test_it_does_not_fetch_again_what_it_saw_and_nobody_changed(cast, standin, key, settings):
    ApiKey.objects.update(checked_at=timezone.now() + timedelta(minutes=2))
    before = standin.requests()["fetch"]
    reconcile()
    assert standin.requests()["fetch"] == before
    settings.RECONCILE_LOOK_EVERY = timedelta(minutes=-5)
    reconcile()
    assert standin.requests()["fetch"] == before + 1


# Made outside


def test_it_keeps_an_inventory_of_keys_it_never_made(cast, standin, outside, actions, told):
    sid = outside.make("by hand", MAKE_KEYS)
    found = reconcile()
    entry = UnmanagedKey.objects.get()
    assert found.unmanaged_new == 1
    assert (entry.sid, entry.friendly_name, entry.account) == (sid, "by hand", cast.account)
    assert list(entry.policy) == MAKE_KEYS
    assert entry.created_at
    assert actions()[-1] == "key.unmanaged_seen"
    assert kinds(told) == ["alarm.unmanaged_key"]
    assert sid in told[0]["text"]
    assert reconcile().unmanaged_new == 0
    assert standin.key(sid)
    assert len(told) == 1
    page = text_of(cast.client("lead").get("/keys/unmanaged/"))
    assert "by hand" in page
    assert "Critical" in page


def test_it_tells_of_many_keys_in_one_alarm_and_enters_them_in_parts(cast, standin, outside, told, monkeypatch):
    monkeypatch.setattr(unmanaged, "NEW_PER_RUN", 4)
    for number in range(6):
        outside.make(f"by hand {number}")
    assert [reconcile().unmanaged_new for _ in range(3)] == [4, 2, 0]
    assert [notice["title"][:6] for notice in told] == ["4 keys", "2 keys"]


def test_it_notes_what_is_gone_after_two_listings_and_a_404_and_what_is_back(
    cast, standin, outside, actions, monkeypatch
):
    sid = outside.make()
    reconcile()
    with monkeypatch.context() as patch:
        patch.setattr(TwilioIamClient, "list_keys", lambda *_, **__: iter(()))
        assert [reconcile().unmanaged_gone for _ in range(3)] == [0, 0, 0]  # Twilio still shows it
        assert UnmanagedKey.objects.get().gone_at is None
        standin.fault("refuse", operation="fetch", status=404, code=20404)
        assert [reconcile().unmanaged_gone for _ in range(2)] == [1, 0]
    assert UnmanagedKey.objects.get().gone_at
    assert reconcile().unmanaged_new == 1
    assert UnmanagedKey.objects.get(pk=sid).gone_at is None
    assert actions()[-3:] == ["key.unmanaged_seen", "key.unmanaged_gone", "key.unmanaged_seen"]


def test_a_listing_that_lacked_it_once_is_forgotten(cast, outside, monkeypatch):
    outside.make()
    reconcile()
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(TwilioIamClient, "list_keys", lambda *_, **__: iter(()))
            assert reconcile().unmanaged_gone == 0
        reconcile()
        assert UnmanagedKey.objects.get().missing_since is None


def test_the_portals_own_keys_are_not_strangers(cast, standin, key):
    standin.fault("drop_after")
    lost = cast.approved(friendly_name="lost")
    cast.issue(lost)
    ApiKey.objects.filter(pk=key.pk).update(state="revoked", revoked_at=timezone.now())  # still listed
    assert reconcile().unmanaged_new == 0
    assert not UnmanagedKey.objects.exists()


def test_a_key_that_only_copied_a_name_of_the_portal_is_a_stranger_and_stays(cast, standin, key, outside):
    copied = outside.make(key.friendly_name)
    assert reconcile().unmanaged_new == 1
    assert {item["sid"] for item in standin.keys()} == {key.sid, copied}


def test_of_two_keys_with_the_marker_of_an_attempt_none_is_deleted(cast, standin, outside):
    """Something in between may have sent the request twice, or someone copied the name: a person tells."""
    standin.fault("drop_after")
    key_request = cast.approved()
    cast.issue(key_request)
    outside.make(f"usage-report [kp:{key_request.issuances.get().marker}]")
    assert reconcile().orphans_deleted == 0
    assert len(standin.keys()) == 2
    assert set(keys_in_doubt().values_list("sid", flat=True)) == {key["sid"] for key in standin.keys()}
    assert all("Several keys have this marker." in entry.weighed["fails"] for entry in keys_in_doubt())
    key_request.refresh_from_db()
    assert key_request.state == "issuing"


def test_the_portals_own_credential_is_listed_as_such_without_an_alarm(cast, outside, told):
    sid = outside.make("portal")
    Account.objects.filter(pk=cast.account.pk).update(credential_user=sid)
    account = Account.objects.get(pk=cast.account.pk)
    with pytest.MonkeyPatch.context() as patch:
        standin_user = cast.account.credential_user
        patch.setattr("keys_app.organisation.credentials.open_client", _as(standin_user))
        assert reconcile().unmanaged_new == 1
    assert not told
    assert UnmanagedKey.objects.get(account=account).is_the_portals
    page = text_of(cast.client("lead").get(f"/keys/unmanaged/{sid}/"))
    assert "The portal’s own" in page
    assert "Adopt key" not in page


def _as(username):
    from keys_app.organisation.credentials import open_client

    return lambda _, password, **options: open_client(username, password, **options)


def test_it_survives_names_that_cannot_be_stored(cast, outside, monkeypatch):
    outside.make()
    listed = TwilioIamClient.list_keys

    def hostile(self, *, account_sid):
        for summary in listed(self, account_sid=account_sid):
            yield type(summary)(summary.sid, "a\x00b\ud800c" + "x" * 500, None, None, ())

    monkeypatch.setattr(TwilioIamClient, "list_keys", hostile)
    assert reconcile().unmanaged_new == 1
    assert UnmanagedKey.objects.get().friendly_name.startswith("a b cxxx")


def test_a_listing_with_the_same_key_twice_changes_nothing(cast, standin, key, outside, monkeypatch):
    outside.make()
    listed = TwilioIamClient.list_keys

    def twice(self, *, account_sid):
        for summary in listed(self, account_sid=account_sid):
            yield from (summary, summary)

    monkeypatch.setattr(TwilioIamClient, "list_keys", twice)
    found = reconcile()
    assert (found.unmanaged_new, found.vanished, found.drifted) == (1, 0, 0)
    assert UnmanagedKey.objects.count() == 1
