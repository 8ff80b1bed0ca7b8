"""Delivers what waits for webhooks."""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Exists, F, FloatField, OuterRef, Q, QuerySet, When, Window
from django.db.models.functions import Random, RowNumber
from django.utils import timezone

from ..domain.backoff import MAX_ATTEMPTS, wait_after
from ..models import Webhook, WebhookDelivery
from ..outgoing.addresses import is_public, url_problem
from ..outgoing.posting import Outcome, post
from .actors import Actor, record
from .credentials import decrypt
from .mail_sending import LEASE, Sent
from .webhooks import signature_headers

log = logging.getLogger(__name__)

_BATCH = 100
_PATIENCE = 30.0
_OPEN = Q(delivered_at=None, gave_up_at=None)
_GONE = 410  # the receiver says that it will not come back


def send_deliveries(stopping: Callable[[], bool] = lambda: False) -> Sent:
    """Send the deliveries that are due. Several processes may do so at once; `stopping` ends it early.

    Webhooks have their turn one after the other, those that work before those that failed; each gets its oldest
    delivery first. After a failure the other deliveries to that webhook wait for the next run, and when failing ones
    have taken `_PATIENCE` seconds the rest of those do, so that a dead one costs the others little.
    """
    result = Sent()
    broken: set[int] = set()
    lost = 0.0
    for delivery in _in_turn():
        if stopping():
            break
        if delivery.webhook_id in broken or (delivery.troubled and lost > _PATIENCE) or not _claim(delivery):
            continue
        start = time.monotonic()
        outcome = _deliver(delivery)
        if outcome.trouble:
            lost += time.monotonic() - start
            broken.add(delivery.webhook_id)
            _failed(delivery, outcome, result)
        else:
            _open(delivery).update(delivered_at=timezone.now(), last_error="")
            result.done += 1
    return result


def _in_turn() -> QuerySet[WebhookDelivery]:
    """Return deliveries that are due: first one for each webhook, then the next. Of failing webhooks by chance."""
    turn = Window(RowNumber(), partition_by="webhook_id", order_by=["created_at", "id"])
    failed = WebhookDelivery.objects.filter(_OPEN, webhook=OuterRef("webhook")).exclude(last_error="")
    by_chance = Case(When(troubled=True, then=Random()), default=0.0, output_field=FloatField())
    rows = _due().select_related("webhook").annotate(turn=turn, troubled=Exists(failed))
    return rows.order_by("troubled", "turn", by_chance, "created_at", "id")[:_BATCH]


def _due() -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(_OPEN, webhook__is_active=True, next_try_at__lte=timezone.now())


def _open(delivery: WebhookDelivery) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(_OPEN, pk=delivery.pk)


def _claim(delivery: WebhookDelivery) -> bool:
    """Count an attempt and move the time of the next, unless another process has. Killed now, it is sent later."""
    mine = _open(delivery).filter(next_try_at=delivery.next_try_at, attempts=delivery.attempts)
    delivery.attempts += 1
    return bool(mine.update(attempts=F("attempts") + 1, next_try_at=timezone.now() + LEASE))


def _deliver(delivery: WebhookDelivery) -> Outcome:
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
        allowed=(lambda address: True) if private else is_public,
    )


def _failed(delivery: WebhookDelivery, outcome: Outcome, result: Sent) -> None:
    webhook, trouble = delivery.webhook, outcome.trouble
    if delivery.attempts < MAX_ATTEMPTS and outcome.status != _GONE:
        log.warning("webhook %s did not take a notice and is tried again: %s", webhook.pk, trouble)
        later = timezone.now() + wait_after(delivery.attempts)
        _open(delivery).update(next_try_at=later, last_error=trouble)
        result.not_yet += 1
        return
    log.error("webhook %s did not take a notice in %s attempts: %s", webhook.pk, delivery.attempts, trouble)
    with transaction.atomic(durable=True):
        if _open(delivery).update(gave_up_at=timezone.now(), last_error=trouble):
            record(
                "webhook.gave_up",
                Actor.system("notices"),
                subject=webhook.name,
                subject_id=str(webhook.pk),
                delivery=str(delivery.pk),
                attempts=delivery.attempts,
                error=trouble,
            )
    result.gave_up += 1
