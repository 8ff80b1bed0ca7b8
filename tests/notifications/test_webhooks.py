"""Webhooks: a real receiver, its signature checked by another implementation, and where they must not reach."""

import base64
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from post_office.models import STATUS, Email
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from keys_app.audit.ledger import matching
from keys_app.core.http.public_addresses import is_public, url_problem
from keys_app.core.http.safe_post import post
from keys_app.notifications import mail as notifications_mail
from keys_app.notifications import outbox, webhooks
from keys_app.notifications.models import Webhook, WebhookDelivery
from keys_app.notifications.notify import notify
from keys_app.notifications.outbox import MAX_ATTEMPTS, wait_after
from keys_app.notifications.webhooks import body_for, set_address, set_signing_secret
from tests.cast import text_of

from .receiver import Receiver

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module")
def server():
    with Receiver() as running:
        yield running


@pytest.fixture
def receiver(server, settings):
    """The receiver with an empty memory, reachable because the operator allows private addresses."""
    server.seen.clear()
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.WEBHOOK_DEADLINE = 0.7
    return server


def hook(url, **values):
    webhook = Webhook(**{"name": "chat", "kind": "generic", **values})
    set_address(webhook, url)
    set_signing_secret(webhook, SECRET)
    webhook.save()
    return webhook


def tell(kind="request.created", title="A title", text="A text", **values):
    with transaction.atomic():
        notify(kind, title=title, text=text, path="/requests/", **values)


def make_due():
    WebhookDelivery.objects.update(next_try_at=timezone.now())


def test_it_delivers_once_what_another_implementation_verifies(cast, receiver):
    hook(f"{receiver.url}/200")
    key_request = cast.ask(friendly_name="näme “x”")
    assert webhooks.send_deliveries().done == 1
    assert webhooks.send_deliveries().done == 0
    [(_, headers, body)] = receiver.seen
    content = Verifier(SECRET).verify(body.decode(), {name.lower(): value for name, value in headers.items()})
    assert content["id"] == headers["webhook-id"]
    assert content["kind"] == "request.created"
    assert "näme “x”" in content["title"]
    assert content["url"] == f"http://127.0.0.1:8000/admin/keys_app/keyrequest/{key_request.pk}/change/"
    assert set(content) == {"id", "kind", "title", "text", "url", "time"}
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(body.decode() + " ", headers)
    assert WebhookDelivery.objects.get().delivered_at


def test_it_speaks_to_slack_without_letting_a_name_mention_everybody(cast, receiver):
    hook(f"{receiver.url}/200", kind="slack")
    tell(title="<!channel> & co", text="<https://evil.example|click>")
    webhooks.send_deliveries()
    [(_, headers, body)] = receiver.seen
    assert json.loads(body) == {
        "text": "<http://127.0.0.1:8000/requests/|&lt;!channel&gt; &amp; co>\n&lt;https:// evil.example|click&gt;"
    }
    assert "webhook-signature" not in headers


@given(st.text(), st.text())
def test_it_holds_one_slack_link_whatever_the_words(title, text):
    url, now = "http://portal/", timezone.now()
    body = body_for("slack", message_id="", kind="x.y", title=title, text=text, url=url, time=now)
    content = json.loads(body)["text"]
    assert content.startswith("<http://portal/|")
    assert (content.count("<"), content.count(">")) == (1, 1)


def test_it_loses_the_delivery_with_the_change_that_is_rolled_back(live_cast, receiver):
    hook(f"{receiver.url}/200")
    with pytest.raises(RuntimeError), transaction.atomic():
        notify("request.created", title="a", text="b", path="/")
        raise RuntimeError("the change failed")
    webhooks.send_deliveries()
    assert receiver.seen == []


@pytest.mark.parametrize(
    ("wanted", "kind", "goes"),
    [
        ([], "request.created", True),
        (["request"], "request.created", True),
        (["request.created"], "request.created", True),
        (["req"], "request.created", False),
        (["request.created"], "request.created_by_hand", False),
        (["alarm", "key"], "key.revoked", True),
        (["alarm"], "request.created", False),
    ],
)
def test_it_sends_the_kinds_that_are_wanted(cast, receiver, wanted, kind, goes):
    hook(f"{receiver.url}/200", event_kinds=wanted)
    tell(kind)
    assert webhooks.send_deliveries().done == int(goes)


def test_it_sends_a_teams_notices_to_that_team_and_to_those_of_all(cast, receiver):
    for path, values in {"201": {"team": cast.team}, "202": {"team": cast.other_team}, "203": {}}.items():
        hook(f"{receiver.url}/{path}", **values)
    hook(f"{receiver.url}/204", is_active=False)
    tell(team=cast.team)
    tell()
    webhooks.send_deliveries()
    assert sorted(path for path, _, _ in receiver.seen) == ["/201", "/203", "/203"]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("500", "the answer was 500"),
        ("404", "the answer was 404"),
        ("redirect", "the answer was 307"),
        ("drip", "the answer did not end before the deadline"),
        ("silent", "no complete answer came before the deadline"),
        ("large", "the answer was too large"),
    ],
)
def test_it_tries_again_after_a_failure(cast, receiver, path, error):
    hook(f"{receiver.url}/{path}")
    tell()
    assert webhooks.send_deliveries().not_yet == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.last_error, delivery.delivered_at, delivery.attempts) == (error, None, 1)
    assert delivery.next_try_at > timezone.now() + timedelta(seconds=40)
    assert [seen for seen, _, _ in receiver.seen] == [f"/{path}"]  # where it was redirected to was not asked
    assert webhooks.send_deliveries() == outbox.Sent()
    Webhook.objects.all().delete()


def test_it_says_when_nobody_listens(cast, receiver):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        hook(f"http://127.0.0.1:{free.getsockname()[1]}/")
    tell()
    webhooks.send_deliveries()
    assert WebhookDelivery.objects.get().last_error == "no connection could be made"


@pytest.mark.parametrize(("path", "attempts"), [("500", MAX_ATTEMPTS), ("410", 1)])
def test_it_gives_up_in_the_end_and_says_so_once(cast, receiver, caplog, actions, path, attempts):
    webhook = hook(f"{receiver.url}/{path}")
    tell()
    for _ in range(MAX_ATTEMPTS + 3):
        make_due()
        webhooks.send_deliveries()
    assert len(receiver.seen) == attempts
    assert len({headers["webhook-id"] for _, headers, _ in receiver.seen}) == 1
    assert actions().count("webhook.gave_up") == 1
    assert matching(action="webhook.gave_up").get().details["subject_id"] == str(webhook.pk)
    assert f"webhook {webhook.pk} did not take a notice" in caplog.text
    assert receiver.url not in caplog.text


def test_it_waits_longer_each_time_and_not_all_alike():
    pauses = [[wait_after(attempt) for _ in range(20)] for attempt in range(1, MAX_ATTEMPTS)]
    assert all(max(earlier) < min(later) for earlier, later in pairwise(pauses[:5]))
    assert all(len(set(row)) > 1 for row in pauses)
    assert max(max(row) for row in pauses) < timedelta(hours=10)
    assert wait_after(10_000) < timedelta(hours=10)


def test_it_does_not_let_a_broken_receiver_hold_up_another(cast, receiver):
    hook(f"{receiver.url}/silent", name="broken")
    hook(f"{receiver.url}/200", name="good")
    for _ in range(5):
        tell()
    assert webhooks.send_deliveries().done == 5
    assert [path for path, _, _ in receiver.seen].count("/silent") == 1


LOOPBACKS = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0", "[::1]", "[::ffff:127.0.0.1]"]


@pytest.mark.parametrize("host", LOOPBACKS)
def test_it_connects_to_no_loopback_address_however_it_is_written(receiver, host):
    url = f"http://{host}:{receiver.port}/200"
    outcome = post(url, b"{}", {}, timeout=1, deadline=2, allowed=is_public)
    assert outcome.problem == "its host is at an address the portal does not send to"
    assert receiver.seen == []


def test_it_decides_by_the_address_a_name_has_when_it_is_connected_to(cast, receiver, settings, monkeypatch):
    """A name that is harmless when it is typed and leads inside when it is used (DNS rebinding)."""
    asked = []

    def resolve(host, port, **_):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", receiver.port))]

    settings.WEBHOOK_ALLOW_PRIVATE = False
    url = "https://hooks.example.test/200"
    assert url_problem(url, allow_private=False) == ""
    hook(url)
    tell()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        assert webhooks.send_deliveries().not_yet == 1
    assert asked == ["hooks.example.test"]
    assert "does not send to" in WebhookDelivery.objects.get().last_error
    assert receiver.seen == []


def test_it_stops_sending_where_the_operator_no_longer_allows_it(cast, receiver, settings):
    hook(f"{receiver.url}/200")
    tell()
    settings.WEBHOOK_ALLOW_PRIVATE = False
    assert webhooks.send_deliveries().not_yet == 1
    assert receiver.seen == []


NOT_PUBLIC = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("255.255.255.255", "240.0.0.1", "192.0.0.8", "198.18.0.1", "192.0.2.1", "not-an-address"),
    *("::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:db8::1", "2001:0:1::1"),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_it_knows_what_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_it_knows_what_is_public(address):
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_it_judges_an_ipv4_address_the_same_in_every_form(address):
    forms = {str(address), f"::ffff:{address}", f"64:ff9b::{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"}
    assert len({is_public(form) for form in forms}) == 1
    assert bool(url_problem(f"https://{int(address)}/", allow_private=False)) is not is_public(str(address))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "not an address"),
        ("hooks.example.com", "not an address"),
        ("ftp://hooks.example.com/", "not an address"),
        ("https://hooks.example.com:99999/", "not an address"),
        ("https://[::1/", "not an address"),
        ("http://hooks.example.com/", "https://"),
        ("https://user:pass@hooks.example.com/", "must not have a user"),
        ("https://hooks.example.com/a b", "characters"),
        ("https://hooks.example.com/\u202e", "U+202E (right-to-left override)"),
        *((f"https://{host}/", "non-public") for host in [*LOOPBACKS, "10.0.0.1", "LOCALHOST.", "[fe80::1]"]),
    ],
)
def test_it_refuses_an_address_as_it_is_typed_and_keeps_the_rest(cast, url, message):
    answer = cast.client("admin").post(ADD, form(url=url))
    assert message in text_of(answer)
    assert 'value="chat"' in answer.content.decode()
    assert not Webhook.objects.exists()


ADD = "/admin/keys_app/webhook/add/"
URL = "https://hooks.example.com/services/T0PS3CR3T"


def form(**changes):
    fields = {"name": "chat", "kind": "generic", "url": URL, "signing_secret": SECRET, "event_kinds": "request\nalarm."}
    return {**fields, "team": "", "is_active": "on", **changes}


def saved(cast, page=ADD, **changes):
    answer = cast.client("admin").post(page, form(**changes))
    assert answer.status_code == 302, text_of(answer)
    return Webhook.objects.get()


def test_it_keeps_address_and_secret_encrypted_and_never_shows_them(cast):
    webhook = saved(cast)
    url = f"/admin/keys_app/webhook/{webhook.pk}/change/"
    pages = [cast.client("admin").get(page).content.decode() for page in (url, "/admin/keys_app/webhook/")]
    stored = [str(value) for value in Webhook.objects.values_list().get()]
    for secret in ("T0PS3CR3T", SECRET):
        assert not any(secret in text for text in [*pages, *stored, str(matching().get().canonical)])
    assert all("hooks.example.com" in page for page in pages)
    assert webhook.event_kinds == ["request", "alarm"]
    assert matching().get().action == "webhook.created"
    assert matching().get().details["host"] == "hooks.example.com"


def test_it_keeps_what_is_left_empty_when_it_is_changed(cast):
    webhook = saved(cast)
    before = (webhook.url_ciphertext, webhook.signing_secret_ciphertext)
    url = f"/admin/keys_app/webhook/{webhook.pk}/change/"
    webhook = saved(cast, url, url="", signing_secret="", name="renamed")
    assert (webhook.name, webhook.url_ciphertext, webhook.signing_secret_ciphertext) == ("renamed", *before)
    webhook = saved(cast, url, url="https://other.example.com/x", signing_secret="")
    assert webhook.url_host == "other.example.com"
    assert webhook.signing_secret_ciphertext == before[1]
    assert [event.action for event in matching()] == ["webhook.changed", "webhook.changed", "webhook.created"]


@pytest.mark.parametrize("secret", ["", "short", "whsec_", "whsec_AAAA", "whsec_not base64!", SECRET[6:]])
def test_it_refuses_a_bad_signing_secret_and_never_shows_it(cast, secret):
    answer = cast.client("admin").post(ADD, form(signing_secret=secret))
    assert "A signing secret is whsec_" in text_of(answer)
    assert not Webhook.objects.exists()
    assert len(secret) < 6 or f'value="{secret}"' not in answer.content.decode()


@pytest.mark.parametrize("kinds", ["request created!", "../x", "a-b"])
def test_it_refuses_kinds_that_are_none(cast, kinds):
    assert "one a line" in text_of(cast.client("admin").post(ADD, form(event_kinds=kinds)))


@pytest.mark.parametrize("role", ["engineer", "lead", "security", "stranger"])
def test_it_is_closed_to_all_but_portal_admins(cast, role):
    webhook = hook(URL)
    client = cast.client(role)
    for url in ("/admin/keys_app/webhook/", ADD, f"/admin/keys_app/webhook/{webhook.pk}/change/"):
        assert client.get(url, follow=True).status_code in (403, 404)
    client.post(f"/admin/keys_app/webhook/{webhook.pk}/delete/", {"post": "yes"})
    assert Webhook.objects.exists()


def test_it_shows_a_portal_admin_how_the_deliveries_go(cast, receiver):
    webhook = hook(f"{receiver.url}/500")
    tell()
    webhooks.send_deliveries()
    page = text_of(cast.client("admin").get(f"/admin/keys_app/webhook/{webhook.pk}/change/"))
    assert "0 delivered, 1 waiting, 0 given up. The last problem: the answer was 500." in page


def test_it_deletes_a_webhook_with_what_waits_for_it(cast):
    webhook = hook(URL)
    tell()
    answer = cast.client("admin").post(f"/admin/keys_app/webhook/{webhook.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not WebhookDelivery.objects.exists()
    assert matching().get().action == "webhook.deleted"


def test_it_says_what_to_do_when_the_encryption_key_is_gone(cast, receiver):
    webhook = hook(f"{receiver.url}/200")
    Webhook.objects.filter(pk=webhook.pk).update(url_ciphertext="of another key")
    tell()
    webhooks.send_deliveries()
    assert "enter it again" in WebhookDelivery.objects.get().last_error
    assert receiver.seen == []


def _in_thread(action):
    try:
        return action()
    finally:
        connection.close()


def test_it_sends_each_once_with_several_senders(live_cast, receiver, settings):
    settings.SENDS_MAIL = True
    settings.WEBHOOK_DEADLINE = 10
    hook(f"{receiver.url}/200")
    for number in range(20):
        tell(title=f"number {number}", people=[live_cast.people["security"]])
    Email.objects.update(to=["all@example.test"])
    live_cast.team.notice_email = "payments@example.test"
    for number in range(20):
        tell(title=f"mail {number}", team=live_cast.team)
    mail.outbox.clear()
    steps = [webhooks.send_deliveries, notifications_mail.send_mails] * 3
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda step: _in_thread(step), steps))
    assert sum(result.done for result in results) == 60
    assert len(receiver.seen) == len({headers["webhook-id"] for _, headers, _ in receiver.seen}) == 40
    assert len(mail.outbox) == len({message.subject for message in mail.outbox}) == 20
    assert Email.objects.filter(status=STATUS.sent).count() == 20


def test_it_sends_later_what_a_killed_sender_had_claimed(cast, receiver, settings):
    settings.SENDS_MAIL = True
    hook(f"{receiver.url}/200")
    cast.team.notice_email = "payments@example.test"
    tell(team=cast.team)
    assert webhooks.WebhookOutbox().claim(WebhookDelivery.objects.get())
    assert notifications_mail.MailOutbox().claim(Email.objects.get())
    mail.outbox.clear()
    steps = (webhooks.send_deliveries, notifications_mail.send_mails)
    assert [step().done for step in steps] == [0, 0]
    WebhookDelivery.objects.update(next_try_at=F("next_try_at") - outbox.LEASE)
    Email.objects.update(scheduled_time=F("scheduled_time") - outbox.LEASE)
    assert [step().done for step in steps] == [1, 1]
    assert (len(receiver.seen), len(mail.outbox)) == (1, 1)


def test_it_stops_between_two_when_it_is_asked_to(cast, receiver, settings):
    hook(f"{receiver.url}/200")
    for _ in range(3):
        tell()
    answers = iter([False, False, True])
    assert webhooks.send_deliveries(lambda: next(answers)).done == 2
    assert webhooks.send_deliveries().done == 1


def test_it_sends_by_command_and_removes_what_is_old(cast, receiver, capsys):
    hook(f"{receiver.url}/200")
    tell()
    call_command("send_notices")
    assert capsys.readouterr().out == "1 notices sent; 0 to be tried again; 0 given up\n"
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=31))
    call_command("send_notices")
    assert not WebhookDelivery.objects.exists()


def test_it_fails_by_command_when_something_was_not_sent(cast, receiver):
    hook(f"{receiver.url}/500")
    tell()
    with pytest.raises(CommandError, match="Not everything"):
        call_command("send_notices")


def test_it_refuses_no_pause(cast):
    with pytest.raises(CommandError, match="at least 1 second"):
        call_command("send_notices", "--every", "0")
