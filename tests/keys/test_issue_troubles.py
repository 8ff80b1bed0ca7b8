"""What Twilio can do to an attempt to issue, and what the portal makes of it."""

import pytest

from keys_app.audit.ledger import matching
from keys_app.key_requests.models import Issuance
from keys_app.keys.models import ApiKey
from keys_app.reconcile.run import reconcile
from tests.cast import secret_in, text_of


def _attempt(cast, standin, fault, **options):
    key_request = cast.approved()
    standin.fault(fault, **options)
    before = standin.requests()["create"]
    answer = cast.issue(key_request)
    assert standin.requests()["create"] - before <= 1
    assert not secret_in(answer)
    key_request.refresh_from_db()
    return key_request, answer


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        ("refuse", {"code": 70002, "message": "assertion '/twilio/x/y/read' is invalid"}, "70002"),
        ("unauthorized", {}, "20003"),
    ],
)
def test_it_shows_a_refusal_with_twilios_code_and_may_be_tried_again(cast, standin, actions, fault, options, code):
    key_request, answer = _attempt(cast, standin, fault, **options)
    assert answer.status_code == 502
    assert f"code {code}" in text_of(answer)
    assert "Nothing was created" in text_of(answer)
    assert key_request.state == "failed"
    assert actions(key_request.pk)[-2:] == ["key.issue_started", "key.issue_refused"]
    page = text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))
    assert code in page
    assert "Issue key" in page
    assert secret_in(cast.issue(key_request))


def test_it_keeps_the_approval_when_twilio_is_busy(cast, standin, actions):
    key_request, answer = _attempt(cast, standin, "rate_limit", retry_after=7)
    assert answer.status_code == 503
    assert "in 7 seconds" in text_of(answer)
    assert "20429" in text_of(answer)
    assert key_request.state == "approved"
    assert actions(key_request.pk)[-1] == "key.issue_not_processed"
    assert secret_in(cast.issue(key_request))


def test_it_keeps_the_approval_when_twilio_is_down(cast, standin, settings):
    key_request = cast.approved()
    settings.TWILIO_IAM_BASE_URL = settings.TWILIO_IAM_BASE_URL._replace(netloc="127.0.0.1:9")
    answer = cast.issue(key_request)
    key_request.refresh_from_db()
    assert answer.status_code == 503
    assert "Nothing was created" in text_of(answer)
    assert key_request.state == "approved"


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("error_after", {}),
        ("drop_after", {}),
        ("reset", {}),
        ("hang", {"seconds": 4}),
        ("html", {}),
        ("truncated", {}),
        ("no_secret", {}),
        ("oversized", {}),
    ],
)
def test_it_settles_a_lost_answer_by_deleting_the_key(cast, standin, actions, fault, options):
    key_request, answer = _attempt(cast, standin, fault, **options)
    marker = key_request.issuances.get().marker
    assert answer.status_code == 504
    assert key_request.state == "issuing"
    assert "Outcome unknown" in text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))
    lost = [key for key in standin.keys() if marker in (key["friendly_name"] or "")]
    assert len(lost) == 1

    found = reconcile()

    key_request.refresh_from_db()
    assert found.orphans_deleted == 1
    assert standin.key(lost[0]["sid"]) is None
    assert key_request.state == "approved"
    assert actions(key_request.pk)[-2:] == ["key.issue_unknown", "key.orphan_deleted"]
    assert secret_in(cast.issue(key_request))


def test_it_records_the_deletion_of_a_lost_key_even_if_that_answer_is_lost_too(cast, standin, actions, settings):
    """The next run does not find the key in the listing, and must not say that it was never made."""
    settings.RECONCILE_GRACE = settings.RECONCILE_GRACE * 0
    key_request, _ = _attempt(cast, standin, "drop_after")
    marker = key_request.issuances.get().marker
    (lost,) = [key for key in standin.keys() if marker in (key["friendly_name"] or "")]
    standin.fault("drop_after", operation="delete")
    assert reconcile().orphans_deleted == 0
    assert standin.key(lost["sid"]) is None
    key_request.refresh_from_db()
    assert key_request.state == "issuing"

    assert reconcile().orphans_deleted == 1

    key_request.refresh_from_db()
    issuance = key_request.issuances.get()
    assert key_request.state == "approved"
    assert (issuance.state, issuance.key_sid, issuance.orphan_sid) == ("orphan_deleted", lost["sid"], "")
    assert actions(key_request.pk)[-2:] == ["key.issue_unknown", "key.orphan_deleted"]
    assert reconcile().orphans_deleted == 0


def test_it_records_it_also_for_a_key_that_turns_up_after_the_attempt_was_closed(cast, standin, actions, settings):
    settings.RECONCILE_GRACE = settings.RECONCILE_GRACE * 0
    key_request, _ = _attempt(cast, standin, "drop_after", hide=3600)
    for _ in range(3):
        reconcile()
    assert actions(key_request.pk)[-1] == "key.never_created"
    standin.show_hidden()
    standin.fault("drop_after", operation="delete")
    reconcile()
    assert actions(key_request.pk)[-1] == "key.never_created"
    assert reconcile().orphans_deleted == 1
    assert actions(key_request.pk)[-1] == "key.orphan_deleted"
    assert reconcile().orphans_deleted == 0


@pytest.mark.parametrize("fault", ["error_before", "drop_before", "redirect"])
def test_it_closes_an_attempt_that_made_no_key_after_the_grace_and_three_looks(cast, standin, actions, settings, fault):
    key_request, answer = _attempt(cast, standin, fault)
    assert answer.status_code == 504
    for _ in range(4):
        assert reconcile().never_created == 0  # the grace period is not over
    settings.RECONCILE_GRACE = settings.RECONCILE_GRACE * 0
    assert reconcile().never_created == 1
    key_request.refresh_from_db()
    assert key_request.state == "approved"
    assert actions(key_request.pk)[-1] == "key.never_created"


@pytest.mark.parametrize(
    ("fault", "options", "words", "noted"),
    [
        ("null_policy", {}, "a Standard key, with full access, instead of the approved one", "standard"),
        ("other_policy", {}, "a key with another policy than the approved one", None),
        (
            "beside_allow",
            {"fields": {"deny": ["/twilio/usage/records/list"]}},
            "a key whose policy cannot be read",
            "unreadable",
        ),
    ],
)
def test_it_deletes_a_key_that_is_not_as_approved_and_never_shows_it(
    cast, standin, actions, told, fault, options, words, noted
):
    key_request, answer = _attempt(cast, standin, fault, **options)
    issuance = key_request.issuances.get()
    assert answer.status_code == 502
    assert f"Twilio made {words}. It was deleted immediately and never shown." in text_of(answer)
    (alarm,) = [notice for notice in told if notice["kind"] == "alarm.policy_breach"]
    assert alarm["title"] == f"Twilio made {words}: {issuance.key_sid}"
    event = matching(action="key.policy_breach").get()
    assert event.details.get("policy") == noted
    page = text_of(cast.client("engineer").get(key_request.get_absolute_url()))
    assert f"Twilio made {words}. It was never shown." in page
    assert {"standard": "got a Standard key", "unreadable": "policy cannot be read", None: "another policy"}[
        noted
    ] in page
    assert standin.key(issuance.key_sid) is None
    assert (key_request.state, issuance.state) == ("failed", "breach")
    assert not ApiKey.objects.exists()
    assert actions(key_request.pk)[-2:] == ["key.policy_breach", "key.breach_deleted"]


def test_it_goes_on_deleting_a_key_with_another_policy_when_twilio_fails(cast, standin, actions):
    key_request = cast.approved()
    standin.fault("other_policy")
    standin.fault("error_before", operation="delete")
    answer = cast.issue(key_request)
    issuance = key_request.issuances.get()
    assert "could not be deleted yet" in text_of(answer)
    assert standin.key(issuance.key_sid) is not None
    reconcile()
    key_request.refresh_from_db()
    assert standin.key(issuance.key_sid) is None
    assert key_request.state == "failed"
    assert actions(key_request.pk)[-2:] == ["key.policy_breach", "key.orphan_deleted"]


def test_it_starts_nothing_when_the_credential_cannot_be_read(cast, standin):
    key_request = cast.approved()
    cast.account.credential_ciphertext = "nonsense"
    cast.account.save()
    answer = cast.issue(key_request)
    assert "cannot read its credential" in text_of(answer)
    assert not Issuance.objects.exists()


def test_it_leaves_an_attempt_that_is_still_running_alone(cast, standin):
    key_request, _ = _attempt(cast, standin, "drop_after")
    Issuance.objects.update(state="started", finished_at=None)
    assert reconcile().orphans_deleted == 0
    key_request.refresh_from_db()
    assert key_request.state == "issuing"


def test_it_lapses_an_approval_nobody_used(cast, settings, actions):
    settings.APPROVAL_LAPSES_AFTER = settings.APPROVAL_LAPSES_AFTER * -1
    key_request = cast.approved()
    answer = cast.issue(key_request)
    key_request.refresh_from_db()
    assert answer.status_code == 409
    assert "lapsed" in text_of(answer)
    assert key_request.state == "lapsed"
    assert actions(key_request.pk)[-1] == "request.lapsed"
