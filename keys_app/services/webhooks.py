"""What a webhook is sent and how it is signed; its address and secret, kept encrypted."""

import base64
import binascii
import hashlib
import hmac
import json
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings

from ..domain.errors import InvalidInput
from ..domain.secret import Secret
from ..domain.times import rfc3339
from ..models import Webhook
from ..outgoing.addresses import url_problem
from .credentials import encrypt

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
    return url_problem(url, allow_private=settings.WEBHOOK_ALLOW_PRIVATE)


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
