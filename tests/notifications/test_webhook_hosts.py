"""Webhooks go only to hosts that the operator lists, where any is listed: as typed, and when sent."""

import pytest

from keys_app.audit.ledger import matching
from keys_app.notifications import webhooks
from keys_app.notifications.models import Trouble, Webhook, WebhookDelivery
from keys_app.notifications.webhook_hosts import is_listed
from keys_app.reconcile.send_notices import send_notices
from tests.cast import text_of

from .test_webhooks import ADD, form, hook, receiver, saved, server, tell  # noqa: F401

LISTED = ["hooks.example.com", "*.chat.example.com"]


@pytest.mark.parametrize(
    ("host", "listed"),
    [
        *(
            (host, True)
            for host in ("hooks.example.com", "HOOKS.example.com.", "a.chat.example.com", "a.b.chat.example.com")
        ),
        *(
            (host, False)
            for host in ("chat.example.com", "evilchat.example.com", "x.hooks.example.com", "example.com", "")
        ),
        *((host, False) for host in ("hooks.example.com.evil.test", "8.8.8.8", None)),
    ],
)
def test_it_knows_what_is_listed(settings, host, listed):
    settings.WEBHOOK_HOSTS = LISTED
    assert is_listed(host) is listed
    settings.WEBHOOK_HOSTS = []
    assert is_listed(host)


def test_it_refuses_another_host_as_it_is_typed_and_keeps_the_rest(cast, settings):
    settings.WEBHOOK_HOSTS = LISTED
    answer = cast.client("admin").post(ADD, form(url="https://other.example.com/x"))
    said = "only to hosts that the operator lists (PORTAL_WEBHOOK_HOSTS): hooks.example.com and *.chat.example.com."
    assert said in text_of(answer)
    assert 'value="chat"' in answer.content.decode()
    assert not Webhook.objects.exists()
    assert saved(cast, url="https://team.chat.example.com/x").url_host == "team.chat.example.com"


def test_nothing_is_sent_to_one_that_was_saved_before_which_is_one_alarm(cast, receiver, settings):  # noqa: F811
    webhook = hook(f"{receiver.url}/200")
    tell()
    settings.WEBHOOK_HOSTS = LISTED
    page = f"/admin/keys_app/webhook/{webhook.pk}/change/"
    for _ in range(2):
        send_notices()
        assert receiver.seen == []
    errors = set(WebhookDelivery.objects.exclude(last_error="").values_list("last_error", flat=True))
    assert errors == {"its host is not listed in PORTAL_WEBHOOK_HOSTS"}
    shown = text_of(cast.client("admin").get(page))
    assert "Nothing is sent: its host is not listed in PORTAL_WEBHOOK_HOSTS." in shown
    assert matching(action="trouble.began").get().details["trouble"] == f"webhook_host:{webhook.pk}"
    told = text_of(cast.client("security").get("/reconciliation/"))
    assert "Nothing is sent to webhook chat" in told
    assert "127.0.0.1" in told
    settings.WEBHOOK_HOSTS = [*LISTED, "127.0.0.1"]
    WebhookDelivery.objects.update(next_try_at="2020-01-01T00:00Z")
    send_notices()
    assert "/200" in [path for path, _, _ in receiver.seen]
    assert Trouble.objects.get().ended_at
    assert "Nothing is sent" not in text_of(cast.client("admin").get(page))
    assert matching(action="trouble.ended").count() == 1


def test_one_that_is_off_is_no_trouble(cast, settings):
    hook("https://other.example.com/x", is_active=False)
    settings.WEBHOOK_HOSTS = LISTED
    send_notices()
    assert not Trouble.objects.exists()


def test_any_public_host_is_right_where_none_is_listed(cast, receiver):  # noqa: F811
    hook(f"{receiver.url}/200")
    tell()
    assert webhooks.send_deliveries().done == 1
