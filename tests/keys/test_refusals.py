"""Each error of Twilio speaks the same through dialog, page, mail and Reconciliation, and says whose turn it is."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from post_office.models import Email

from keys_app.key_requests.models import Issuance
from keys_app.keys.models import ApiKey
from keys_app.notifications.models import Trouble
from keys_app.organisation.models import Account
from keys_app.reconcile.run import reconcile
from keys_app.twilio_errors.lookup import form_of
from keys_app.twilio_errors.model import Mender
from tests.cast import secret_in, text_of
from tests.twilio_errors.samples import SAMPLES

FULL = {"status": 400, "code": 70151, "message": "Maximum Number Of API Keys Exceeded"}
NOT_ACCEPTED = {"status": 401, "code": 20003, "message": "Authenticate"}
NO_RIGHT = {"status": 401, "code": 20003, "message": "Policy evaluation failed"}
TOLD = ["admin", "security", "security2"]
ADMINS_TURN = "It's a portal admin's turn. Portal admins and Security were told at "
REFUSED = [sample for sample in SAMPLES if sample[2] != 429]
# What no row of the table knows: by its status, and with Twilio's own words.
NOT_KNOWN = [(99999, None, 401, "Something <b>new</b>"), (99999, None, 400, "Something <b>new</b>")]


@pytest.fixture(autouse=True)
def mail(cast, settings):
    settings.SENDS_MAIL = True
    cast.get_mail()


def told_whom():
    return sorted(email.to[0].partition("@")[0] for email in Email.objects.all() if "Twilio refuses" in email.subject)


def press(cast, key_request):
    """Press “Issue key” as htmx does, for the dialog."""
    Email.objects.all().delete()
    return cast.issue(key_request, headers={"HX-Request": "true"})


def page(cast, key_request, role="engineer"):
    return text_of(cast.client(role).get(f"/requests/{key_request.pk}/"))


@pytest.mark.parametrize(("code", "name", "status", "message"), [*REFUSED, *NOT_KNOWN])
def test_an_error_says_the_same_in_dialog_page_and_mail(cast, standin, code, name, status, message):
    key_request = cast.approved()
    standin.fault("refuse", status=status, code=code, message=message)
    answer = press(cast, key_request)
    form = form_of(code, message, status)
    assert form.name == (name or form.name)
    for words in (text_of(answer), *(page(cast, key_request, role) for role in ("engineer", "lead", "security"))):
        assert message in words  # escaped, and whole
        assert str(code) in words
        assert form.means.words in words
        whose = {Mender.ADMIN: ADMINS_TURN, Mender.SECURITY: "It's Security's turn."}
        assert whose.get(form.turn, "It's the requester's turn.") in words
    assert answer.status_code == 502
    assert "<dialog" in answer.content.decode()
    assert "<b>new" not in answer.content.decode()
    assert told_whom() == (TOLD if form.turn is Mender.ADMIN else [])
    for email in Email.objects.filter(subject__contains="Twilio refuses"):
        assert f"Twilio said: {message}" in email.message
        assert form.mend in email.message.replace(":// ", "://")
        assert str(cast.account) in email.message
    reconciliation = text_of(cast.client("security").get("/reconciliation/"))
    assert (form.mend in reconciliation) == (form.turn is Mender.ADMIN)
    assert cast.client("admin").get("/reconciliation/").status_code == 403
    key_request.refresh_from_db()
    assert key_request.state == "failed"
    assert secret_in(cast.issue(key_request))  # it can be issued still


def test_the_portal_admins_mail_leads_to_what_they_may_open(cast, standin):
    key_request = cast.approved()
    standin.fault("refuse", **NO_RIGHT)
    press(cast, key_request)
    sent = {email.to[0]: email.message for email in Email.objects.all()}
    path = f"/admin/keys_app/account/{cast.account.sid}/change/"
    assert path in sent["admin@example.test"]
    assert cast.client("admin").get(path).status_code == 200
    assert "/reconciliation/" in sent["security@example.test"]
    assert cast.client("security").get("/reconciliation/").status_code == 200


def test_too_many_requests_are_twilios_turn_and_told_to_no_one(cast, standin):
    key_request = cast.approved()
    standin.fault("rate_limit", retry_after=7)
    answer = press(cast, key_request)
    assert "20429" in text_of(answer)
    assert "in 7 seconds" in text_of(answer)
    for words in (text_of(answer), page(cast, key_request)):
        assert f"{form_of(20429, 'Too Many Requests').means.words} It's Twilio's turn." in words
    assert told_whom() == []
    assert not Trouble.objects.exists()


def test_it_is_told_once_for_an_account_and_error_until_it_is_over(cast, standin, actions):
    first, second = cast.approved(), cast.approved(friendly_name="another")
    standin.fault("refuse", times=3, **FULL)
    press(cast, first)
    assert told_whom() == TOLD
    press(cast, first)
    assert told_whom() == []
    press(cast, second)
    assert told_whom() == []
    assert ADMINS_TURN in page(cast, second)
    standin.fault("refuse", **NO_RIGHT)  # another error is news
    press(cast, second)
    assert told_whom() == TOLD
    assert actions().count("trouble.began") == 2

    assert secret_in(cast.issue(second))
    assert "has worked since" in page(cast, first)
    reconcile(wait=lambda _: None)
    assert "has worked since" in page(cast, first)
    assert not Trouble.objects.filter(ended_at=None).exists()
    over = [email.to[0] for email in Email.objects.all() if "Over: Twilio refuses" in email.subject]
    assert sorted(over) == sorted(2 * [f"{role}@example.test" for role in TOLD])
    assert actions().count("trouble.ended") == 2

    standin.fault("refuse", **FULL)
    press(cast, first)
    assert told_whom() == TOLD


def test_no_one_is_reminded_of_it_and_connecting_the_account_anew_ends_it(cast, standin):
    key_request = cast.approved()
    standin.fault("refuse", **NO_RIGHT)
    press(cast, key_request)
    day = timedelta(days=1, minutes=1)
    Trouble.objects.update(told_at=F("told_at") - day, since=F("since") - day)
    Account.objects.update(connected_at=F("connected_at") - 2 * day)
    Email.objects.all().delete()
    reconcile(wait=lambda _: None)
    assert told_whom() == []
    assert Trouble.objects.filter(ended_at=None).exists()
    Account.objects.filter(pk=cast.account.pk).update(connected_at=timezone.now())
    assert "has worked since" in page(cast, key_request)
    reconcile(wait=lambda _: None)
    assert not Trouble.objects.filter(ended_at=None).exists()


def test_a_rotation_is_refused_in_the_same_words_and_the_old_key_stays(cast, standin):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    standin.fault("refuse", **FULL)
    client = cast.client("engineer")
    answer = client.post(f"/keys/{key.pk}/rotate/", {"overlap_hours": "24"}, headers={"HX-Request": "true"})
    means = form_of(70151, FULL["message"]).means.words
    for words in (
        text_of(answer),
        text_of(client.get(f"/keys/{key.pk}/")),
        page(cast, key_request),
        text_of(cast.client("lead").get(f"/keys/{key.pk}/")),
    ):
        assert FULL["message"] in words
        assert means in words
        assert ADMINS_TURN in words
        assert "The old key stays as it is" in words
    assert told_whom() == TOLD
    key.refresh_from_db()
    key_request.refresh_from_db()
    assert (key.state, key_request.state) == ("active", "issued")
    assert secret_in(client.post(f"/keys/{key.pk}/rotate/", {"overlap_hours": "24"}))


def test_a_replacement_says_whose_turn_the_deletion_is(cast, standin):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    standin.fault("refuse", operation="delete", times=2, **NO_RIGHT)
    client = cast.client("engineer")
    answer = client.post(f"/keys/{key.pk}/replace/", headers={"HX-Request": "true"})
    for words in (text_of(answer), text_of(client.get(f"/keys/{key.pk}/"))):
        assert "The portal keeps retrying" in words
        assert ADMINS_TURN in words
    assert "Policy evaluation failed" in text_of(answer)
    assert told_whom() == TOLD
    Email.objects.all().delete()
    reconcile(wait=lambda _: None)  # it is refused again, which is no news
    assert told_whom() == []
    reconcile(wait=lambda _: None)
    assert ApiKey.objects.get(pk=key.pk).state == "revoked"
    assert not Trouble.objects.filter(ended_at=None).exists()


def test_runs_that_are_refused_tell_portal_admins_when_they_tell_security(cast, standin, settings):
    settings.RECONCILE_FAILED_RUNS = 2
    cast.other_account.delete()
    standin.fault("refuse", operation="list", times=3, **NOT_ACCEPTED)
    sent = Email.objects.filter(subject__contains="could not be settled")
    for count in (0, 3, 3):
        reconcile(wait=lambda _: None)
        assert sent.count() == count
    assert {email.to[0] for email in sent} == {f"{role}@example.test" for role in TOLD}
    mend = form_of(20003, "Authenticate").mend
    assert all(
        f"Authenticate (20003). {form_of(20003, 'Authenticate').means.words} {mend}" in one.message for one in sent
    )
    shown = text_of(cast.client("security").get("/reconciliation/"))
    assert "Authenticate (20003)" in shown
    assert mend in shown


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (20003, "Authenticate", "It's a portal admin's turn. Tell one."),
        (None, "HTTP 401", "It's a portal admin's turn. Tell one."),
        (55555, "Words of last year", "It's the requester's turn. Try again."),
    ],
)
def test_an_attempt_of_last_year_is_worded(cast, standin, code, message, words):
    key_request = cast.approved()
    standin.fault("refuse", **FULL)
    press(cast, key_request)
    Trouble.objects.all().delete()
    Issuance.objects.update(twilio_code=code, message=message)
    shown = page(cast, key_request)
    assert words in shown
    assert message in shown


GREATER = {"status": 401, "code": 70152, "message": "Permission denied"}


def test_what_hangs_on_the_permissions_asked_for_is_not_over_when_another_key_is_made(cast, standin):
    refused, other = cast.approved(), cast.approved()
    standin.fault("refuse", **GREATER)
    press(cast, refused)
    assert told_whom() == TOLD
    standin.clear_faults()
    assert secret_in(cast.issue(other))
    assert "has worked since" not in page(cast, refused)
    standin.fault("refuse", **GREATER)
    press(cast, refused)
    assert told_whom() == []


def test_a_refused_rotation_is_no_longer_news_once_the_key_is_revoked(cast, standin):
    key_request, _ = cast.issued()
    key = ApiKey.objects.get()
    standin.fault("refuse", **FULL)
    cast.client("engineer").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": "24"})
    assert "can be rotated again" in page(cast, key_request)
    standin.clear_faults()
    cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "No longer needed."})
    assert "can be rotated again" not in page(cast, key_request)


@pytest.mark.parametrize(("code", "message"), [(70001, "constraint violations"), (70002, "assertion '/x' is invalid")])
def test_no_one_is_told_to_press_again_what_twilio_does_not_accept(cast, standin, code, message):
    key_request = cast.approved()
    standin.fault("refuse", status=400, code=code, message=message)
    press(cast, key_request)
    assert "It's the requester's turn." in page(cast, key_request)
    assert "“Issue key” again" not in page(cast, key_request)
