"""One page of a listing, with the links to its neighbours."""

from bisect import bisect_right
from collections.abc import Sequence
from urllib.parse import urlencode

from .credentials import STANDARD_FLAGS
from .messages import Refusal, Request, key_fields
from .store import Key

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
"""Both are from Twilio's documentation of the Key resource."""


def page(keys: Sequence[Key], request: Request, path: str) -> dict[str, object]:
    """Return the page that `Page`, `PageSize` and `PageToken` ask for, of keys in the order of their places.

    A token names the last key of the page before, so that a key made or deleted meanwhile shifts nothing.
    Raises `Refusal` for values out of range; Twilio's codes for these are guesses.
    """
    size = _number(request, "PageSize", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)
    number = _number(request, "Page", 0, 0, 10**9)
    token = request.query.get("PageToken")
    start = _after(keys, token) if token else min(number * size, len(keys))
    shown = keys[start : start + size]
    more = start + size < len(keys)

    def link(to: int, token: str | None = None) -> str:
        query = {"AccountSid": request.query["AccountSid"], "PageSize": str(size), "Page": str(to)}
        return f"{request.base_url}{path}?{urlencode({**query, **({'PageToken': token} if token else {})})}"

    return {
        "keys": [{**key_fields(key), **_flags(key), **key.listed_with} for key in shown],
        "meta": {
            "page": number,
            "page_size": size,
            "first_page_url": link(0),
            "previous_page_url": link(number - 1) if number else None,
            "url": link(number, token),
            "next_page_url": link(number + 1, f"PT{shown[-1].updated.hex()}_{shown[-1].number}") if more else None,
            "key": "keys",
        },
    }


def _flags(key: Key) -> dict[str, object]:
    """Return `flags`, which restricted keys don't have (seen in a published test)."""
    return {"flags": STANDARD_FLAGS} if key.policy is None else {}


def _number(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or not least <= int(text) <= most:
        raise Refusal(400, 20007, f"{name} must be {least} to {most}")
    return int(text)


def _after(keys: Sequence[Key], token: str) -> int:
    try:
        updated, number = token.removeprefix("PT").split("_")
        place = (float.fromhex(updated), int(number))
    except (ValueError, OverflowError):
        raise Refusal(400, 20001, "Invalid PageToken") from None
    return bisect_right(keys, place, key=lambda key: key.place)
