"""What runs beside the portal beats; whoever is left tells when one stops, without needing the one that stopped."""

import io
import runpy
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from post_office.models import STATUS, Email

from keys_app.audit.ledger import matching
from keys_app.management.commands import reconcile as reconcile_command
from keys_app.management.commands import send_notices as send_command
from keys_app.notifications import heartbeats
from keys_app.notifications.models import Heartbeat, Trouble, WebhookDelivery
from keys_app.reconcile import run
from keys_app.reconcile.models import ReconcileRun
from keys_app.reconcile.run import reconcile
from portal import watch
from tests.cast import text_of
from tests.portal.test_settings import ROOT

TOKEN = "a-token-of-the-monitor"


def silent(name="reconciler", interval=60, **age):
    """Let a process have been silent for so long."""
    beat_at = timezone.now() - timedelta(**(age or {"hours": 1}))
    return Heartbeat.objects.update_or_create(name=name, defaults={"interval": interval, "beat_at": beat_at})[0]


def long_ago():
    return timezone.now() - timedelta(days=1)


def look():
    for thread in heartbeats.look(long_ago()):
        thread.join()


@pytest.fixture
def mailed(live_cast, settings):
    """The cast, with mail to Security; what is sent lies in `mail.outbox`."""
    settings.SENDS_MAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    type(live_cast.people["security"]).objects.filter(username="security").update(email="security@example.test")
    return live_cast


def test_a_silent_sender_is_told_of_without_the_sender(mailed):
    """Nothing runs `send_notices` here."""
    silent("sender", 10, minutes=5)
    watch.look_once(long_ago())
    for thread in threading.enumerate():
        if thread.name == "alarm-sender":
            thread.join()
    (message,) = mail.outbox
    assert message.to == ["security@example.test"]
    assert "The sender is silent" in message.subject
    assert "send_notices has finished no round since" in message.body
    assert Email.objects.get().status == STATUS.sent
    assert "The sender is silent" in text_of(mailed.client("security").get("/reconciliation/"))


def test_several_that_notice_tell_once_and_again_after_a_day(mailed, monkeypatch):
    row = silent()
    threads = [threading.Thread(target=heartbeats._tell, args=(row,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    look()
    assert len(mail.outbox) == 1
    assert matching(action="trouble.began").count() == 1
    Heartbeat.objects.update(alarmed_at=timezone.now() - timedelta(days=1, minutes=1))
    look()
    look()
    assert [message.subject for message in mail.outbox][1:] == ["[Key portal] Still: The reconciler is silent"]


def test_it_is_over_when_the_process_beats_again(mailed):
    silent("signer")
    look()
    heartbeats.beat("signer")
    heartbeats.beat("signer")
    assert matching(action="trouble.ended").count() == 1
    assert Email.objects.filter(subject__contains="Over: The signer is silent").exists()
    assert "signer" not in text_of(mailed.client("security").get("/reconciliation/"))
    look()
    assert Trouble.objects.get().ended_at
    silent("signer")
    look()
    assert Trouble.objects.get().ended_at is None
    assert len(mail.outbox) == 2


def test_one_that_beats_in_time_or_never_ran_or_is_not_wanted_is_no_alarm(cast, settings):
    settings.AUDIT_SIGNING_KEY = settings.AUDIT_PUSH_URL = ""
    silent("sender", 300, minutes=14)
    silent("signer")
    silent("pusher")
    assert heartbeats.look(long_ago()) == []
    settings.AUDIT_PUSH_URL = "https://audit.example.com/in"
    assert [row.name for row in heartbeats.silent()] == ["pusher"]


def test_after_a_stop_of_everything_each_has_the_time_for_its_first_round(cast):
    """Restarted, upgraded or restored: the beats are old, and those who look have only begun to."""
    silent("reconciler", 60, hours=5)
    assert heartbeats.look(timezone.now() - timedelta(seconds=170)) == []
    assert not Trouble.objects.exists()


def test_while_all_is_well_a_look_is_one_query(cast, django_assert_num_queries):
    silent("sender", 60, seconds=1)
    with django_assert_num_queries(1):
        assert heartbeats.look(long_ago()) == []


def test_a_look_that_fails_stops_no_one(cast, monkeypatch):
    monkeypatch.setattr(heartbeats, "silent", lambda: 1 / 0)
    assert heartbeats.look(long_ago()) == []


def test_each_web_process_begins_to_look_once_it_is_forked(db, monkeypatch):
    started = []
    monkeypatch.setattr(watch, "start", lambda: started.append(True))
    runpy.run_path(str(ROOT / "portal" / "gunicorn_conf.py"))["post_worker_init"](None)
    assert started == [True]


def test_it_looks_again_and_again(monkeypatch):
    stop, looks = threading.Event(), []
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.001)
    monkeypatch.setattr(watch, "look_once", lambda since: looks.append(since) or (len(looks) > 2 and stop.set()))
    watch.start(stop)
    assert stop.wait(20)
    assert len(set(looks)) == 1


# Who beats when


class Once:
    """A signal that comes after one round."""

    def __init__(self):
        self.rounds = 0

    def is_set(self):
        return self.rounds > 0

    def wait(self, _=None):
        self.rounds += 1


def loop(monkeypatch, module, command, every=30):
    monkeypatch.setattr(module, "stopped_by_signal", Once)
    call_command(command, every=every, stdout=io.StringIO())
    return Heartbeat.objects.filter(name=heartbeats.RECONCILER if command == "reconcile" else heartbeats.SENDER)


@pytest.mark.parametrize(("module", "command"), [(reconcile_command, "reconcile"), (send_command, "send_notices")])
def test_a_loop_beats_when_it_has_finished_a_round(cast, monkeypatch, module, command):
    assert not Heartbeat.objects.exists()
    before = timezone.now()
    row = loop(monkeypatch, module, command).get()
    assert row.interval == 30
    assert row.beat_at > before


def test_a_single_run_begins_no_heartbeat(cast):
    reconcile()
    assert not Heartbeat.objects.exists()


def killed_in(monkeypatch, job):
    def die(*_):
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(run, job, die)
        call_command("reconcile", verbosity=2, stdout=io.StringIO())
    ReconcileRun.objects.order_by("-pk")[:1].get().delete()  # a killed process closes no run


@pytest.mark.parametrize("job", ["enter_kept", "revoke_expired", "remind_of_expiry"])
def test_a_run_that_is_killed_each_time_is_as_visible_as_none(cast, monkeypatch, job):
    """In its first job, or in the last: what it did before is no sign of life once no run was finished for long."""
    cast.other_account.delete()
    old = silent(minutes=20)
    call_command("reconcile", stdout=io.StringIO())
    assert Heartbeat.objects.get().beat_at > old.beat_at
    silent(minutes=20)
    ReconcileRun.objects.update(finished_at=timezone.now() - timedelta(minutes=20))
    killed_in(monkeypatch, job)
    assert [row.name for row in heartbeats.silent()] == ["reconciler"]
    assert "Start it again" in text_of(cast.client("security").get("/reconciliation/"))


def test_a_long_run_is_not_silent(cast, monkeypatch):
    cast.other_account.delete()
    silent(minutes=20)
    ReconcileRun.objects.create(started_at=timezone.now(), finished_at=timezone.now() - timedelta(minutes=10))
    killed_in(monkeypatch, "remind_of_expiry")
    assert heartbeats.silent() == []


# What a monitor asks


def test_readyz_speaks_of_its_own_process_alone(cast):
    silent()
    assert Client().get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("token", "header", "status"),
    [
        ("", "Bearer ", 404),
        ("", f"Bearer {TOKEN}", 404),
        (TOKEN, None, 401),
        (TOKEN, "Bearer wrong", 401),
        (TOKEN, f"Basic {TOKEN}", 401),
        (TOKEN, "Bearer é", 401),
        (TOKEN, f"Bearer {TOKEN}", 200),
        (TOKEN, f"bearer {TOKEN}", 200),
    ],
)
def test_workers_are_told_of_to_whoever_shows_the_token(cast, settings, token, header, status):
    settings.METRICS_TOKEN = token
    for name in heartbeats.NEEDED:
        silent(name, 60, seconds=5)
    answer = Client().get("/readyz?workers=1", headers={"Authorization": header} if header else {})
    assert answer.status_code == status
    assert ("reconciler: ok" in answer.content.decode()) is (status == 200)
    assert TOKEN not in answer.content.decode()


def test_it_says_which_worker_is_silent(cast, settings):
    settings.METRICS_TOKEN = TOKEN
    headers = {"Authorization": f"Bearer {TOKEN}"}
    silent("reconciler", 60, minutes=5)
    answer = Client().get("/readyz?workers=1", headers=headers)
    assert answer.status_code == 503
    assert "reconciler: silent, last round 5 minutes ago, every 60 s" in answer.content.decode()
    assert "sender: has never run" in answer.content.decode()
    assert Client().head("/readyz?workers=1", headers=headers).content == b""
    silent("reconciler", 60, seconds=5)
    silent("sender", 10, seconds=5)
    assert Client().get("/readyz?workers=1", headers=headers).status_code == 200


def test_webhooks_get_the_alarm_too(live_cast, settings):
    """Straight from the thread: the delivery was tried, though nobody sends."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    from keys_app.core.secret import Secret
    from keys_app.notifications.models import Webhook
    from keys_app.organisation.credentials import encrypt

    url = encrypt(Secret("http://127.0.0.1:9/hook"))
    Webhook.objects.create(name="chat", kind="slack", url_ciphertext=url, url_host="127.0.0.1")
    silent()
    look()
    delivery = WebhookDelivery.objects.get()
    assert delivery.attempts == 1
    assert "no connection could be made" in delivery.last_error
