"""A reminder from the requester, at most once a day; and what the request's page says of who was told."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from post_office.models import STATUS, Email

from keys_app.audit.ledger import matching
from keys_app.core.actor import Actor
from keys_app.key_requests.models import KeyRequest
from keys_app.notifications.mail import remove_old
from keys_app.notifications.models import NoticeRecipient
from keys_app.organisation import preferences
from tests.cast import MAKE_KEYS, READ_MESSAGES, text_of
from tests.key_requests.test_decision_races import at_once
from tests.key_requests.test_questions import answer_to, ask
from tests.notifications.test_notices import forget, recipients

DAY = timedelta(days=1)


@pytest.fixture
def mailing(cast, settings):
    """The cast with an address each, in a portal that sends mail."""
    settings.SENDS_MAIL = True
    cast.get_mail()
    return cast


def press(cast, role, key_request):
    return cast.client(role).post(f"/requests/{key_request.pk}/nudge/")


def page_of(cast, role, key_request):
    return text_of(cast.client(role).get(f"/requests/{key_request.pk}/"))


def test_a_reminder_is_mailed_to_those_who_may_decide_and_recorded(mailing, actions):
    key_request = mailing.ask()
    forget()
    answer = press(mailing, "engineer", key_request)
    assert "You reminded Colead Person and Lead Person." in text_of(answer.client.get(answer["Location"]))
    assert recipients() == ["colead", "lead"]
    assert "Engineer Person (engineer) reminds you of the key" in Email.objects.first().subject
    assert actions(key_request.pk)[-1] == "request.nudged"
    assert matching(action="request.nudged").get().details["reminded"] == ["colead", "lead"]
    assert "reminded those who decide" in page_of(mailing, "engineer", key_request)


def test_it_goes_to_security_when_it_is_their_turn(mailing):
    key_request = mailing.ask(permissions=MAKE_KEYS)
    mailing.decide("lead", key_request, "approve")
    forget()
    press(mailing, "engineer", key_request)
    assert recipients() == ["security", "security2"]


def test_once_a_day_with_the_reason_on_the_page(cast, actions):
    key_request = cast.ask()
    assert "Send a reminder" in page_of(cast, "engineer", key_request)
    press(cast, "engineer", key_request)
    page = cast.client("engineer").get(f"/requests/{key_request.pk}/").content.decode()
    assert 'disabled aria-describedby="nudge-note"' in page and "You reminded them" in page
    again = press(cast, "engineer", key_request)
    assert again.status_code == 409 and "You reminded them at" in text_of(again)
    assert actions(key_request.pk).count("request.nudged") == 1
    NoticeRecipient.objects.update(at=timezone.now() - DAY)
    assert press(cast, "engineer", key_request).status_code == 302
    assert actions(key_request.pk).count("request.nudged") == 2


@pytest.mark.parametrize(("role", "status"), [("lead", 409), ("security", 409), ("colleague", 404), ("lead2", 404)])
def test_only_the_requester_reminds(cast, actions, role, status):
    key_request = cast.ask()
    assert "Send a reminder" not in page_of(cast, role, key_request)
    answer = press(cast, role, key_request)
    assert answer.status_code in (status, 403)
    assert "request.nudged" not in actions()


def test_it_is_not_offered_while_the_requester_has_to_answer(cast, actions):
    key_request = cast.ask()
    ask(cast, "lead", key_request, "Why?")
    assert "Send a reminder" not in page_of(cast, "engineer", key_request)
    refused = press(cast, "engineer", key_request)
    assert refused.status_code == 409 and "answer the question first" in text_of(refused)
    answer_to(cast, "engineer", key_request, "Because.")
    assert "Send a reminder" in page_of(cast, "engineer", key_request)
    assert press(cast, "engineer", key_request).status_code == 302


@pytest.mark.parametrize("state", ["approved", "overdue", "no one"])
def test_it_is_refused_where_no_approver_can_act(cast, actions, state):
    key_request = cast.approved() if state == "approved" else cast.ask()
    if state == "overdue":
        KeyRequest.objects.update(created_at=timezone.now() - 15 * DAY)
    elif state == "no one":
        User.objects.exclude(username="engineer").update(is_active=False)
    assert "Send a reminder" not in page_of(cast, "engineer", key_request)
    assert press(cast, "engineer", key_request).status_code == 409
    assert "request.nudged" not in actions()


def test_it_counts_in_the_limit_of_comments(cast, settings):
    settings.LIMITS = {**settings.LIMITS, "comments": 1}
    first, second = cast.ask(), cast.ask(friendly_name="other")
    assert press(cast, "engineer", first).status_code == 302
    refused = press(cast, "engineer", second)
    assert refused.status_code == 429 and "comments and reminders an hour" in text_of(refused)


def test_of_presses_in_three_tabs_one_reminds(live_cast, actions):
    key_request = live_cast.ask()
    clients = [live_cast.client("engineer") for _ in range(3)]
    answers = at_once(*(lambda client=one: client.post(f"/requests/{key_request.pk}/nudge/") for one in clients))
    assert sorted(answer.status_code for answer in answers) == [302, 409, 409]
    assert actions(key_request.pk).count("request.nudged") == 1
    assert NoticeRecipient.objects.filter(kind="request.nudged").count() == 2, "one for each lead"


@pytest.mark.parametrize(
    ("sends", "says"),
    [
        (True, "You reminded Colead Person. No mail reaches Lead Person"),
        (False, "Your reminder is recorded. No mail reaches Colead Person or Lead Person"),
    ],
)
def test_it_says_reminded_only_of_those_whom_a_mail_reaches(mailing, settings, sends, says):
    key_request = mailing.ask()
    User.objects.filter(username="lead").update(email="")
    settings.SENDS_MAIL = sends
    answer = press(mailing, "engineer", key_request)
    assert f"{says}: tell them yourself." in text_of(answer.client.get(answer["Location"]))


# Who was told


def test_after_send_the_page_says_who_is_told(mailing):
    key_request = mailing.ask()
    assert "A mail to Colead Person and Lead Person is on its way." in page_of(mailing, "engineer", key_request)
    Email.objects.update(status=STATUS.sent, last_updated=timezone.now())
    at = f"{timezone.now():%Y-%m-%d %H:%M}"
    assert f"Colead Person and Lead Person were told by mail {at} ." in page_of(mailing, "engineer", key_request)
    Email.objects.filter(to=["lead@example.test"]).update(status=STATUS.failed)
    page = page_of(mailing, "engineer", key_request)
    assert "Colead Person was told by mail" in page and "The mail to Lead Person could not be sent." in page


def test_who_has_no_address_or_wants_it_daily_is_named(mailing):
    User.objects.filter(username="lead").update(email="")
    colead = mailing.user("colead")
    chosen = {**preferences.chosen_by(colead), "to_decide": preferences.DAILY}
    preferences.choose(user=colead, chosen=chosen, actor=Actor.of(colead))
    page = page_of(mailing, "engineer", mailing.ask())
    assert "Lead Person has no mail address here." in page
    assert "Colead Person gets such mails once a day." in page


def test_where_no_mail_is_sent_the_page_says_so(cast, settings):
    settings.SENDS_MAIL = False
    page = page_of(cast, "engineer", cast.ask())
    assert "No mail is sent here, so tell Colead Person and Lead Person yourself." in page


def test_it_names_only_those_whose_turn_it_is_now(mailing):
    key_request = mailing.ask(permissions=MAKE_KEYS)
    mailing.decide("lead", key_request, "approve")
    page = page_of(mailing, "engineer", key_request)
    assert "A mail to Security Person and Security2 Person is on its way." in page
    assert "A mail to Colead" not in page


def test_of_a_request_of_an_older_portal_nothing_is_said(mailing):
    key_request = mailing.ask(permissions=READ_MESSAGES)
    NoticeRecipient.objects.all().delete()
    assert "is on its way" not in page_of(mailing, "engineer", key_request)


def test_who_was_told_is_kept_as_long_as_the_mail(mailing):
    mailing.ask()
    remove_old()
    assert NoticeRecipient.objects.count() == 2
    NoticeRecipient.objects.update(at=timezone.now() - 31 * DAY)
    remove_old()
    assert not NoticeRecipient.objects.exists()
