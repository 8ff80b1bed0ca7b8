"""Delivers what waits for webhooks."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict

from django.conf import settings
from django.db.models import Case, Exists, FloatField, OuterRef, Q, QuerySet, When, Window
from django.db.models.functions import Random, RowNumber
from django.utils import timezone

from ..models import Webhook, WebhookDelivery
from ..outgoing.addresses import is_public, url_problem
from ..outgoing.posting import Outcome, post
from .actors import Actor, record
from .credentials import decrypt
from .outbox import Failure, Outbox, Sent
from .webhooks import signature_headers

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
    little.
    """

    due_at = "next_try_at"
    attempts = "attempts"
    waiting = Q(delivered_at=None, gave_up_at=None)

    def __init__(self) -> None:
        self._lost = 0.0  # seconds

    def in_turn(self) -> "QuerySet[WithAnnotations[WebhookDelivery, DeliveryNotes]]":
        """Return deliveries that are due: each webhook's oldest first, then the next. Of failing webhooks by chance."""
        turn = Window(RowNumber(), partition_by="webhook_id", order_by=["created_at", "id"])
        failed = WebhookDelivery.objects.filter(self.waiting, webhook=OuterRef("webhook")).exclude(last_error="")
        by_chance = Case(When(troubled=True, then=Random()), default=0.0, output_field=FloatField())
        due = WebhookDelivery.objects.filter(self.waiting, webhook__is_active=True, next_try_at__lte=timezone.now())
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
        if not outcome.trouble:
            return None
        self._lost += time.monotonic() - start
        return Failure(outcome.trouble, outcome.status == _GONE)

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
