"""The operations of the simulator on its keys."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from keys_app.twilio_iam.types import KEY_SID

from . import credentials, listing, other_apis, rules
from .accounts import Caller, Tenant, Tenants
from .faults import Fault, Faults
from .history import History
from .messages import Refusal, Reply, Request, bad_sid, key_fields, not_found, policy_field
from .secrets62 import new_secret
from .store import Hashed, Key, Store

Ordered = TypeVar("Ordered")
KEYS = "/v1/Keys"
_ON_ONE = {"GET": "fetch", "POST": "update", "DELETE": "delete"}
_ON_ALL = {"GET": "list", "POST": "create"}


class Api:
    """Answers requests about the keys of its accounts.

    The main credential may do everything on the first account, as may a Main key ordered with `add_credential`; a
    restricted key made here may do what its policy says; a Standard key may not manage keys (Twilio's documentation for
    all of them). Which accounts a credential works on is in `accounts.py`.
    """

    def __init__(self, store: Store, account_sid: str, key_sid: str, secret: Hashed) -> None:
        self.faults = Faults()
        self.tenants = Tenants(Tenant(account_sid, None, secret, key_sid, secret))
        self._history = History()
        self._hidden: dict[str, float] = {}
        self._store = store
        self._counts: Counter[str] = Counter()
        self._most_keys: int | None = None
        self._is_scoped = True
        self._lock = threading.Lock()

    def operation(self, request: Request) -> str | None:
        """Return `create`, `list`, `fetch`, `update` or `delete`, or None for any other address."""
        if request.path == KEYS:
            return _ON_ALL.get(request.method)
        if request.path.startswith(KEYS + "/") and request.path.count("/") == 3:
            return _ON_ONE.get(request.method)
        return None

    def count(self, operation: str, request: Request) -> None:
        with self._lock:
            self._counts[operation] += 1
        if operation == "create":
            self._history.asked(request.form.get("FriendlyName"))

    def counts(self) -> dict[str, int]:
        """Return how many requests came in for each operation, refused and failed ones included."""
        with self._lock:
            return {name: self._counts[name] for name in (*_ON_ALL.values(), *_ON_ONE.values())}

    def is_main(self, request: Request) -> bool:
        """Tell whether a request has the credential the simulator was started with, which its orders take."""
        first = self.tenants.first
        return request.username in (first.sid, first.key_sid) and first.secret.matches(request.password)

    def authorize(self, operation: str, request: Request) -> Caller:
        """Return who asks. Raises `Refusal` unless the credential may do this."""
        caller = self.tenants.caller(request, self._store)
        permission = credentials.needed(operation)
        key = caller.key
        if not caller.may_manage_keys() and (key is None or permission not in (key.policy or ())):
            raise credentials.refusal(key.refusal if key else credentials.REFUSALS[0], permission)
        return caller

    def ask_other(self, request: Request) -> Reply | None:
        """Answer a call of another API, None if it is none that is known. Raises `Refusal`."""
        call = other_apis.find(request)
        if call is None and not request.path.endswith(other_apis.OLD_KEYS):
            return None
        caller = self.tenants.caller(request, self._store)
        if call is not None:
            return other_apis.answer(call, request, caller, self.tenants)
        account_sid = other_apis.account_of_old_keys(request, caller, self.tenants)
        return self._create_old(account_sid, request) if account_sid else None

    def _create_old(self, account_sid: str, request: Request) -> Reply:
        """Make a Standard key, whatever `KeyType` and `Policy` say: the old address ignores them (a published test)."""
        name, secret = rules.friendly_name(request), new_secret()
        key = self._store.add(account_sid, name, None, Hashed.of(secret))
        self._history.made(key, secret)
        return Reply(201, {**key_fields(key), "secret": secret})

    def add_credential(self, body: bytes) -> dict[str, object]:
        """Make the credential that `credentials.wanted` reads, as a key of the account; return its SID and secret.

        It counts neither as a request nor in the history. Raises `Refusal`.
        """
        wanted, secret = credentials.wanted(body), new_secret()
        key = self._store.add(
            self.tenants.first.sid,
            "a credential",
            wanted.policy,
            Hashed.of(secret),
            kind=credentials.MAIN if wanted.policy is None else "",
            refusal=wanted.refusal,
            grants_own_only=wanted.grants_own_only,
        )
        return {"sid": key.sid, "secret": secret}

    def add_account(self, body: bytes) -> dict[str, object]:
        """Open the account that a JSON object orders, below `parent` if it names one; return its credentials."""
        return self.tenants.add(_order(body, "parent", str))

    def scope_keys(self, body: bytes) -> None:
        """Let one key be fetched, changed and deleted from its own account alone (`own`), or from `any`.

        Which of the two Twilio does is not known: these calls name no account.
        """
        scope = _order(body, "keys", str)
        if scope not in ("own", "any"):
            raise Refusal(400, 20001, "not a scope")
        self._is_scoped = scope == "own"

    def age(self, body: bytes) -> None:
        """Make every key older by `seconds`."""
        try:
            seconds = float(json.loads(body)["seconds"])
        except (ValueError, KeyError, TypeError):
            raise Refusal(400, 20001, "not an age") from None
        self._store.age(seconds)

    def limit_keys(self, body: bytes) -> None:
        """Refuse new keys from now on while the account has `most`; `null` takes the limit off."""
        self._most_keys = _order(body, "most", int)

    def perform(self, operation: str, request: Request, caller: Caller, fault: Fault | None) -> Reply:
        """Do it and return the answer. Raises `Refusal`. `fault` may change the policy of a new key."""
        if operation == "create":
            return self._create(request, caller, fault)
        if operation == "list":
            return self._list(request, caller)
        key = self._key(request, caller)
        on_key: dict[str, Callable[[Request, Key], Reply]] = {
            "fetch": self._fetch,
            "update": self._update,
            "delete": self._delete,
        }
        return on_key[operation](request, key)

    def all_keys(self) -> list[dict[str, object]]:
        """Return every key with its expanded policy, for tests to look at."""
        return [
            {
                "sid": key.sid,
                "friendly_name": key.friendly_name,
                "policy": None if key.policy is None else list(key.policy),
                "account": key.account_sid,
            }
            for key in self._store.all()
        ]

    def clear_orders(self) -> None:
        """Fail and limit nothing from now on, and keep to the first rule of `scope_keys`."""
        self.faults.clear()
        self._most_keys = None
        self._is_scoped = True

    def delete_all(self) -> None:
        """Delete the keys of all accounts."""
        for key in self._store.all():
            self._store.remove(key.sid)

    def show_hidden(self) -> None:
        """List every key from now on, also those that were to be listed later."""
        with self._lock:
            self._hidden.clear()

    def remember(self) -> None:
        """Keep the account's keys as they are now for `recall`."""
        self._store.remember()

    def recall(self) -> None:
        """Have the keys of the last `remember` again, and no others."""
        self._store.recall()

    def change_key(self, body: bytes) -> None:
        """Read a JSON object with a key's `sid`, and change what no caller of Twilio's can.

        `age` (seconds) is how long ago it was made, `unlisted` (seconds) how long no listing has it, `beside` what its
        policy has besides `allow`, `flags` what listings say of it, and `standard` makes it a Standard key. Raises
        `Refusal`.
        """
        try:
            order: Mapping[str, Any] = json.loads(body)
            sid, age, unlisted = str(order["sid"]), order.get("age"), order.get("unlisted")
            if age is not None:
                self._store.backdate(sid, time.time() - float(age))
            if order.get("standard"):
                self._store.change(sid, policy=None)
            if "beside" in order:
                self._store.change(sid, beside=dict(order["beside"]))
            if "flags" in order:
                self._store.change(sid, listed_with={"flags": order["flags"]})
            if unlisted is not None:
                with self._lock:
                    self._hidden[sid] = time.monotonic() + float(unlisted)
        except (ValueError, KeyError, TypeError):
            raise Refusal(400, 20001, "not a change of a key") from None

    def truth(self) -> dict[str, object]:
        """Return what really happened so far, see `History.truth`. Nobody but a harness may know this much."""
        return self._history.truth(lambda sid: self._store.get(sid) is not None)

    def _create(self, request: Request, caller: Caller, fault: Fault | None) -> Reply:
        account_sid = rules.account_sid(request.form.get("AccountSid"))
        name, policy = rules.friendly_name(request), rules.policy_of_new_key(request)
        self.tenants.require_reach(caller, account_sid)
        self._require_grantable(caller, account_sid, policy)
        secret = new_secret()
        with self._lock:  # no listing sees a key before it is known to be hidden
            given, beside = (fault.alter(policy), fault.beside) if fault else (policy, {})
            key = self._store.add(account_sid, name, given, Hashed.of(secret), beside=beside)
            self._hidden[key.sid] = time.monotonic() + (fault.hidden_seconds if fault else 0)
        self._history.made(key, secret)
        content = {**key_fields(key), "secret": secret, "policy": policy_field(key)}
        return Reply(201, content)

    def _require_grantable(self, caller: Caller, account_sid: str, policy: tuple[str, ...] | None) -> None:
        """Raise `Refusal` where the account is full, or the credential may not make such a key."""
        keys = [key for key in self._store.all() if key.account_sid == account_sid]
        if self._most_keys is not None and len(keys) >= self._most_keys:
            raise credentials.too_many()
        key = caller.key
        if key and key.grants_own_only and (policy is None or set(policy) - set(key.policy or ())):
            raise credentials.greater_than_own()

    def _list(self, request: Request, caller: Caller) -> Reply:
        account_sid = rules.account_sid(request.query.get("AccountSid"))
        self.tenants.require_reach(caller, account_sid)
        with self._lock:
            now, keys = time.monotonic(), self._store.all()
            keys = [key for key in keys if key.account_sid == account_sid and self._hidden.get(key.sid, now) <= now]
        return Reply(200, listing.page(keys, request, KEYS))

    def _key(self, request: Request, caller: Caller) -> Key:
        """Return the key in the address. Raises `Refusal`; one of another account is not found, if keys are scoped."""
        sid = request.path.rpartition("/")[2]
        if not KEY_SID.fullmatch(sid):
            raise bad_sid()
        key = self._store.get(sid)
        if key is None or (self._is_scoped and not self.tenants.reaches(caller, key.account_sid)):
            raise not_found(f"/Keys/{sid}")
        return key

    def _fetch(self, request: Request, key: Key) -> Reply:
        return Reply(200, {**key_fields(key), "policy": policy_field(key)})

    def _update(self, request: Request, key: Key) -> Reply:
        changes: dict[str, object] = {}
        if "FriendlyName" in request.form:
            changes["friendly_name"] = rules.friendly_name(request)
        if "Policy" in request.form:
            if key.policy is None:
                raise Refusal(400, 70001, "The request has constraint violations")
            changes["policy"] = rules.policy(request.form["Policy"])
        changed = self._store.change(key.sid, **changes)
        if changed is None:
            raise not_found(f"/Keys/{key.sid}")
        return self._fetch(request, changed)

    def _delete(self, request: Request, key: Key) -> Reply:
        if not self._store.remove(key.sid):
            raise not_found(f"/Keys/{key.sid}")
        return Reply(204, None)


def _order(body: bytes, name: str, kind: type[Ordered]) -> Ordered | None:
    """Return one value of a JSON object that orders something; None for null. Raises `Refusal`."""
    try:
        value = json.loads(body)[name]
    except (ValueError, KeyError, TypeError):
        raise Refusal(400, 20001, f"an order without {name}") from None
    if not (value is None or isinstance(value, kind)):
        raise Refusal(400, 20001, f"not an order of {name}")
    return value
