"""What is held after the database was found to be older than the world, and what goes on."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.audit.incarnation import mark, set_backs
from keys_app.audit.models import SetBack
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.reconcile.run import reconcile
from tests.cast import secret_in, text_of

PAST = timedelta(days=1)


@pytest.fixture
def set_back():
    set_backs.enter("test:1", "A test says so.")


def state(key):
    key.refresh_from_db()
    return key.state


def end_the_hold(cast):
    assert cast.client("security").post("/reconciliation/resume/").status_code == 302


def test_an_overlap_does_not_end(cast, set_back):
    key = cast.issued()[0].keys.get()
    ApiKey.objects.update(retires_at=timezone.now() - PAST)
    reconcile()
    assert state(key) == "active"
    page = text_of(cast.client("security").get("/reconciliation/"))
    assert f"Key usage-report ({key.sid}) on Shop (staging) is revoked, as its overlap is over" in page
    end_the_hold(cast)
    reconcile()
    assert state(key) == "revoked"


def test_a_leavers_clock_neither_starts_nor_ends(cast, set_back):
    started, not_yet = cast.issued(friendly_name="a")[0].keys.get(), cast.issued(friendly_name="b")[0].keys.get()
    ApiKey.objects.filter(pk=started.pk).update(handover_by=timezone.now() - PAST)
    cast.people["engineer"].is_active = False
    cast.people["engineer"].save()
    reconcile()
    not_yet.refresh_from_db()
    assert (state(started), not_yet.handover_by) == ("active", None)
    end_the_hold(cast)
    reconcile()
    for key in (started, not_yet):  # it may be lost that someone took it over, so its time begins anew
        assert state(key) == "active"
        assert key.handover_by > timezone.now() + PAST


def test_nothing_lapses(cast, set_back):
    approved, pending = cast.approved(), cast.ask()
    KeyRequest.objects.filter(pk=approved.pk).update(claim_until=timezone.now() - PAST)
    KeyRequest.objects.filter(pk=pending.pk).update(created_at=timezone.now() - timedelta(days=30))
    reconcile()
    assert sorted(KeyRequest.objects.values_list("state", flat=True)) == ["approved", "pending"]
    end_the_hold(cast)
    reconcile()
    assert set(KeyRequest.objects.values_list("state", flat=True)) == {"lapsed"}


@pytest.mark.parametrize("verb", ["replace", "rotate"])
def test_a_deletion_that_a_replacement_or_rotation_began_before_is_held(cast, standin, verb):
    key = cast.issued()[0].keys.get()
    standin.fault("drop_before", operation="delete")
    cast.client("engineer").post(f"/keys/{key.sid}/{verb}/", {"overlap_hours": "0"})
    assert state(key) == "revoking"
    set_backs.enter("test:1", "A test says so.")
    reconcile()
    assert state(key) == "revoking"
    assert standin.key(key.sid)
    end_the_hold(cast)
    reconcile()
    assert state(key) == "revoked"


def test_what_people_press_goes_on(cast, standin, set_back):
    key_request, secret = cast.issued()
    assert secret
    key = key_request.keys.get()
    assert cast.client("engineer").post(f"/keys/{key.sid}/replace/").status_code == 302
    assert state(key) == "revoked"
    assert secret_in(cast.issue(key_request))
    standin.fault("drop_before", operation="delete")
    newest = key_request.keys.get(state="active")
    cast.client("engineer").post(f"/keys/{newest.sid}/revoke/", {"reason": "Done."})
    reconcile()
    assert state(newest) == "revoked"


def test_a_key_lost_after_it_was_found_is_deleted(cast, standin, set_back):
    """Nothing of a new attempt can be lost in the old set-back."""
    standin.fault("drop_after")
    cast.issue(cast.approved())
    assert reconcile().orphans_deleted == 1


def test_expiries_go_on(cast, set_back):
    key = cast.issued()[0].keys.get()
    ApiKey.objects.update(issued_at=timezone.now() - 2 * PAST, expires_at=timezone.now() - PAST)
    reconcile()
    assert state(key) == "revoked"


def test_it_alarms_once_and_then_daily(cast, told, set_back):
    for _ in range(2):
        reconcile()
    kinds = [notice["kind"] for notice in told]
    assert kinds.count("alarm.database_set_back") == 1
    SetBack.objects.update(told_at=timezone.now() - timedelta(hours=25))
    reconcile()
    assert SetBack.objects.get().told_at > timezone.now() - timedelta(minutes=5)


@pytest.mark.parametrize("role", ["engineer", "lead", "admin"])
def test_only_security_ends_it(cast, set_back, role):
    assert cast.client(role).post("/reconciliation/resume/").status_code == 403
    assert set_backs.is_held()


def test_there_is_nothing_to_end_without_one(cast):
    assert cast.client("security").post("/reconciliation/resume/").status_code == 409


def test_the_reconciler_finds_a_ledger_behind_its_mark_itself(live_cast, standin):
    """As after a backup that was put back: the attempt of it is for a person, not deleted."""
    key_request = live_cast.approved()
    standin.fault("drop_after")
    live_cast.issue(key_request)
    kept = mark.read()
    mark.write(mark.LedgerMark(kept.incarnation, kept.database, kept.size + 3, "00" * 32))
    reconcile()
    assert set_backs.is_held()
    assert len(standin.keys()) == 1
