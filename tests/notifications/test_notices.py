"""Notices: who gets which, that they are part of the change they tell of, and what a mail holds."""

from contextlib import suppress
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core import mail
from django.db import transaction
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from post_office.models import STATUS, Email

import portal.account_urls  # reads the setting that these tests change, so it has to come before
import portal.urls
from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.key_requests import decide, deciders, digests
from keys_app.key_requests.notices import Audience, break_glass_used, request_asked, request_narrowed
from keys_app.notifications import mail as notifications_mail
from keys_app.notifications import outbox
from keys_app.notifications.models import NoticeKey
from keys_app.notifications.notify import notify
from keys_app.organisation import access
from keys_app.organisation.models import TeamMembership
from keys_app.users.password_resets import send_links
from tests.cast import MAKE_KEYS


@pytest.fixture
def mailing(cast, settings):
    """The cast with an address each, in a portal that sends mail."""
    settings.SENDS_MAIL = True
    cast.get_mail()
    return cast


def queued() -> list[Email]:
    return list(Email.objects.filter(status=STATUS.queued).order_by("id"))


def recipients() -> list[str]:
    """Return to whom mail is queued, by role."""
    return sorted(address.removesuffix("@example.test") for mail in queued() for address in mail.to)


def forget() -> None:
    Email.objects.all().delete()


def test_it_tells_the_leads_of_the_team_of_a_request(mailing):
    key_request = mailing.ask()
    assert recipients() == ["colead", "lead"]
    first = queued()[0]
    assert first.subject == '[Key portal] Engineer Person (engineer) asks for the key "usage-report"'
    assert f"http://127.0.0.1:8000/admin/keys_app/keyrequest/{key_request.pk}/change/" in first.message
    assert "A monthly report." in first.message


def test_it_tells_other_leads_and_security_of_a_leads_own_request(mailing):
    mailing.ask("lead")
    assert recipients() == ["colead", "security", "security2"]


def test_it_tells_the_requester_of_a_decision_with_its_reason(mailing):
    key_request = mailing.ask()
    forget()
    mailing.decide("lead", key_request, "reject", "Too wide.")
    assert recipients() == ["engineer"]
    assert "Lead Person (lead) rejected your request.\n\nReason:\n> Too wide." in queued()[0].message
    assert f"/requests/{key_request.pk}/\n" in queued()[0].message


def test_it_tells_security_when_the_second_approval_is_theirs(mailing):
    key_request = mailing.ask(permissions=MAKE_KEYS)
    assert recipients() == ["colead", "lead"]
    forget()
    mailing.decide("lead", key_request, "approve")
    assert recipients() == ["security", "security2"]
    forget()
    mailing.decide("security", key_request, "approve")
    assert recipients() == ["engineer"]


def test_it_tells_nobody_of_a_decision_that_was_refused(mailing):
    key_request = mailing.ask()
    forget()
    assert mailing.decide("lead", key_request, "approve", digest="0" * 64).status_code == 409
    assert mailing.decide("lead", key_request, "reject", "").status_code == 422
    assert queued() == []


def test_it_loses_the_notice_with_the_change_that_is_rolled_back(mailing, monkeypatch):
    """The ledger's event is the last write: where it fails, neither decision nor notice is left."""
    key_request = mailing.ask()
    forget()

    def full_disk(*_, **__):
        raise PortalError("no space")

    monkeypatch.setattr(decide, "record", full_disk)
    with pytest.raises(PortalError):
        decide.reject(request_id=key_request.pk, reason="No.", actor=Actor.of(mailing.people["lead"]))
    key_request.refresh_from_db()
    assert key_request.state == "pending"
    assert queued() == []


def test_it_refuses_to_queue_outside_a_transaction(live_cast):
    with pytest.raises(transaction.TransactionManagementError):
        notify("request.created", title="a", text="b", path="/")


@pytest.mark.parametrize("path", ["requests/", "//evil.example/", "https://evil.example/", ""])
def test_it_links_to_the_portal_alone(mailing, path):
    with pytest.raises(ValueError, match="one slash"):
        notify("request.created", title="a", text="b", path=path)


def test_it_queues_no_mail_where_none_is_sent(mailing, settings):
    settings.SENDS_MAIL = False
    mailing.ask()
    assert not Email.objects.exists()


def test_it_leaves_out_who_is_gone_and_who_has_no_address(mailing):
    """Where that leaves no one, Security is told."""
    User.objects.filter(username="lead").update(is_active=False)
    mailing.ask()
    assert recipients() == ["colead"]
    forget()
    User.objects.filter(username="colead").update(email="")
    mailing.ask(friendly_name="again")
    assert recipients() == ["security", "security2"]


def test_it_writes_to_the_team_and_to_each_address_once(mailing):
    mailing.team.notice_email = "payments@example.test"
    mailing.team.save()
    User.objects.filter(username="colead").update(email="LEAD@example.test")
    mailing.ask()
    assert [address.casefold() for address in recipients()] == ["lead", "payments"]


def test_it_sends_an_alarm_to_security_as_well(mailing):
    key_request = mailing.ask()
    forget()
    key_request.incident = "INC-7"
    break_glass_used(key_request, Audience.of(key_request))
    assert recipients() == ["colead", "lead", "security", "security2"]
    assert "INC-7" in queued()[0].message
    assert queued()[0].priority > 1


def test_it_tells_the_other_side_of_a_question(mailing):
    key_request = mailing.ask()
    forget()
    request_asked(key_request, mailing.people["lead"], "Why all of it?", Audience.requester(key_request))
    assert recipients() == ["engineer"]
    forget()
    request_asked(key_request, mailing.people["engineer"], "Only usage.", Audience.of(key_request))
    assert recipients() == ["colead", "lead"]


def talk(cast, key_request, *said):
    """Let people ask and answer one by one as (role, text), and return who is mailed of the last."""
    for role, text in said:
        forget()
        if role == "engineer":
            done = cast.client(role).post(f"/requests/{key_request.pk}/comment/", {"comment": text})
        else:
            done = cast.decide(role, key_request, "ask", question=text)
        assert done.status_code == 302
    return recipients()


def test_an_answer_reaches_who_asked_though_it_is_not_their_turn(mailing):
    key_request = mailing.ask()
    said = [("security", "Why?"), ("engineer", "So."), ("security2", "Since when?"), ("engineer", "Since May.")]
    assert talk(mailing, key_request, *said) == ["colead", "lead", "security2"]
    assert talk(mailing, key_request, ("engineer", "Or April.")) == ["colead", "lead", "security2"]


def test_an_answer_on_an_approved_request_reaches_who_approved_and_who_asked(mailing):
    key_request = mailing.approved()
    assert talk(mailing, key_request, ("engineer", "Thank you.")) == ["lead"]
    assert talk(mailing, key_request, ("security", "Really?"), ("engineer", "Yes.")) == ["lead", "security"]


def test_an_answer_on_break_glass_reaches_its_reviewers(mailing):
    mailing.let_break_glass()
    mailing.delegate("colead", to="colleague")
    key_request = mailing.ask(incident="INC-1", lifetime_days="1")
    assert "colleague" in recipients()
    everyone = ["colead", "colleague", "lead", "security", "security2"]
    assert talk(mailing, key_request, ("engineer", "It is over.")) == everyone


def test_an_answer_is_never_for_no_one(mailing):
    key_request = mailing.approved()
    User.objects.filter(username="lead").update(is_active=False)
    assert talk(mailing, key_request, ("engineer", "Thank you.")) == ["colead"]
    User.objects.filter(username="colead").update(email="")
    assert talk(mailing, key_request, ("engineer", "Hello?")) == ["security", "security2"]


def test_a_request_that_no_one_may_decide_is_told_to_someone(mailing):
    """Its lead has no right left but the membership, and no one is in Security: the rule asks no one."""
    TeamMembership.objects.filter(user=mailing.user("colead")).delete()
    User.objects.filter(username__startswith="security").update(is_active=False)
    mailing.ask("lead")
    assert recipients() == []
    User.objects.filter(username="security").update(is_active=True)
    mailing.ask("lead", friendly_name="again")
    assert recipients() == ["security"]


def test_it_lists_what_was_taken_away(mailing):
    key_request = mailing.ask()
    forget()
    lead, audience = Actor.of(mailing.people["lead"]), Audience.requester(key_request)
    request_narrowed(key_request, lead, ["/twilio/billing/usage/read"], "Not needed.", audience)
    assert recipients() == ["engineer"]
    assert "- /twilio/billing/usage/read" in queued()[0].message


def test_it_queues_a_notice_with_a_key_once(mailing):
    for _ in range(2):
        notify("x.y", title="a", text="b", path="/", people=[mailing.people["lead"]], key="only-once")
    assert recipients() == ["lead"]


def send() -> list[str]:
    """Send what is queued and return the mails as they went out, whole."""
    mail.outbox.clear()
    notifications_mail.send_mails()
    return [str(message.message()) for message in mail.outbox]


def test_it_sends_a_mail_once_and_plainly(mailing):
    mailing.ask()
    sent = send()
    assert len(sent) == 2
    assert send() == []
    message = mail.outbox or Email.objects.first()
    assert Email.objects.filter(status=STATUS.sent).count() == 2
    assert message.html_message == ""
    assert 'Content-Type: text/plain; charset="utf-8"' in sent[0]
    assert "Auto-Submitted: auto-generated" in sent[0]
    assert sent[0].count("http://127.0.0.1:8000/") == 1


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028"])
def test_it_adds_no_header_whatever_a_name_holds(mailing, end):
    User.objects.filter(username="engineer").update(first_name=f"Erin{end}Bcc: spy@evil.example{end}{end}Body")
    mailing.ask()
    for message in [*send(), *[str(item.message()) for item in mail.outbox]]:
        headers = message.partition("\n\n")[0]
        assert "Bcc" not in [line.partition(":")[0] for line in headers.splitlines()]
    assert [sorted(message.recipients()) for message in mail.outbox] == [["colead@example.test"], ["lead@example.test"]]


def test_it_takes_nobodys_words_for_a_template_or_a_link(mailing):
    purpose = "{{ settings.SECRET_KEY }} {% now %} https://evil.example/ " + "a1B2" * 8
    mailing.ask(purpose=purpose, friendly_name="{{ 7|add:7 }}")
    text = queued()[0].message
    assert "{{ settings.SECRET_KEY }} {% now %}" in text
    assert "{{ 7|add:7 }}" in queued()[0].subject
    assert "https://evil" not in text
    assert "a1B2" * 8 not in text
    assert len(send()) == 2


class WithResets:
    """The portal's addresses as they are when it is started with `EMAIL_URL`."""

    urlpatterns = [*portal.urls.urlpatterns, path("accounts/", include(portal.account_urls.pages(by_mail=True)))]


def test_it_keeps_a_password_reset_out_of_the_queue(mailing, settings):
    settings.ROOT_URLCONF = WithResets
    user = mailing.people["engineer"]
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    mail.outbox.clear()
    Client().post("/accounts/password/reset/", {"email": user.email})
    assert not mail.outbox
    send_links()
    assert len(mail.outbox) == 1
    assert "/password/reset/" in mail.outbox[0].body
    assert not Email.objects.exists()


class Broken:
    """Stands for a mail server that does not work; `error` is what it says."""

    error: Exception = ConnectionRefusedError("nobody listens")
    asked = 0

    def __init__(self, *_, **__):
        pass

    def send_messages(self, messages):
        Broken.asked += 1
        raise self.error


@pytest.fixture
def broken(settings, monkeypatch):
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    monkeypatch.setattr(Broken, "asked", 0)
    return Broken


def test_it_tries_again_later_when_the_mail_server_is_down(mailing, broken, settings):
    mailing.ask()
    assert notifications_mail.send_mails().not_yet == 1
    assert broken.asked == 1  # the second mail was not even tried
    assert notifications_mail.send_mails().not_yet == 1
    assert notifications_mail.send_mails() == outbox.Sent()  # both wait now
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Email.objects.update(scheduled_time=timezone.now())
    assert len(send()) == 2


def test_it_gives_up_on_a_mail_in_the_end_and_says_so(mailing, broken, actions):
    mailing.ask()
    Email.objects.all()[0].delete()
    for _ in range(20):
        Email.objects.update(scheduled_time=timezone.now())
        notifications_mail.send_mails()
    assert broken.asked == 8
    assert actions().count("mail.gave_up") == 1
    assert Email.objects.get().status == STATUS.failed


def test_it_removes_old_mail(mailing):
    mailing.ask()
    send()
    mailing.ask()
    Email.objects.update(created=timezone.now() - timedelta(days=29))
    notifications_mail.remove_old()
    assert Email.objects.count() == 4
    Email.objects.update(created=timezone.now() - timedelta(days=31))
    notifications_mail.remove_old()
    assert Email.objects.count() == 0


DAY = timedelta(days=1)
MORNING = timezone.now().replace(hour=7, minute=30)


def _asked(key_request, at):
    """Make a request look older: the trigger fixes what was asked, not when."""
    type(key_request).objects.filter(pk=key_request.pk).update(created_at=at)


def test_it_sends_a_digest_once_a_day_to_whom_something_waits_for(mailing):
    _asked(mailing.ask(), MORNING - DAY / 2)
    forget()
    for minutes in (0, 5, 60):
        digests.send_digests(MORNING + timedelta(minutes=minutes))
    assert recipients() == ["colead", "lead"]
    assert "usage-report" in queued()[0].message
    assert queued()[0].subject == "[Key portal] 1 request waits for your decision"
    digests.send_digests(MORNING + DAY)
    assert recipients() == ["colead", "colead", "lead", "lead"]


def test_it_sends_no_digest_before_its_hour_or_of_what_just_came(mailing, settings):
    key_request = mailing.ask()
    forget()
    _asked(key_request, MORNING - DAY / 2)
    digests.send_digests(MORNING.replace(hour=6))
    assert queued() == []
    _asked(key_request, MORNING)
    digests.send_digests(MORNING + timedelta(hours=5))
    assert queued() == []


def test_it_announces_once_that_a_request_will_lapse(mailing, settings):
    key_request = mailing.ask()
    forget()
    end = key_request.created_at + settings.PENDING_LAPSES_AFTER
    digests.announce_lapses(end - DAY * 1.01)
    assert queued() == []
    digests.announce_lapses(end - DAY * 0.9)
    digests.announce_lapses(end - DAY * 0.5)
    assert recipients() == ["colead", "engineer", "lead"]
    assert f"{end:%Y-%m-%d %H:%M} UTC" in queued()[0].message


def test_it_announces_nothing_of_what_has_been_decided_or_has_lapsed(mailing, settings):
    key_request = mailing.ask()
    end = key_request.created_at + settings.PENDING_LAPSES_AFTER
    forget()
    digests.announce_lapses(end + DAY / 100)
    assert queued() == []
    mailing.decide("lead", key_request, "reject", "No.")
    forget()
    digests.announce_lapses(end - DAY / 2)
    assert queued() == []


def test_it_announces_once_that_an_approval_will_lapse(mailing):
    key_request = mailing.approved()
    forget()
    digests.announce_lapses(key_request.claim_until - DAY * 1.01)
    assert queued() == []
    digests.announce_lapses(key_request.claim_until - DAY * 0.9)
    digests.announce_lapses(key_request.claim_until - DAY * 0.1)
    assert recipients() == ["engineer"]


def test_it_announces_no_lapse_at_the_moment_of_asking(mailing, settings):
    """Where requests live for an hour only, half of it passes first."""
    settings.PENDING_LAPSES_AFTER = timedelta(hours=1)
    key_request = mailing.ask()
    forget()
    digests.announce_lapses(key_request.created_at + timedelta(minutes=29))
    assert queued() == []
    digests.announce_lapses(key_request.created_at + timedelta(minutes=31))
    assert recipients() == ["colead", "engineer", "lead"]


def _deciders(key_request):
    return deciders.deciders_of_each([key_request]).get(key_request.pk, [])


@pytest.mark.parametrize("requester", ["engineer", "lead", "colead", "engineer2", "lead2"])
@pytest.mark.parametrize("permissions", [None, MAKE_KEYS])
@pytest.mark.parametrize("approvals_given", [0, 1])
def test_it_knows_the_same_deciders_as_their_own_pages(cast, requester, permissions, approvals_given):
    """Also with somebody who is everything at once, one who leads without the group, and one who is gone."""
    everything = cast.people["security2"]
    TeamMembership.objects.create(team=cast.team, user=everything, is_lead=True)
    everything.groups.set(cast.people["lead"].groups.all() | cast.people["security"].groups.all())
    TeamMembership.objects.create(team=cast.team, user=cast.people["stranger"], is_lead=True)
    account = cast.other_account if requester.endswith("2") else cast.account
    changes = {"permissions": permissions} if permissions else {}
    key_request = cast.ask(requester, account=account.sid, **changes)
    with suppress(IndexError):
        for _ in range(approvals_given):
            cast.decide(_deciders(key_request)[0].username, key_request, "approve")
    User.objects.filter(username="colead").update(is_active=False)
    waiting = {
        role
        for role in cast.people
        if (user := cast.user(role)).is_active
        and deciders.waiting_for(access.Person(user)).filter(pk=key_request.pk).exists()
    }
    key_request.refresh_from_db()
    assert {user.username for user in _deciders(key_request)} == waiting
    assert bool(waiting) is (key_request.state == "pending")


def test_it_remembers_the_keys_of_notices_for_more_than_a_year(mailing):
    notify("x.y", title="a", text="b", path="/", key="old")
    NoticeKey.objects.update(created_at=timezone.now() - timedelta(days=390))
    notifications_mail.remove_old()
    assert NoticeKey.objects.exists()
