"""The operations of the stand-in on its keys."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from keys_app.twilio_iam.types import KEY_SID

from . import credentials, listing, rules
from .faults import Fault, Faults
from .history import History
from .messages import ALLOW_ORIGIN, Refusal, Reply, Request, bad_sid, key_fields, not_found, policy_field, unauthorized
from .secrets62 import new_secret
from .store import Hashed, Key, Store

KEYS = "/v1/Keys"
_ON_ONE = {"GET": "fetch", "POST": "update", "DELETE": "delete"}
_ON_ALL = {"GET": "list", "POST": "create"}


class Api:
    """Answers requests for one account.

    The main credential may do everything, as may a Main key ordered with `add_credential`; a restricted key made here
    may do what its policy says; a Standard key may not manage keys (Twilio's documentation for all of them).
    """

    def __init__(self, store: Store, account_sid: str, key_sid: str, secret: Hashed) -> None:
        self.faults = Faults()
        self._history = History()
        self._hidden: dict[str, float] = {}
        self._store = store
        self._account_sid = account_sid
        self._usernames = {account_sid, key_sid}
        self._secret = secret
        self._counts: Counter[str] = Counter()
        self._most_keys: int | None = None
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
        return request.username in self._usernames and self._secret.matches(request.password)

    def authorize(self, operation: str, request: Request) -> None:
        """Raise `Refusal` unless the credential may do this."""
        if self.is_main(request):
            return
        key = self._store.get(request.username)
        if key is None or not key.secret.matches(request.password):
            raise unauthorized()
        permission = credentials.needed(operation)
        if key.kind != credentials.MAIN and permission not in (key.policy or ()):
            raise credentials.refusal(key.refusal, permission)

    def add_credential(self, body: bytes) -> dict[str, object]:
        """Make the credential that `credentials.wanted` reads, as a key of the account; return its SID and secret.

        It counts neither as a request nor in the history. Raises `Refusal`.
        """
        wanted, secret = credentials.wanted(body), new_secret()
        key = self._store.add(
            self._account_sid,
            "a credential",
            wanted.policy,
            Hashed.of(secret),
            kind=credentials.MAIN if wanted.policy is None else "",
            refusal=wanted.refusal,
            grants_own_only=wanted.grants_own_only,
        )
        return {"sid": key.sid, "secret": secret}

    def age(self, body: bytes) -> None:
        """Make every key older by `seconds`."""
        try:
            seconds = float(json.loads(body)["seconds"])
        except (ValueError, KeyError, TypeError):
            raise Refusal(400, 20001, "not an age") from None
        self._store.age(seconds)

    def limit_keys(self, body: bytes) -> None:
        """Refuse new keys from now on while the account has `most`; `null` takes the limit off."""
        try:
            order: Mapping[str, object] = json.loads(body)
            most = order["most"]
            if not (most is None or isinstance(most, int)):
                raise ValueError("unknown")
        except (ValueError, KeyError, TypeError):
            raise Refusal(400, 20001, "not a limit") from None
        self._most_keys = most

    def perform(self, operation: str, request: Request, fault: Fault | None) -> Reply:
        """Do it and return the answer. Raises `Refusal`. `fault` may change the policy of a new key."""
        if operation == "create":
            return self._create(request, fault)
        if operation == "list":
            return self._list(request)
        key = self._key(request)
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
        """Fail and limit nothing from now on."""
        self.faults.clear()
        self._most_keys = None

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

    def _create(self, request: Request, fault: Fault | None) -> Reply:
        account_sid = rules.account_sid(request.form.get("AccountSid"))
        name, policy = rules.friendly_name(request), rules.policy_of_new_key(request)
        if account_sid != self._account_sid:
            raise not_found(f"/Accounts/{account_sid}")
        self._require_grantable(request, policy)
        secret = new_secret()
        with self._lock:  # no listing sees a key before it is known to be hidden
            given, beside = (fault.alter(policy), fault.beside) if fault else (policy, {})
            key = self._store.add(account_sid, name, given, Hashed.of(secret), beside=beside)
            self._hidden[key.sid] = time.monotonic() + (fault.hidden_seconds if fault else 0)
        self._history.made(key, secret)
        content = {**key_fields(key), "secret": secret, "policy": policy_field(key)}
        return Reply(201, content, ALLOW_ORIGIN)

    def _require_grantable(self, request: Request, policy: tuple[str, ...] | None) -> None:
        """Raise `Refusal` where the account is full, or the credential may not make such a key."""
        if self._most_keys is not None and len(self._store.all()) >= self._most_keys:
            raise credentials.too_many()
        key = None if self.is_main(request) else self._store.get(request.username)
        if key and key.grants_own_only and (policy is None or set(policy) - set(key.policy or ())):
            raise credentials.greater_than_own()

    def _list(self, request: Request) -> Reply:
        account_sid = rules.account_sid(request.query.get("AccountSid"))
        if account_sid != self._account_sid:
            raise not_found(f"/Accounts/{account_sid}")
        with self._lock:
            now, keys = time.monotonic(), self._store.all()
            keys = [key for key in keys if key.account_sid == account_sid and self._hidden.get(key.sid, now) <= now]
        return Reply(200, listing.page(keys, request, KEYS))

    def _key(self, request: Request) -> Key:
        sid = request.path.rpartition("/")[2]
        if not KEY_SID.fullmatch(sid):
            raise bad_sid()
        key = self._store.get(sid)
        if key is None or key.account_sid != self._account_sid:
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
