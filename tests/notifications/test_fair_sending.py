"""A target that does not take what it is sent delays no other: webhooks, and addresses of mail."""

import smtplib
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from post_office.models import PRIORITY, STATUS, Email

from keys_app.notifications import mail, webhooks
from keys_app.notifications.models import WebhookDelivery

from .test_webhooks import (
    hook,
    make_due,
    receiver,  # noqa: F401
    server,  # noqa: F401
    tell,
)


def paths(receiver):  # noqa: F811
    return [path for path, _, _ in receiver.seen]


def backlog(webhook, number, ago=timedelta(hours=1)):
    """Let this many deliveries wait for a webhook, all of them older than what is told from now on."""
    then = timezone.now() - ago
    rows = [
        WebhookDelivery(webhook=webhook, body="{}", created_at=then + timedelta(seconds=n), next_try_at=then)
        for n in range(number)
    ]
    WebhookDelivery.objects.bulk_create(rows)


@pytest.mark.parametrize("known", [False, True])
def test_a_dead_webhook_with_many_waiting_does_not_delay_an_alarm(cast, receiver, known):  # noqa: F811
    dead = hook(f"{receiver.url}/500", name="dead")
    hook(f"{receiver.url}/200", name="good", event_kinds=["alarm"])
    backlog(dead, 300)
    if known:
        webhooks.send_deliveries()
        receiver.seen.clear()
    tell("alarm.test")
    assert webhooks.send_deliveries().done == 1
    assert paths(receiver).count("/500") == 1
    if known:
        assert paths(receiver)[0] == "/200"  # not even one attempt at the dead one comes first


def test_each_webhook_has_its_turn(cast, receiver):  # noqa: F811
    """Two that work, one of them with more waiting than fits into a run."""
    busy, quiet = hook(f"{receiver.url}/201", name="busy"), hook(f"{receiver.url}/200", name="quiet")
    backlog(busy, 300)
    backlog(quiet, 2, ago=timedelta(minutes=1))
    assert webhooks.send_deliveries().done == 100
    assert paths(receiver)[:4] == ["/201", "/200", "/201", "/200"]


def test_a_webhook_that_works_again_gets_all_that_waits_in_order(cast, receiver):  # noqa: F811
    webhook = hook(f"{receiver.url}/500")
    backlog(webhook, 5)
    webhooks.send_deliveries()
    make_due()
    type(webhook).objects.update(url_ciphertext=hook(f"{receiver.url}/200", name="other").url_ciphertext)
    assert webhooks.send_deliveries().done == 5
    sent = WebhookDelivery.objects.order_by("delivered_at").values_list("created_at", flat=True)
    assert list(sent) == sorted(sent)


def test_failing_webhooks_take_little_of_a_run_and_each_has_its_turn(cast, receiver, monkeypatch):  # noqa: F811
    dead = [hook(f"{receiver.url}/500", name=f"dead {number}") for number in range(4)]
    for webhook in dead:
        backlog(webhook, 30)
    webhooks.send_deliveries()
    monkeypatch.setattr(webhooks, "_PATIENCE", 0.0)
    receiver.seen.clear()
    tried = set()
    for _ in range(25):
        before = dict(WebhookDelivery.objects.values_list("pk", "attempts"))
        webhooks.send_deliveries()
        changed = [row for row in WebhookDelivery.objects.all() if row.attempts != before[row.pk]]
        assert len(changed) == 1
        tried.add(changed[0].webhook_id)
    assert len(tried) > 1


def test_the_queries_do_not_grow_with_what_waits(cast, receiver):  # noqa: F811
    webhook = hook(f"{receiver.url}/500")
    counts = []
    for number in (1, 300):
        WebhookDelivery.objects.all().delete()
        backlog(webhook, number)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            webhooks.send_deliveries()
        counts.append(len(queries))
    assert counts[0] == counts[1]


class Server:
    """A mail server; `refused` says by address what it answers instead of taking a mail."""

    refused: dict[str, Exception] = {}
    taken: list[str] = []
    asked: list[str] = []

    def __init__(self, *_, **__):
        pass

    def send_messages(self, messages):
        for message in messages:
            (address,) = message.to
            Server.asked.append(address)
            if address in self.refused:
                raise self.refused[address]
            Server.taken.append(address)
        return len(messages)

    def close(self):
        pass


@pytest.fixture
def post(db, settings):
    settings.SENDS_MAIL = True
    settings.EMAIL_BACKEND = f"{__name__}.Server"
    Server.refused, Server.taken, Server.asked = {}, [], []

    def queue(address, number=1, priority=PRIORITY.medium):
        then = timezone.now() - timedelta(minutes=60 - len(Server.refused))
        Email.objects.bulk_create(
            Email(
                from_email="portal@example.test",
                to=[address],
                subject="A notice",
                message="Words",
                status=STATUS.queued,
                priority=priority,
                scheduled_time=then,
                number_of_retries=0,
            )
            for _ in range(number)
        )

    return queue


OF_ONE = [
    smtplib.SMTPRecipientsRefused({}),
    smtplib.SMTPNotSupportedError("no SMTPUTF8"),
    smtplib.SMTPDataError(550, b"no"),
    TimeoutError("the server thinks about it"),
    smtplib.SMTPServerDisconnected("closed"),
    ValueError("not a mail"),
]


@pytest.mark.parametrize("error", OF_ONE, ids=lambda error: type(error).__name__)
def test_an_address_that_takes_no_mail_does_not_delay_another(post, error):
    Server.refused = {"bad@example.test": error}
    post("bad@example.test", 300)
    post("good@example.test")
    result = mail.send_mails()
    assert (result.done, result.not_yet) == (1, 1)
    assert Server.taken == ["good@example.test"]


def test_alarms_go_before_the_rest_and_to_each_address_in_turn(post):
    post("security@example.test")
    post("one@example.test", 3, PRIORITY.high)
    post("two@example.test", 1, PRIORITY.high)
    mail.send_mails()
    assert Server.taken == ["one@example.test", "two@example.test", *["one@example.test"] * 2, "security@example.test"]


@pytest.mark.parametrize(("error", "tries"), [(ConnectionRefusedError(), 1), (TimeoutError(), 2)])
def test_a_server_that_is_down_is_not_asked_for_every_mail(post, error, tries):
    for number in range(10):
        Server.refused[f"user{number}@example.test"] = error
        post(f"user{number}@example.test")
    assert mail.send_mails().not_yet == tries
    assert len(Server.asked) == tries
