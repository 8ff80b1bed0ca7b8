"""Posts one body to an address somebody typed, and says in a few words how that went."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from .connection import OneExchange
from .guard import AddressRefused, Guard, Step

MAX_ANSWER = 65_536
_CHUNK = 8_192


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is 0 where no answer came. `problem` is empty for a success, and never holds the address."""

    status: int
    problem: str


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout: float,
    deadline: float,
    allowed: Callable[[str], bool],
) -> Outcome:
    """Send `body` once. A redirect is not followed, and an answer is read to its end but not kept.

    `timeout` is for each step and `deadline` for everything, both in seconds. `allowed` decides on each
    address that would be connected to.
    """
    with Guard(deadline, allowed) as guard:
        try:
            return _send(guard, url, body, headers, timeout)
        except Exception as error:  # noqa: BLE001 whatever breaks, the address must not get into a traceback
            return Outcome(0, _problem(guard, error))


def _send(guard: Guard, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Outcome:
    with OneExchange(guard) as session:
        response = session.post(
            url, data=body, headers=headers, timeout=timeout, allow_redirects=False, stream=True, verify=True
        )
        with response:
            problem = _read(response.raw)
    if guard.expired:
        problem = "the answer did not end before the deadline"
    if not 200 <= response.status_code < 300:
        problem = f"the answer was {response.status_code}"
    return Outcome(response.status_code, problem)


def _read(raw: Any) -> str:
    """Read the answer to its end, at most `MAX_ANSWER` bytes of it; return what was wrong with it."""
    size = 0
    while chunk := raw.read(_CHUNK, decode_content=False):
        size += len(chunk)
        if size > MAX_ANSWER:
            return "the answer was too large"
    return ""


def _problem(guard: Guard, error: Exception) -> str:
    if _refused(error):
        return "its host is at an address the portal does not send to"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return "its address is not one"
    if guard.step is not Step.SENDING:
        return str(guard.step.value)
    return "no complete answer came before the deadline" if guard.expired else "no complete answer came"


def _refused(error: BaseException | None) -> bool:
    """Tell whether `AddressRefused` is anywhere behind an error: `requests` wraps what the connection raised."""
    while error is not None:
        if isinstance(error, AddressRefused):
            return True
        error = error.__cause__ or error.__context__
    return False
