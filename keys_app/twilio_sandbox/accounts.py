"""The accounts of the simulator and their credentials, and who a request comes from."""

import secrets
import threading
from dataclasses import dataclass, field
from enum import StrEnum

from . import credentials
from .messages import Refusal, Request, unauthorized
from .secrets62 import new_secret
from .store import Hashed, Key, Store


class CallerKind(StrEnum):
    """What a request identifies itself with."""

    TOKEN = "token"  # noqa: S105 not a password but a kind of credential
    MAIN = "main"
    STANDARD = "standard"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One account: its Auth Token, and a Main key that is in no listing. `parent` is None for an account of its own."""

    sid: str
    parent: str | None
    token: Hashed = field(repr=False)
    key_sid: str
    secret: Hashed = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the account of the credential, its kind, and the key, None for an Auth Token and a first Main key."""

    tenant: Tenant
    kind: CallerKind
    key: Key | None = None

    def may_manage_keys(self) -> bool:
        """Tell whether no policy limits it: an Auth Token or a Main key (Twilio's documentation)."""
        return self.kind in (CallerKind.TOKEN, CallerKind.MAIN)


class Tenants:
    """All accounts by SID, in memory. The first one is that of the simulator's own credential."""

    def __init__(self, first: Tenant) -> None:
        self.first = first
        self._lock = threading.Lock()
        self._all = {first.sid: first}

    def get(self, sid: str) -> Tenant | None:
        with self._lock:
            return self._all.get(sid)

    def add(self, parent: str | None) -> dict[str, object]:
        """Open an account; return its SID, its Auth Token, and a Main key with its secret, which are kept nowhere."""
        token, secret = secrets.token_hex(16), new_secret()
        sid, key_sid = "AC" + secrets.token_hex(16), "SK" + secrets.token_hex(16)
        with self._lock:
            if parent is not None and parent not in self._all:
                raise Refusal(400, 20001, "no such parent account")
            self._all[sid] = Tenant(sid, parent, Hashed.of(token), key_sid, Hashed.of(secret))
        return {"sid": sid, "auth_token": token, "key": key_sid, "secret": secret}

    def caller(self, request: Request, store: Store) -> Caller:
        """Return who a request comes from. Raises `Refusal` for a credential that is not known."""
        with self._lock:
            tenants = list(self._all.values())
        for tenant in tenants:
            if request.username == tenant.sid and tenant.token.matches(request.password):
                return Caller(tenant, CallerKind.TOKEN)
            if request.username == tenant.key_sid and tenant.secret.matches(request.password):
                return Caller(tenant, CallerKind.MAIN)
        key = store.get(request.username)
        owner = self.get(key.account_sid) if key else None
        if key is None or owner is None or not key.secret.matches(request.password):
            raise unauthorized()
        if key.kind == credentials.MAIN:
            return Caller(owner, CallerKind.MAIN, key)
        return Caller(owner, CallerKind.STANDARD if key.policy is None else CallerKind.RESTRICTED, key)

    def reaches(self, caller: Caller, account_sid: str) -> bool:
        """Tell whether a credential works on an account: its own, for an Auth Token also those right below it.

        A parent's Main key is refused for subaccounts outside the 2010 API (Twilio's documentation).
        """
        if account_sid == caller.tenant.sid:
            return True
        below = self.get(account_sid)
        return caller.kind is CallerKind.TOKEN and below is not None and below.parent == caller.tenant.sid

    def require_reach(self, caller: Caller, account_sid: str) -> None:
        """Raise `Refusal` for an account that the credential does not work on: see `credentials.wrong_account`."""
        if not self.reaches(caller, account_sid):
            raise credentials.wrong_account() if self.get(account_sid) else credentials.no_account(account_sid)
