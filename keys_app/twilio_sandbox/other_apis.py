"""Stubs of Twilio's other APIs: enough to see whether a key may use them, and with which code it is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from keys_app.twilio_iam.types import ACCOUNT_SID

from . import credentials
from .accounts import Caller, CallerKind, Tenants
from .messages import Reply, Request, unauthorized

OLD_KEYS = "/Keys.json"
_ACCOUNT = f"/2010-04-01/Accounts/(?P<account>{ACCOUNT_SID.pattern})"


@dataclass(frozen=True, slots=True)
class OtherCall:
    """One call of another API, the permission it takes, and the code a restricted key without it is refused with."""

    method: str
    path: re.Pattern[str]
    permission: str
    code: int
    answer: Callable[[], dict[str, object]]


def _no_messages() -> dict[str, object]:
    return {"messages": [], "page": 0, "page_size": 50, "start": 0, "end": 0, "uri": "", "next_page_uri": None}


def _no_services() -> dict[str, object]:
    return {"services": [], "meta": {"page": 0, "page_size": 50, "next_page_url": None, "key": "services"}}


CALLS = (
    OtherCall("GET", re.compile(f"{_ACCOUNT}/Messages\\.json"), "/twilio/messaging/messages/list", 70051, _no_messages),
    OtherCall("GET", re.compile("/v2/Services"), "/twilio/verify/service/list", 8021, _no_services),
)
"""Verify has a code of its own for the same words (published reports)."""


def find(request: Request) -> OtherCall | None:
    """Return the call a request makes, None if it is none of these."""
    return next((one for one in CALLS if one.method == request.method and one.path.fullmatch(request.path)), None)


def answer(call: OtherCall, request: Request, caller: Caller, tenants: Tenants) -> Reply:
    """Answer it with an empty list. Raises `Refusal`.

    Here a parent's Main key works on subaccounts as well: that is the 2010 API. Every credential but a restricted key
    may do everything (Twilio's documentation).
    """
    match = call.path.fullmatch(request.path)
    account_sid = match.groupdict().get("account") if match else None
    if account_sid and not _works_on(caller, account_sid, tenants):
        raise credentials.wrong_account()
    if caller.kind is CallerKind.RESTRICTED and call.permission not in _allowed(caller):
        raise credentials.permission_missing(call.permission, call.code)
    return Reply(200, call.answer())


def account_of_old_keys(request: Request, caller: Caller, tenants: Tenants) -> str | None:
    """Return the account that a key is asked for at the old address of keys; None for any other request.

    Raises `Refusal` for an account or a credential that has no business there.
    """
    match = re.fullmatch(_ACCOUNT + re.escape(OLD_KEYS), request.path)
    if request.method != "POST" or match is None:
        return None
    if not _works_on(caller, match["account"], tenants):
        raise credentials.wrong_account()
    if not caller.may_manage_keys():
        raise unauthorized()
    return match["account"]


def _works_on(caller: Caller, account_sid: str, tenants: Tenants) -> bool:
    if tenants.reaches(caller, account_sid):
        return True
    below = tenants.get(account_sid)
    return caller.kind is CallerKind.MAIN and below is not None and below.parent == caller.tenant.sid


def _allowed(caller: Caller) -> tuple[str, ...]:
    return (caller.key.policy or ()) if caller.key else ()
