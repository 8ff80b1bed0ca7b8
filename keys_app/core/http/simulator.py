"""What answers in Twilio's place: asked of the address itself, once for a process, not guessed from its port."""

import threading
import time
from enum import StrEnum
from urllib.parse import SplitResult

from .connection import OneExchange
from .guard import Guard
from .public_addresses import is_loopback

HEADER = "Twilio-Simulator"
"""The simulator alone has it, in every answer."""
PATH = "/v1/Keys"
SECONDS = 1.0
AGAIN_AFTER = 30.0
"""How long the question may take, and after how long one without an answer is put again, in seconds."""


class EndpointKind(StrEnum):
    """What is at the address that keys are made at."""

    TWILIO = "twilio"
    """Not on this machine: nothing else is believed to be there, and it is not asked."""
    SIMULATOR = "simulator"
    LOCAL = "local"
    """Something else on this machine, which may pass everything on to Twilio."""
    SILENT = "silent"
    """On this machine, and without an answer so far."""


_asking = threading.Lock()
_found: dict[str, tuple[EndpointKind, float]] = {}


def endpoint_at(base_url: SplitResult) -> EndpointKind:
    """Return what is at the base URL of Twilio's Key resource. Only an address of this machine is asked.

    The question is an OPTIONS without a credential. Raises nothing, and waits at most for `SECONDS`.
    """
    if not is_loopback(base_url.hostname):
        return EndpointKind.TWILIO
    url = base_url.geturl()
    found, at = _found.get(url, (EndpointKind.SILENT, -AGAIN_AFTER))
    is_fresh = found is not EndpointKind.SILENT or time.monotonic() - at < AGAIN_AFTER
    if is_fresh or not _asking.acquire(blocking=False):
        return found
    try:
        found = _ask(url)
        _found[url] = found, time.monotonic()
    finally:
        _asking.release()
    return found


def _ask(url: str) -> EndpointKind:
    try:
        with Guard(SECONDS) as guard, OneExchange(guard) as session:
            answer = session.request(
                "OPTIONS", url + PATH, timeout=SECONDS, allow_redirects=False, stream=True, verify=True
            )
            with answer:
                return EndpointKind.SIMULATOR if HEADER in answer.headers else EndpointKind.LOCAL
    except Exception:  # noqa: BLE001 whatever is wrong there, a page must not fail over its banner
        return EndpointKind.SILENT
