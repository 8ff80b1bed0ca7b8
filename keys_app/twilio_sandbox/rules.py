"""What the simulator accepts in a form. Evidence for each rule is in its docstring."""

import json

from keys_app.core.typed import utf16_units
from keys_app.permissions.catalogue import catalogue, expand
from keys_app.permissions.naming import MAX_FRIENDLY_NAME
from keys_app.permissions.policy import MAX_PERMISSIONS
from keys_app.twilio_iam.types import ACCOUNT_SID

from .messages import Refusal, Request, bad_sid, violation

Permissions = tuple[str, ...]


def account_sid(value: str | None) -> str:
    """Twilio answers 20001 to a listing without an account, 70002 to a malformed SID (published tests)."""
    if not value:
        raise Refusal(400, 20001, "Parameter AccountSid is required")
    if not ACCOUNT_SID.fullmatch(value):
        raise bad_sid()
    return value


def friendly_name(request: Request) -> str | None:
    """At most 64 characters, otherwise 70001; left out, the name is null (both published tests).

    That they are counted in UTF-16 is inferred from the words of the refusal, which are Java's.
    """
    name = request.form.get("FriendlyName")
    if name is not None and utf16_units(name) > MAX_FRIENDLY_NAME:
        raise violation()
    return name


def policy_of_new_key(request: Request) -> Permissions | None:
    """Return the policy of a key that is asked for; None for a Standard key.

    Without `KeyType`, Twilio makes a Standard key with nearly full access and ignores the rest (Twilio's
    documentation). That another `KeyType` or a missing policy is a 70001 is a guess.
    """
    if "KeyType" not in request.form:
        return None
    if request.form["KeyType"] != "restricted" or "Policy" not in request.form:
        raise violation()
    return policy(request.form["Policy"])


def policy(text: str) -> Permissions:
    """Return the 1 to 100 permissions of a policy, all of which exist.

    An unknown one is a 70002 that names it (a published test); the limit is in Twilio's documentation, that breaking
    it or sending bad JSON is a 70001 is a guess.
    """
    try:
        names = json.loads(text)["allow"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise violation() from None
    if not isinstance(names, list) or not 0 < len(names) <= MAX_PERMISSIONS:
        raise violation()
    for name in names:
        if not isinstance(name, str) or name not in catalogue():
            raise Refusal(400, 70002, f"assertion '{str(name)[:200]}' is invalid")
    return tuple(sorted({explicit for name in names for explicit in expand(name)}))
