"""A key after it was issued: who sees it, confirming, replacing, revoking, expiry."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.keys.models import ApiKey
from keys_app.reconcile.run import reconcile
from tests.cast import secret_in, text_of


@pytest.fixture
def key(cast):
    key_request, _ = cast.issued()
    return key_request.keys.get()


@pytest.mark.parametrize(
    ("role", "sees"),
    [("engineer", True), ("lead", True), ("security", True), ("colleague", False), ("lead2", False), ("admin", False)],
)
def test_it_shows_a_key_to_its_people_and_hides_that_it_exists_from_others(cast, key, role, sees):
    client = cast.client(role)
    assert client.get(f"/keys/{key.sid}/").status_code == (200 if sees else 404)
    assert (key.sid in client.get("/keys/").content.decode()) is sees
    for action in ("confirm", "replace", "revoke"):
        answer = client.post(f"/keys/{key.sid}/{action}/", {"reason": ""})
        if not sees:
            assert answer.status_code == 404


def test_it_is_confirmed_by_its_owner_once(cast, key, actions):
    url = f"/keys/{key.sid}/confirm/"
    assert cast.client("lead").post(url).status_code == 403
    assert cast.client("engineer").post(url).status_code == 302
    assert cast.client("engineer").post(url).status_code == 302
    assert actions().count("key.confirmed") == 1


def test_a_revoked_key_is_not_confirmed_and_says_so(cast, key, actions):
    client = cast.client("engineer")
    client.post(f"/keys/{key.sid}/revoke/", {"reason": "Not needed."})
    answer = client.post(f"/keys/{key.sid}/confirm/")
    assert answer.status_code == 409
    assert "This key is revoked" in text_of(answer)
    assert "key.confirmed" not in actions()


def test_it_asks_for_a_confirmation_that_is_late(cast, key):
    page = text_of(cast.client("engineer").get(f"/keys/{key.sid}/"))
    assert "has not confirmed yet" in page
    ApiKey.objects.update(issued_at=timezone.now() - timedelta(minutes=16))
    page = text_of(cast.client("engineer").get(f"/keys/{key.sid}/"))
    assert "No one confirmed" in page
    assert "I have stored it" in page
    assert "Replace key" in page


@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_it_is_revoked_at_twilio_with_a_reason(cast, standin, key, actions, role):
    answer = cast.client(role).post(f"/keys/{key.sid}/revoke/", {"reason": "It leaked."})
    key.refresh_from_db()
    assert answer.status_code == 302
    assert standin.key(key.sid) is None
    assert (key.state, key.revoke_reason) == ("revoked", "It leaked.")
    assert actions()[-2:] == ["key.revoke_started", "key.revoked"]
    again = cast.client(role).post(f"/keys/{key.sid}/revoke/", {"reason": "Again."})
    assert again.status_code == 409


@pytest.mark.parametrize(("reason", "message"), [("", "Give a reason"), ("x" * 2001, "2001 characters")])
def test_it_is_not_revoked_without_a_fitting_reason(cast, standin, key, reason, message):
    answer = cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": reason})
    assert answer.status_code == 422
    assert message in text_of(answer)
    assert standin.key(key.sid) is not None


@pytest.mark.parametrize("fault", ["error_before", "drop_before", "rate_limit"])
def test_it_goes_on_revoking_when_twilio_does_not_answer(cast, standin, key, fault):
    standin.fault(fault, operation="delete")
    answer = cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "It leaked."})
    key.refresh_from_db()
    assert answer.status_code == 503
    assert "may still work" in text_of(answer)
    assert key.state == "revoking"
    assert reconcile().revoked == 1
    key.refresh_from_db()
    assert key.state == "revoked"
    assert standin.key(key.sid) is None


def test_it_counts_as_revoked_when_twilio_no_longer_has_it_nor_lists_it(cast, standin, key):
    with standin.client() as client:
        client.delete_key(key.sid)
    answer = cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "Gone."})
    assert answer.status_code == 503
    assert "once Twilio's list of keys lacks it too" in text_of(answer).replace("’", "'")
    key.refresh_from_db()
    assert key.state == "revoking"
    assert reconcile().revoked == 1
    key.refresh_from_db()
    assert key.state == "revoked"


def test_it_is_replaced_when_the_secret_was_lost(cast, standin, key, actions):
    answer = cast.client("engineer").post(f"/keys/{key.sid}/replace/")
    assert answer.status_code == 302
    assert standin.key(key.sid) is None
    assert secret_in(cast.issue(key.request))
    assert key.request.keys.filter(state="active").count() == 1
    assert actions()[-4:] == ["key.replace_started", "key.revoked", "key.issue_started", "key.issued"]


def test_it_is_replaced_three_times_at_most(cast, key):
    for _ in range(3):
        live = key.request.keys.get(state="active")
        assert cast.client("engineer").post(f"/keys/{live.sid}/replace/").status_code == 302
        assert cast.issue(key.request).status_code == 200
    live = key.request.keys.get(state="active")
    answer = cast.client("engineer").post(f"/keys/{live.sid}/replace/")
    assert answer.status_code == 409
    assert "3 times" in text_of(answer)
    assert "Replace key" not in text_of(cast.client("engineer").get(f"/keys/{live.sid}/"))


def test_it_is_not_replaced_after_it_was_confirmed_or_by_others(cast, standin, key):
    assert cast.client("lead").post(f"/keys/{key.sid}/replace/").status_code == 403
    cast.client("engineer").post(f"/keys/{key.sid}/confirm/")
    assert cast.client("engineer").post(f"/keys/{key.sid}/replace/").status_code == 409
    assert standin.key(key.sid) is not None


def test_it_is_deleted_at_twilio_when_its_lifetime_is_over(cast, standin, key, actions):
    assert reconcile().revoked == 0
    ApiKey.objects.update(issued_at=timezone.now() - timedelta(days=31), expires_at=timezone.now() - timedelta(days=1))
    assert reconcile().revoked == 1
    key.refresh_from_db()
    assert (key.state, key.revoke_reason) == ("revoked", "The key's lifetime is over.")
    assert standin.key(key.sid) is None
    assert actions()[-1] == "key.revoked"


def test_it_offers_a_curl_line_without_the_secret(cast):
    key_request = cast.approved(permissions=["/twilio/messaging/messages/list", "/twilio/messaging/messages/read"])
    answer = cast.issue(key_request)
    line = f"https://api.twilio.com/2010-04-01/Accounts/{cast.account.sid}/Messages.json?PageSize=1"
    assert line in text_of(answer)
    assert answer.context["snippets"].curl.count("$TWILIO_API_SECRET") == 1
    assert text_of(answer).count(secret_in(answer)) == 1


def test_it_does_not_live_longer_for_being_replaced(cast, key):
    long_ago = timezone.now() - timedelta(days=20)
    ApiKey.objects.update(issued_at=long_ago, expires_at=long_ago + timedelta(days=30))
    key.refresh_from_db()
    assert cast.client("engineer").post(f"/keys/{key.sid}/replace/").status_code == 302
    assert cast.issue(key.request).status_code == 200
    assert key.request.keys.get(state="active").expires_at == key.expires_at


def test_it_is_not_replaced_after_its_lifetime(cast, key):
    ApiKey.objects.update(
        issued_at=timezone.now() - timedelta(days=31), expires_at=timezone.now() - timedelta(seconds=1)
    )
    answer = cast.client("engineer").post(f"/keys/{key.sid}/replace/")
    assert answer.status_code == 409
    assert "This key has expired" in text_of(answer)


def test_it_is_not_issued_again_while_the_replaced_key_may_still_work(cast, standin, key):
    standin.fault("error_before", operation="delete")
    assert cast.client("engineer").post(f"/keys/{key.sid}/replace/").status_code == 503
    answer = cast.issue(key.request)
    assert answer.status_code == 409
    assert "not deleted the key that is replaced" in text_of(answer)
    reconcile()
    assert cast.issue(key.request).status_code == 200


def test_it_does_not_take_anybodys_404_for_a_deletion(cast, standin, key):
    standin.fault("refuse", operation="delete", code=0, message="not found here", status=404)
    answer = cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "It leaked."})
    key.refresh_from_db()
    assert standin.key(key.sid) is not None
    assert answer.status_code == 503
    assert key.state == "revoking"
