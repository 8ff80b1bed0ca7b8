"""Delivers what waits for webhooks."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Case, Exists, FloatField, OuterRef, Q, QuerySet, When, Window
from django.db.models.functions import Random, RowNumber
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.errors import InvalidInput
from keys_app.core.http.public_addresses import is_public, url_problem
from keys_app.core.http.safe_post import Outcome, post
from keys_app.core.secret import Secret
from keys_app.core.times import rfc3339
from keys_app.organisation.credentials import decrypt, encrypt

from .models import Webhook, WebhookDelivery
from .outbox import Failure, Outbox, Sent
from .webhook_hosts import NOT_SENT, host_problem, is_listed

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


_BATCH = 100
_PATIENCE = 30.0
_GONE = 410  # the receiver says that it will not come back


def send_deliveries(stopping: Callable[[], bool] = lambda: False) -> Sent:
    """Send the deliveries that are due; `stopping` ends it early."""
    return WebhookOutbox().run(stopping)


class DeliveryNotes(TypedDict):
    """What is said of a delivery besides its columns: whether its webhook has failed to take another."""

    troubled: bool


class WebhookOutbox(Outbox["WithAnnotations[WebhookDelivery, DeliveryNotes]"]):
    """Deliveries. Webhooks have their turn one after the other, those that work before those that failed.

    When failing ones have taken `_PATIENCE` seconds the rest of those wait too, so that a dead one costs the others
    little. With `since` only what was queued from then on.
    """

    due_at = "next_try_at"
    attempts = "attempts"
    waiting = Q(delivered_at=None, gave_up_at=None)

    def __init__(self, since: datetime | None = None) -> None:
        self.only = Q() if since is None else Q(created_at__gte=since)
        self._lost = 0.0  # seconds

    def in_turn(self) -> "QuerySet[WithAnnotations[WebhookDelivery, DeliveryNotes]]":
        """Return deliveries that are due: each webhook's oldest first, then the next. Of failing webhooks by chance."""
        turn = Window(RowNumber(), partition_by="webhook_id", order_by=["created_at", "id"])
        failed = WebhookDelivery.objects.filter(self.waiting, webhook=OuterRef("webhook")).exclude(last_error="")
        by_chance = Case(When(troubled=True, then=Random()), default=0.0, output_field=FloatField())
        due = WebhookDelivery.objects.filter(
            self.waiting, self.only, webhook__is_active=True, next_try_at__lte=timezone.now()
        )
        rows = due.select_related("webhook").annotate(turn=turn, troubled=Exists(failed))
        return rows.order_by("troubled", "turn", by_chance, "created_at", "id")[:_BATCH]

    def target(self, row: WebhookDelivery) -> int:
        return row.webhook_id

    def in_the_log(self, row: WebhookDelivery) -> str:
        return f"webhook {row.webhook_id} did not take a notice"

    def can_wait(self, row: "WithAnnotations[WebhookDelivery, DeliveryNotes]") -> bool:
        return row.troubled and self._lost > _PATIENCE

    def deliver(self, row: WebhookDelivery) -> Failure | None:
        start = time.monotonic()
        outcome = _post(row)
        if not outcome.problem:
            return None
        self._lost += time.monotonic() - start
        return Failure(outcome.problem, outcome.status == _GONE)

    def when_sent(self) -> dict[str, Any]:
        return {"delivered_at": timezone.now(), "last_error": ""}

    def when_failed(self, failure: Failure) -> dict[str, Any]:
        return {"last_error": failure.why}

    def when_given_up(self, failure: Failure) -> dict[str, Any]:
        return {"gave_up_at": timezone.now(), "last_error": failure.why}

    def record_given_up(self, row: WebhookDelivery, failure: Failure) -> None:
        record(
            "webhook.gave_up",
            Actor.system("notices"),
            subject=row.webhook.name,
            subject_id=str(row.webhook_id),
            delivery=str(row.pk),
            attempts=row.attempts,
            error=failure.why,
        )


def _post(delivery: WebhookDelivery) -> Outcome:
    """Post a delivery once, outside any transaction."""
    webhook, body = delivery.webhook, delivery.body.encode()
    url = decrypt(webhook.url_ciphertext)
    if url is None:
        return Outcome(0, "its address cannot be decrypted: enter it again")
    private = settings.WEBHOOK_ALLOW_PRIVATE
    if url_problem(url.reveal(), allow_private=private):  # the operator may have changed that since it was typed
        return Outcome(0, "its address is not one the portal sends to")
    if not is_listed(urlsplit(url.reveal()).hostname):
        return Outcome(0, NOT_SENT)
    headers = {"Content-Type": "application/json"}
    if webhook.kind == Webhook.Kind.GENERIC:
        secret = decrypt(webhook.signing_secret_ciphertext)
        if secret is None:
            return Outcome(0, "its signing secret cannot be decrypted: enter it again")
        headers |= signature_headers(secret, f"msg_{delivery.pk.hex}", body, timezone.now())
    return post(
        url.reveal(),
        body,
        headers,
        timeout=settings.WEBHOOK_TIMEOUT,
        deadline=settings.WEBHOOK_DEADLINE,
        allowed=(lambda _: True) if private else is_public,
    )


MAX_URL = 1000
SECRET_PREFIX = "whsec_"  # noqa: S105 how every signing secret begins
SECRET_BYTES = range(24, 65)
MAKE_SECRET = f"echo {SECRET_PREFIX}$(openssl rand -base64 32)"


def body_for(form: str, *, message_id: str, kind: str, title: str, text: str, url: str, time: datetime) -> str:
    """Return the body for a generic or a Slack-compatible webhook."""
    if form == Webhook.Kind.SLACK:
        content = {"text": f"<{_for_slack(url)}|{_for_slack(title)}>\n{_for_slack(text)}"}
    else:
        content = {
            "id": message_id,
            "kind": kind,
            "title": title,
            "text": text,
            "url": url,
            "time": rfc3339(time),
        }
    return json.dumps(content, ensure_ascii=False)


def _for_slack(text: str) -> str:
    """Escape what Slack gives a meaning, so that nobody's name can mention a channel or hide a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def secret_problem(secret: str) -> str:
    """Return what is wrong with a signing secret; empty if nothing is."""
    if _key(secret) is None:
        return (
            f"A signing secret is {SECRET_PREFIX} and {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} random bytes in base64. "
            f"Make one: {MAKE_SECRET}"
        )
    return ""


def _key(secret: str) -> bytes | None:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if secret.startswith(SECRET_PREFIX) and len(key) in SECRET_BYTES else None


def signature_headers(secret: Secret, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of the Standard Webhooks scheme (standardwebhooks.com, version 1).

    `now` is the time of this attempt. Raises `ValueError` for a secret that `secret_problem` refuses.
    """
    key = _key(secret.reveal())
    if key is None:
        raise ValueError("not a signing secret")
    timestamp = str(int(now.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}


def address_problem(url: str) -> str:
    """Return what is wrong with a webhook's address; empty if nothing is."""
    if len(url) > MAX_URL:
        return f"The address has {len(url)} characters; at most {MAX_URL} are kept."
    problem = url_problem(url, allow_private=settings.WEBHOOK_ALLOW_PRIVATE)
    return problem or host_problem(urlsplit(url).hostname)


def set_address(webhook: Webhook, url: str) -> None:
    """Give a webhook its address, to be saved by the caller. It is kept encrypted; only its host is shown.

    Raises `InvalidInput` for what `address_problem` refuses.
    """
    if problem := address_problem(url):
        raise InvalidInput("url", problem)
    webhook.url_ciphertext = encrypt(Secret(url))
    webhook.url_host = (urlsplit(url).hostname or "")[:260]


def set_signing_secret(webhook: Webhook, secret: str) -> None:
    """Give a webhook the secret its deliveries are signed with, to be saved by the caller.

    Raises `InvalidInput` for what `secret_problem` refuses.
    """
    if problem := secret_problem(secret):
        raise InvalidInput("signing_secret", problem)
    webhook.signing_secret_ciphertext = encrypt(Secret(secret))
