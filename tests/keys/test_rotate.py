"""Rotating a key: a second one under the same approval, an overlap, and nothing lost whatever Twilio does."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.key_requests.models import KeyRequest
from keys_app.keys import issue
from keys_app.keys import rotate as keys_rotate
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import TeamMembership
from keys_app.reconcile.run import reconcile
from tests.cast import READ_MESSAGES, READ_USAGE, secret_in, tamper, text_of, time_passes


@pytest.fixture
def key(cast):
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    return key_request.keys.get()


def rotate(cast, key, hours=24, role="engineer", **options):
    return cast.client(role).post(f"/keys/{key.sid}/rotate/", {"overlap_hours": hours}, **options)


def newest(key):
    return key.request.keys.latest("issued_at")


def state_of(key):
    return KeyRequest.objects.get(pk=key.request_id).state


@pytest.mark.parametrize("confirmed", [True, False])
def test_it_makes_a_second_key_with_the_same_policy_and_end(cast, standin, key, actions, confirmed):
    if confirmed:
        cast.client("engineer").post(f"/keys/{key.sid}/confirm/")
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(days=9))
    answer = rotate(cast, key)
    new = newest(key)
    key.refresh_from_db()
    assert answer.status_code == 200
    assert len(secret_in(answer)) == 32
    assert answer["Cache-Control"] == "no-store, private"
    assert new.sid != key.sid
    assert f'<code id="key-sid" translate="no">{new.sid}</code>' in answer.content.decode()
    assert standin.key(new.sid)["policy"] == standin.key(key.sid)["policy"] == READ_MESSAGES
    assert (new.expires_at, new.owner, new.team, new.state) == (key.expires_at, key.owner, key.team, "active")
    assert key.state == "active"
    assert abs(key.retires_at - timezone.now() - timedelta(hours=24)) < timedelta(minutes=1)
    assert state_of(key) == "issued"
    assert actions(key.request_id)[-3:] == ["key.rotate_started", "key.rotated", "key.issued"]
    assert matching(action="key.rotated").get().details["successor"] == new.sid
    assert matching(action="key.issued").first().details["rotates"] == key.sid


def test_it_shows_the_secret_in_no_other_answer(cast, key):
    secret = secret_in(rotate(cast, key))
    for role in ("engineer", "lead", "security"):
        client = cast.client(role)
        for url in ("/", "/keys/", f"/keys/{key.sid}/", f"/keys/{newest(key).sid}/", f"/requests/{key.request_id}/"):
            page = client.get(url)
            assert page.status_code == 200
            assert secret not in page.content.decode()


def test_it_answers_htmx_with_the_same_dialog_as_issuing(cast, key):
    answer = rotate(cast, key, headers={"HX-Request": "true"})
    body = answer.content.decode()
    assert body.count("<dialog") == 1
    assert "<html" not in body
    assert secret_in(answer)
    assert f"The old key {key.sid} works until" in text_of(answer)


def test_its_old_key_is_deleted_when_the_overlap_is_over(cast, standin, key, actions):
    rotate(cast, key, 1)
    reconcile()
    assert standin.key(key.sid)
    ApiKey.objects.filter(pk=key.sid).update(retires_at=timezone.now())
    assert reconcile().revoked == 1
    key.refresh_from_db()
    assert (key.state, key.revoke_reason) == ("revoked", "It was rotated, and the overlap with its successor is over.")
    assert standin.key(key.sid) is None
    assert standin.key(newest(key).sid)
    assert actions()[-2:] == ["key.revoke_started", "key.revoked"]
    assert state_of(key) == "issued"


def test_it_deletes_the_old_key_at_once_without_an_overlap(cast, standin, key, actions):
    answer = rotate(cast, key, 0)
    key.refresh_from_db()
    assert secret_in(answer)
    assert key.state == "revoked"
    assert standin.key(key.sid) is None
    assert f"The old key {key.sid} is deleted" in text_of(answer)
    assert actions(key.request_id)[-4:] == ["key.rotated", "key.revoke_started", "key.issued", "key.revoked"]


@pytest.mark.parametrize("fault", ["error_before", "drop_before", "hang"])
def test_it_shows_the_secret_even_if_the_old_key_cannot_be_deleted(cast, standin, key, fault):
    standin.fault(fault, operation="delete")
    answer = rotate(cast, key, 0)
    key.refresh_from_db()
    assert secret_in(answer)
    assert key.state == "revoking"
    assert "may still work" in text_of(answer)
    standin.clear_faults()
    reconcile()
    key.refresh_from_db()
    assert (key.state, standin.key(key.sid)) == ("revoked", None)


@pytest.mark.parametrize("hours", ["", "2", "-1", "abc", "1e3", "9999999999", "²", None])
def test_it_takes_only_an_overlap_that_is_offered(cast, standin, key, hours):
    before = standin.requests()["create"]
    fields = {} if hours is None else {"overlap_hours": hours}
    answer = cast.client("engineer").post(f"/keys/{key.sid}/rotate/", fields)
    assert answer.status_code == 422
    assert "Choose how long the old key is kept" in text_of(answer)
    assert (
        cast.client("engineer").post(f"/keys/{key.sid}/rotate/", fields, headers={"HX-Request": "true"}).status_code
        == 422
    )
    assert standin.requests()["create"] == before


@pytest.mark.parametrize(
    ("role", "status"), [("lead", 403), ("security", 403), ("colleague", 404), ("lead2", 404), ("admin", 404)]
)
def test_it_is_for_the_owner_alone(cast, standin, key, role, status):
    before = standin.requests()["create"]
    assert rotate(cast, key, role=role).status_code == status
    assert standin.requests()["create"] == before
    assert "Rotate key" not in text_of(cast.client("lead").get(f"/keys/{key.sid}/"))


def _revoke(cast, key):
    cast.client("lead").post(f"/keys/{key.sid}/revoke/", {"reason": "Not needed."})


REFUSALS = {
    "revoked": (_revoke, "This key is revoked"),
    "lifetime": (
        lambda cast, key: ApiKey.objects.update(
            issued_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() + timedelta(minutes=4)
        ),
        "The key expires too soon for a rotation",
    ),
    "account": (lambda cast, key: type(cast.account).objects.update(is_active=False), "switched off"),
    "team": (lambda cast, key: TeamMembership.objects.filter(user=key.owner).delete(), "no longer one of yours"),
    "digest": (lambda cast, key: tamper(key.request, lifetime_days=300), "not what was approved"),
    "rails": (
        lambda cast, key: type(cast.account).objects.update(allowed_products=["billing"]),
        "guardrails of the team or account no longer allow",
    ),
    "twice": (lambda cast, key: rotate(cast, key), "was rotated already"),
    "replacing": (lambda cast, key: cast.client("engineer").post(f"/keys/{key.sid}/replace/"), "This key is revoked"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_it_is_refused_where_issuing_would_be(cast, standin, key, name):
    change, words = REFUSALS[name]
    change(cast, key)
    before, there = standin.requests()["create"], {item["sid"] for item in standin.keys()}
    answer = rotate(cast, key)
    assert answer.status_code == 409
    assert words in text_of(answer)
    assert not secret_in(answer)
    assert standin.requests()["create"] == before
    assert {item["sid"] for item in standin.keys()} == there


def test_it_keeps_at_most_two_older_keys_beside_the_newest(cast, standin, key):
    for _ in range(2):
        assert rotate(cast, newest(key)).status_code == 200
    answer = rotate(cast, newest(key))
    assert answer.status_code == 409
    assert "2 earlier keys of this request still work" in text_of(answer)
    _revoke(cast, key)
    assert rotate(cast, newest(key)).status_code == 200


TROUBLES = [
    ("refuse", {"code": 70002}, 502, "key.rotate_refused"),
    ("unauthorized", {}, 502, "key.rotate_refused"),
    ("rate_limit", {"retry_after": 7}, 503, "key.rotate_not_processed"),
]


@pytest.mark.parametrize(("fault", "options", "status", "action"), TROUBLES)
def test_it_leaves_the_old_key_alone_when_twilio_says_no(cast, standin, key, actions, fault, options, status, action):
    standin.fault(fault, **options)
    answer = rotate(cast, key)
    key.refresh_from_db()
    assert answer.status_code == status
    assert "Nothing was created" in text_of(answer)
    assert (state_of(key), key.state, key.retires_at) == ("issued", "active", None)
    assert actions(key.request_id)[-2:] == ["key.rotate_started", action]
    assert action in [event.action for event in matching() if event.key_sid == key.sid]
    assert secret_in(rotate(cast, key))


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "html", "truncated", "no_secret", "hang"])
def test_it_settles_a_lost_answer_by_deleting_the_new_key(cast, standin, key, actions, fault):
    standin.fault(fault)
    answer = rotate(cast, key)
    key.refresh_from_db()
    assert answer.status_code == 504
    assert "The old key stays as it is" in text_of(answer)
    assert (state_of(key), key.state, key.retires_at) == ("issuing", "active", None)
    assert rotate(cast, key).status_code == 409
    assert cast.client("engineer").post(f"/keys/{key.sid}/replace/").status_code == 409
    assert len(standin.keys()) == 2
    assert reconcile().orphans_deleted == 1
    assert [item["sid"] for item in standin.keys()] == [key.sid]
    assert state_of(key) == "issued"
    assert actions(key.request_id)[-3:] == ["key.rotate_started", "key.rotate_unknown", "key.orphan_deleted"]
    assert secret_in(rotate(cast, key))


def test_it_closes_an_attempt_that_made_no_key(cast, standin, key, settings):
    settings.RECONCILE_GRACE = timedelta(0)
    standin.fault("drop_before")
    assert rotate(cast, key).status_code == 504
    assert [reconcile().never_created for _ in range(3)] == [0, 0, 1]
    assert state_of(key) == "issued"
    assert secret_in(rotate(cast, key))


@pytest.mark.parametrize("fault", ["null_policy", "other_policy"])
def test_it_never_shows_a_key_with_another_policy(cast, standin, key, fault):
    standin.fault(fault)
    answer = rotate(cast, key)
    key.refresh_from_db()
    assert answer.status_code == 502
    assert not secret_in(answer)
    assert [item["sid"] for item in standin.keys()] == [key.sid]
    assert (state_of(key), key.retires_at) == ("issued", None)


def test_it_is_not_shown_when_the_old_key_is_revoked_meanwhile(cast, standin, key, monkeypatch):
    """The key may have been revoked because its owner must not have one any more."""
    ask = issue._ask_twilio

    def ask_and_be_revoked(*args):
        created = ask(*args)
        _revoke(cast, key)
        return created

    monkeypatch.setattr(issue, "_ask_twilio", ask_and_be_revoked)
    answer = rotate(cast, key)
    assert answer.status_code == 504
    assert not secret_in(answer)
    assert "This key is revoked, since" in text_of(answer)
    time_passes(standin)
    assert reconcile().orphans_deleted == 1
    assert standin.keys() == []
    assert state_of(key) == "issued"
    assert not ApiKey.objects.filter(state="active").exists()


def test_it_is_not_shown_when_it_cannot_be_recorded(cast, standin, key, monkeypatch):
    def broken(*args, **kwargs):
        raise DatabaseError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(issue, "_store_key", broken)
        answer = rotate(cast, key)
    key.refresh_from_db()
    assert answer.status_code == 504
    assert not secret_in(answer)
    assert (state_of(key), key.retires_at) == ("issuing", None)
    time_passes(standin)
    reconcile()
    assert [item["sid"] for item in standin.keys()] == [key.sid]
    assert state_of(key) == "issued"


def test_it_does_not_count_as_a_replacement(cast, standin, key):
    for _ in range(3):
        rotate(cast, newest(key), 0)
    lost = newest(key)
    assert cast.client("engineer").post(f"/keys/{lost.sid}/replace/").status_code == 302
    assert secret_in(cast.issue(key.request))


def test_a_lost_new_key_is_replaced_while_the_old_one_retires(cast, standin, key):
    rotate(cast, key, 72)
    lost = newest(key)
    assert cast.client("engineer").post(f"/keys/{key.sid}/replace/").status_code == 409
    assert cast.client("engineer").post(f"/keys/{lost.sid}/replace/").status_code == 302
    assert standin.key(lost.sid) is None
    assert standin.key(key.sid)
    assert secret_in(cast.issue(key.request))
    assert ApiKey.objects.filter(state="active", retires_at=None).count() == 1


def test_a_retiring_key_can_be_revoked(cast, standin, key):
    rotate(cast, key)
    page = text_of(cast.client("engineer").get(f"/keys/{key.sid}/"))
    assert "Retiring" in page
    assert newest(key).sid in page
    assert 'name="overlap_hours"' not in cast.client("engineer").get(f"/keys/{key.sid}/").content.decode()
    _revoke(cast, key)
    assert standin.key(key.sid) is None
    assert standin.key(newest(key).sid)


def test_the_database_allows_one_key_that_does_not_retire(cast, key):
    rotate(cast, key)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(retires_at=None)


def test_every_overlap_is_offered_and_taken(cast, standin):
    for hours in keys_rotate.OVERLAPS:
        key_request, _ = cast.issued(friendly_name=f"kept-{hours}", permissions=READ_USAGE)
        key = key_request.keys.get()
        page = cast.client("engineer").get(f"/keys/{key.sid}/").content.decode()
        assert f'<option value="{hours}"' in page
        assert secret_in(rotate(cast, key, hours))
