"""Every kind of key in what is told: each mail and each body of a webhook."""

import json
import re
from collections import Counter

import pytest
from django.utils import timezone
from post_office.models import Email

from keys_app.key_requests import digests
from keys_app.notifications.models import WebhookDelivery

from .truths import odd_words
from .world import DAY, ago, later

NO_ONE_ANY_MORE = ("goner", "leaver", "heir")
OF_EACH = 5
"""So many mails of one kind are opened for each person; all are read."""


@pytest.fixture
def told(world) -> list[Email]:
    """Every mail there is, with the digests and what is said before something lapses."""
    later(world.kinds["pending"].request, created_at=ago(13 * DAY + DAY / 2))
    later(world.kinds["approved"].request, claim_until=timezone.now() + DAY / 2)
    digests.announce_lapses()
    digests.send_digests(timezone.now().replace(hour=23, minute=59))
    return list(Email.objects.order_by("id"))


def test_every_mail_says_what_is_so_and_opens_for_whom_it_is_sent_to(world, told):
    wrong, tried = [], Counter()
    for mail in told:
        who = mail.to[0].partition("@")[0]
        text = f"{mail.subject}\n{mail.message}"
        wrong += [f"{mail.subject} to {who}: {what}" for what in odd_words(text)]
        assert not [secret for secret in world.secrets if secret in text]
        path = mail.message.strip().splitlines()[-1].partition("127.0.0.1:8000")[2]
        kind = (who, re.sub("[0-9a-fA-F-]{30,}", "", path), mail.subject.partition('"')[0])
        tried[kind] += 1
        if tried[kind] > OF_EACH or who in NO_ONE_ANY_MORE:
            continue
        answer = world.clients[who].get(path)
        wrong += [f"{mail.subject} to {who}: {path} answers {answer.status_code}"] if answer.status_code != 200 else []
    assert not wrong, "\n".join(wrong[:40])
    assert {mail.to[0].partition("@")[0] for mail in told} >= {"engineer", "lead", "colead", "security", "breaker"}


def test_every_reminder_counts_the_days_that_are_left(world, told):
    for mail in told:
        if days := re.search(r"Key (\S+) expires in (\d+) day", mail.subject):
            key = world.kinds[days.group(1)].key
            assert int(days.group(2)) == round((key.expires_at - timezone.now()) / DAY), mail.subject


def test_every_webhook_body_can_be_read(world, told):
    for delivery in WebhookDelivery.objects.select_related("webhook"):
        body = json.loads(delivery.body)
        text = body["text"] if delivery.webhook.kind == "slack" else f"{body['title']}\n{body['text']}"
        assert not list(odd_words(text)), text
        assert not [secret for secret in world.secrets if secret in delivery.body]
    chosen = WebhookDelivery.objects.filter(webhook__name="chosen").values_list("body", flat=True)
    assert {json.loads(body)["kind"].partition(".")[0] for body in chosen} == {"request", "alarm"}
