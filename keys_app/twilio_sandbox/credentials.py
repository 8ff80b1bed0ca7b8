"""Credentials that may manage only some of the keys, for tests of what the portal does with one of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .messages import Refusal, not_found, unauthorized

OPERATIONS = {"create": "create", "list": "list", "fetch": "read", "update": "update", "delete": "delete"}
"""The action of `/twilio/iam/api-keys/` that each operation needs."""
API_KEYS = "/twilio/iam/api-keys/"
REFUSALS = ("authenticate", "evaluation", "forbidden", "missing")
"""How a credential is refused what it may not do: see `refusal`."""
MAIN = "main"
STANDARD_FLAGS = ["rest_api", "signing"]
"""Of Standard keys in a listing (seen in a published test); that Main keys have them as well is a guess."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A credential as a test orders it. `policy` is None for a Main key, which may do everything with keys."""

    policy: tuple[str, ...] | None
    refusal: str
    grants_own_only: bool


def wanted(body: bytes) -> Wanted:
    """Read a JSON object that orders a credential. Raises `Refusal` for anything else.

    `without` lists actions of `/twilio/iam/api-keys/` it lacks, `also` more permissions it holds, `main` makes it a
    Main key, `refusal` is one of `REFUSALS`, and with `grants_own_only` it can't make a key that may do more than it.
    """
    try:
        order: Mapping[str, Any] = json.loads(body)
        lacking, also = set(order.get("without", ())), [str(one) for one in order.get("also", ())]
        refusal = order.get("refusal", REFUSALS[0])
        if lacking - set(OPERATIONS.values()) or refusal not in REFUSALS:
            raise ValueError("unknown")
    except (ValueError, TypeError, AttributeError):
        raise Refusal(400, 20001, "not a credential") from None
    own = [API_KEYS + action for action in OPERATIONS.values() if action not in lacking]
    policy = None if order.get("main") else tuple(sorted({*own, *also}))
    return Wanted(policy, refusal, bool(order.get("grants_own_only")))


def needed(operation: str) -> str:
    """Return the permission that an operation needs."""
    return API_KEYS + OPERATIONS[operation]


def refusal(how: str, permission: str) -> Refusal:
    """Return how Twilio refuses a restricted key what it has no permission for (all seen in published tests).

    `authenticate` and `evaluation` are a 401 with code 20003, `forbidden` the latter with 403, and `missing` a 401 with
    70051, which names the permission without its first slash.
    """
    if how == "missing":
        return permission_missing(permission)
    if how in ("evaluation", "forbidden"):
        return Refusal(403 if how == "forbidden" else 401, 20003, "Policy evaluation failed")
    return unauthorized()


def permission_missing(permission: str, code: int = 70051) -> Refusal:
    """Return the refusal of a restricted key without a permission: 401, which names it without its first slash."""
    return Refusal(401, code, f"Authorization Error: required permission {permission.removeprefix('/')} is missing")


def wrong_account() -> Refusal:
    """Return the refusal of a key of another account than the call is about: 70051 (Twilio's error dictionary).

    The text is the most frequent one of that code in published reports; that it is a 401 is seen of others.
    """
    return Refusal(401, 70051, "Authorization Error: actor doesn't have any assertions")


def no_account(account_sid: str) -> Refusal:
    """Return the refusal of an account that does not exist: 404. The code is a guess, 70051 is another."""
    return not_found(f"/Accounts/{account_sid}")


def greater_than_own() -> Refusal:
    """Return the refusal of a key that may do more than the one that makes it: 70152. Status and text are guesses."""
    return Refusal(403, 70152, "An API key cannot create a key with greater permissions than its own")


def too_many() -> Refusal:
    """Return the refusal where an account has its maximum of keys: 70151. Status and text are guesses."""
    return Refusal(400, 70151, "The account has reached its maximum number of API keys")
