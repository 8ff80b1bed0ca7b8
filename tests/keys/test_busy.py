"""What happens when as many threads wait for Twilio as may. Whoever comes later is told before anything starts."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from keys_app.core.errors import PortalBusy
from keys_app.key_requests.models import Issuance
from keys_app.keys.models import ApiKey
from keys_app.organisation.credentials import twilio_slot
from keys_app.permissions.policy import Policy
from keys_app.reconcile.run import reconcile
from tests.cast import secret_in, text_of


def _full(settings) -> None:
    settings.TWILIO_CONCURRENCY = 0


def test_it_says_busy_before_anything_is_started(cast, standin, settings, actions):
    key_request = cast.approved()
    before = standin.requests()
    _full(settings)
    answer = cast.issue(key_request)
    key_request.refresh_from_db()
    assert answer.status_code == 503
    assert "Nothing was created" in text_of(answer)
    assert "Try again in a minute" in text_of(answer)
    assert key_request.state == "approved"
    assert not Issuance.objects.exists()
    assert actions(key_request.pk)[-1] == "request.approved"
    assert standin.requests() == before
    settings.TWILIO_CONCURRENCY = 1
    assert secret_in(cast.issue(key_request))


def test_it_says_busy_in_the_dialog_too(cast, settings):
    key_request = cast.approved()
    _full(settings)
    answer = cast.issue(key_request, headers={"HX-Request": "true"})
    assert answer.status_code == 503
    assert '<dialog id="problem-dialog"' in answer.content.decode()
    assert "Nothing was created" in text_of(answer)


def test_it_does_not_begin_to_replace_a_key(cast, standin, settings, actions):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    _full(settings)
    answer = cast.client("engineer").post(f"/keys/{key.sid}/replace/")
    key.refresh_from_db()
    assert answer.status_code == 503
    assert "Nothing was changed" in text_of(answer)
    assert key.state == "active"
    assert standin.key(key.sid)
    assert actions(key_request.pk)[-1] == "key.issued"


@pytest.mark.parametrize("overlap_hours", ["0", "24"])
def test_it_does_not_begin_to_rotate_a_key(cast, standin, settings, actions, overlap_hours):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    _full(settings)
    answer = cast.client("engineer").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": overlap_hours})
    key.refresh_from_db()
    key_request.refresh_from_db()
    assert answer.status_code == 503
    assert "Nothing was created" in text_of(answer)
    assert (key.state, key_request.state) == ("active", "issued")
    assert Issuance.objects.count() == 1
    assert actions(key_request.pk)[-1] == "key.issued"


def test_it_does_not_begin_to_adopt_a_key(cast, standin, settings):
    with standin.client() as client:
        policy = Policy.of(["/twilio/billing/usage/read"])
        made = client.create_restricted_key(account_sid=standin.account_sid, friendly_name="old one", policy=policy)
    reconcile()
    _full(settings)
    fields = {"team": cast.team.pk, "owner": cast.user("engineer").pk, "lifetime_days": "30"}
    answer = cast.client("lead").post(f"/keys/unmanaged/{made.sid}/adopt/", fields)
    assert answer.status_code == 503
    assert "Nothing was changed" in text_of(answer)
    assert not ApiKey.objects.exists()
    settings.TWILIO_CONCURRENCY = 1
    assert cast.client("lead").post(f"/keys/unmanaged/{made.sid}/adopt/", fields).status_code == 302
    assert ApiKey.objects.get().sid == made.sid


def test_it_records_a_revocation_all_the_same(cast, standin, settings, actions):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    _full(settings)
    answer = cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "It leaked."})
    key.refresh_from_db()
    assert answer.status_code == 503
    assert "recorded" in text_of(answer)
    assert key.state == "revoking"
    assert standin.key(key.sid)
    reconcile()
    key.refresh_from_db()
    assert key.state == "revoked"
    assert standin.key(key.sid) is None
    assert actions(key_request.pk)[-2:] == ["key.revoke_started", "key.revoked"]


def test_a_place_is_free_again_whatever_happened(settings):
    settings.TWILIO_CONCURRENCY = 1
    for _ in range(3):
        with pytest.raises(KeyError), twilio_slot():
            with pytest.raises(PortalBusy), twilio_slot():
                raise AssertionError("there is one place only")
            raise KeyError
    with twilio_slot():
        pass


def test_all_threads_of_a_process_share_the_places(live_cast, settings):
    settings.TWILIO_CONCURRENCY = 2
    key_request = live_cast.approved()

    def press():
        try:
            return live_cast.issue(key_request)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, twilio_slot():
        with twilio_slot():
            assert pool.submit(press).result().status_code == 503
        assert pool.submit(press).result().status_code == 200
    assert ApiKey.objects.count() == Issuance.objects.count() == 1
