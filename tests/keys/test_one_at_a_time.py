"""What may happen once happens once, though two ask for it at the same moment, with real connections."""

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from keys_app.admin.audited import AuditedAdmin
from keys_app.audit import ledger
from keys_app.audit.export import forward, targets
from keys_app.audit.models import PushPosition
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Team, TeamMembership
from keys_app.permissions.policy import Policy
from keys_app.reconcile import adopt
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.reports import access_reviews
from keys_app.reports.models import AccessReview
from keys_app.twilio_iam.client import TwilioIamClient
from tests.cast import MAKE_KEYS, text_of
from tests.key_requests.test_decision_races import at_once


@pytest.fixture
def meeting(monkeypatch):
    """Let two threads wait for each other in a function that both call, unless the first keeps the second out."""

    def in_function(module, name):
        real, barrier = getattr(module, name), threading.Barrier(2)

        def meets(*args, **kwargs):
            with suppress(threading.BrokenBarrierError):
                barrier.wait(timeout=1)
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, meets)

    return in_function


def test_it_opens_one_of_two_access_reviews(live_cast, actions, meeting):
    """Both have looked and written before either commits."""
    meeting(access_reviews, "_ask_leads")
    clients = {quarter: live_cast.client(role) for quarter, role in (("2026-Q3", "security"), ("2026-Q4", "security2"))}
    answers = at_once(
        *(lambda c=client, q=quarter: c.post("/reviews/", {"quarter": q}) for quarter, client in clients.items())
    )
    assert sorted(answer.status_code for answer in answers) == [302, 422]
    assert "Another review is still open" in text_of(next(answer for answer in answers if answer.status_code == 422))
    assert AccessReview.objects.filter(closed_at=None).count() == 1
    assert actions().count("access_review.opened") == 1


def test_it_opens_one_of_two_reviews_of_a_quarter(live_cast, meeting):
    meeting(access_reviews, "_ask_leads")
    clients = [live_cast.client(role) for role in ("security", "security2")]
    answers = at_once(*(lambda c=client: c.post("/reviews/", {"quarter": "2026-Q4"}) for client in clients))
    assert sorted(answer.status_code for answer in answers) == [302, 422]
    assert "There is a review of 2026-Q4 already" in "".join(text_of(a) for a in answers if a.status_code == 422)


class Receiver:
    """A place that events are pushed to, as slow as the test wants."""

    def __init__(self, while_sending=lambda: None):
        self.taken, self.while_sending = [], while_sending

    def send(self, events):
        self.while_sending()
        self.taken += [number for number, _ in events]


def append(count):
    with transaction.atomic():
        for _ in range(count):
            ledger.append(ledger.Entry("test.event", "a test"))


@pytest.fixture
def place(settings, monkeypatch):
    settings.AUDIT_PUSH_URL = "https://siem.example.test/"
    monkeypatch.setattr(forward, "AT_ONCE", 4)
    return lambda: PushPosition.objects.get()


def test_two_pushers_send_each_event_once(live_cast, place):
    append(20)
    pause = threading.Event()
    receiver = Receiver(lambda: pause.wait(0.05))
    sent = at_once(*[lambda: forward.push(receiver)] * 3)
    assert sorted(sent, key=str) == [20, None, None]
    assert receiver.taken == list(range(1, 21))
    assert (place().sequence, place().holder) == (20, None)
    assert forward.push(receiver) == 0


def test_a_pusher_that_took_too_long_does_not_move_the_place_back(db, place):
    append(8)
    other = Receiver()

    def other_goes_on():
        PushPosition.objects.update(held_until=timezone.now() - timedelta(minutes=1))
        slow.while_sending = lambda: None
        assert forward.push(other) == 8

    slow = Receiver(other_goes_on)
    with pytest.raises(targets.PushFailed, match="another process has gone on"):
        forward.push(slow)
    assert (place().sequence, place().holder) == (8, None)
    assert other.taken == list(range(1, 9))
    assert forward.push(other) == 0


def test_the_command_says_that_another_process_pushes(db, place, capsys):
    append(1)
    receiver = Receiver(lambda: call_command("audit_push"))
    assert forward.push(receiver) == 1
    assert capsys.readouterr().out == "another process pushes now\n"


@pytest.mark.parametrize("lost", ["the lead", "the owner", "the account", "the limit", "the key"])
def test_it_adopts_nothing_that_may_not_be_adopted_any_more_when_twilio_has_answered(
    cast, standin, monkeypatch, lost, actions
):
    with standin.client() as client:
        made = client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(MAKE_KEYS)
        )
    reconcile()
    losses = {
        "the lead": lambda: TeamMembership.objects.filter(user__username="lead").update(is_lead=False),
        "the owner": lambda: User.objects.filter(username="engineer").update(is_active=False),
        "the account": lambda: cast.account.teams.clear(),
        "the limit": lambda: Team.objects.update(max_lifetime_days=5),
        "the key": lambda: UnmanagedKey.objects.update(gone_at=timezone.now()),
    }
    fetch = TwilioIamClient.fetch_key

    def and_lose(self, sid):
        detail = fetch(self, sid)
        losses[lost]()
        return detail

    monkeypatch.setattr(TwilioIamClient, "fetch_key", and_lose)
    fields = {"team": cast.team.pk, "owner": cast.people["engineer"].pk, "lifetime_days": "30"}
    answer = cast.client("lead").post(f"/keys/unmanaged/{made.sid}/adopt/", fields)
    assert answer.status_code in (403, 409, 422)
    assert not ApiKey.objects.exists()
    assert UnmanagedKey.objects.get().adopted_at is None
    assert "key.adopted" not in actions()


def test_it_takes_one_of_two_adoptions(live_cast, standin, meeting, actions):
    with standin.client() as client:
        made = client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(MAKE_KEYS)
        )
    reconcile()
    meeting(adopt, "_fetch")
    fields = {"team": live_cast.team.pk, "owner": live_cast.people["engineer"].pk, "lifetime_days": "30"}
    clients = [live_cast.client(role) for role in ("lead", "colead")]
    answers = at_once(*(lambda c=c: c.post(f"/keys/unmanaged/{made.sid}/adopt/", fields) for c in clients))
    assert sorted(answer.status_code for answer in answers) == [302, 409]
    assert actions().count("key.adopted") == 1


def test_a_name_that_is_taken_at_the_same_moment_is_said_at_its_place(live_cast, meeting, monkeypatch):
    """Both forms have found the name free before either is saved."""
    meeting(AuditedAdmin, "save_model")
    admin = [live_cast.client("admin") for _ in range(2)]
    form = {"name": "Refunds", "max_lifetime_days": "90", "notice_email": "refunds@example.test"}
    form |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    answers = at_once(*(lambda c=client: c.post("/admin/keys_app/team/add/", form) for client in admin))
    assert sorted(answer.status_code for answer in answers) == [200, 302]
    refused = next(answer for answer in answers if answer.status_code == 200)
    assert "There is “Refunds” already" in text_of(refused)
    assert 'value="refunds@example.test"' in refused.content.decode()
    assert Team.objects.filter(name="Refunds").count() == 1
