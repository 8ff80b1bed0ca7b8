"""To which hosts webhooks may go, where the operator lists them, and the alarm of one that was saved before."""

from django.conf import settings
from django.utils import timezone

from keys_app.core.actor import Actor
from keys_app.core.text import joined

from . import troubles
from .models import Webhook

UNLISTED = "webhook_host"
"""The kind of trouble that a webhook is whose host the operator does not list."""
NOT_SENT = "its host is not listed in PORTAL_WEBHOOK_HOSTS"


def is_listed(host: str | None) -> bool:
    """Tell whether webhooks may go to a host: it is listed by name or as part of `*.example.com`, or none is listed."""
    name = (host or "").lower().rstrip(".")
    return not settings.WEBHOOK_HOSTS or any(
        name.endswith(listed[1:]) if listed.startswith("*.") else name == listed for listed in settings.WEBHOOK_HOSTS
    )


def host_problem(host: str | None) -> str:
    """Return why an address with this host is not taken; empty if it is."""
    if is_listed(host):
        return ""
    return (
        f"Webhooks go only to hosts that the operator lists (PORTAL_WEBHOOK_HOSTS): {joined(settings.WEBHOOK_HOSTS)}."
    )


def note_unlisted() -> None:
    """Tell Security, now and daily, of each webhook that nothing is sent to because of its host, until that is over."""
    actor = Actor.system("notices")
    unlisted = [one for one in Webhook.objects.filter(is_active=True) if not is_listed(one.url_host)]
    for webhook in unlisted:
        title = f"Nothing is sent to webhook {webhook.name}"
        words = (
            f"Its host {webhook.url_host} is not listed in PORTAL_WEBHOOK_HOSTS. List it, or change or switch it off."
        )
        troubles.see(troubles.Seen(_key(webhook), UNLISTED, title, words, since=timezone.now()), actor)
    troubles.end_others({_key(webhook) for webhook in unlisted}, UNLISTED, actor)


def _key(webhook: Webhook) -> str:
    return f"{UNLISTED}:{webhook.pk}"
