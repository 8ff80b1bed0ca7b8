"""Every kind of key in what leaves the portal: exports, feed, push, mail and webhooks."""

import csv
import json
from io import StringIO

import pytest
from django.contrib.auth.models import User
from post_office.models import Email

from keys_app.audit import ledger
from keys_app.audit.export import forward, syslog
from keys_app.notifications.models import WebhookDelivery
from tests.notifications.receiver import Receiver

from .kinds import KINDS
from .truths import body_of
from .world import World


def keys_of(world: World) -> dict[str, str]:
    return {made.key.pk: name for name, made in world.kinds.items() if made.key}


def secrets_in(world: World, text: str) -> list[str]:
    return [secret for secret in world.secrets if secret in text]


def test_csv_has_every_event_and_the_risk_of_each_key(world):
    text = body_of(world.clients["security"].get("/audit/export.csv"))
    rows = list(csv.DictReader(line for line in StringIO(text, newline="") if not line.startswith("# ")))
    assert len(rows) == ledger.size() - 1  # not its own
    keys = keys_of(world)
    wrong = {
        (keys[row["key_sid"]], row["action"], row["risk"])
        for row in rows
        if row["key_sid"] in keys and row["action"] in ("key.issued", "key.adopted", "key.revoked")
        and row["risk"] != KINDS[keys[row["key_sid"]]].risk
    }  # fmt: skip
    assert not wrong
    assert not secrets_in(world, text)


@pytest.mark.parametrize("name", ["export.jsonl", "export.ocsf.jsonl"])
def test_a_file_of_lines_has_every_event(world, name):
    text = body_of(world.clients["security"].get(f"/audit/{name}"))
    lines = [json.loads(line) for line in text.splitlines()]
    events = [line for line in lines if "event" in line or "class_uid" in line]
    assert len(events) >= ledger.size() - 1
    assert not [line for line in events if "class_uid" in line and line["time"] == 0]
    assert not secrets_in(world, text)


def test_ocsf_says_the_risk_of_every_key(world):
    text = body_of(world.clients["security"].get("/audit/export.ocsf.jsonl", {"q": "action:key.*"}))
    keys = keys_of(world)
    for line in map(json.loads, text.splitlines()):
        entity = line["entity"]
        if entity["uid"] in keys and line["metadata"]["event_code"] in ("key.issued", "key.adopted"):
            true = KINDS[keys[entity["uid"]]]
            assert entity["data"]["risk"] == true.risk, true
            assert (entity["data"]["policy"] is None) is ("standard" in true), true


def test_a_feed_and_a_push_take_every_event(world, settings):
    token = world.feed("another")
    taken: list[object] = []
    while True:
        url = f"/audit/feed?after={len(taken)}&limit=1000"
        answer = world.clients["stranger"].get(url, headers={"Authorization": f"Bearer {token}"}).json()
        taken += answer["events"]
        if not answer["events"]:
            break
    assert len(taken) == ledger.size()
    with Receiver() as receiver:
        settings.AUDIT_PUSH_URL = f"{receiver.url}/200"
        assert forward.push(forward.configured()) == ledger.size()
        pushed = [event for _, _, body in receiver.seen for event in json.loads(body)["events"]]
    assert [one["event"]["sequence"] for one in pushed] == list(range(1, ledger.size() + 1))
    for event in ledger.matching():
        assert event.action.encode() in syslog.message(event.canonical, "portal")


def test_no_secret_is_anywhere_in_the_database(world):
    """Nor in what was queued: only whoever pressed the button has seen one."""
    assert len(set(world.secrets)) > 30
    for secret in world.secrets:
        assert not ledger.matching().filter(canonical__contains=secret).exists()
        assert not Email.objects.filter(message__contains=secret).exists()
        assert not WebhookDelivery.objects.filter(body__contains=secret).exists()
    assert not User.objects.filter(last_name__in=world.secrets).exists()
