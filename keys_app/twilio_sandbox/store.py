"""The simulator's keys, in memory and, if asked, in one file."""

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Hashed:
    """A salted SHA-256 of a secret; the secret itself is kept nowhere. Enough for 32 random characters."""

    salt: str
    digest: str

    @classmethod
    def of(cls, secret: str) -> "Hashed":
        salt = secrets.token_hex(16)
        return cls(salt, _digest(salt, secret))

    def matches(self, secret: str) -> bool:
        return hmac.compare_digest(self.digest, _digest(self.salt, secret))


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `policy` is sorted and explicit, or None for a Standard or Main key; times are Unix seconds.

    `kind`, `refusal` and `grants_own_only` are those of a credential that was ordered, see `credentials.wanted`;
    `beside` is what its policy has besides `allow`, `listed_with` what a listing says of it otherwise than it would.
    """

    sid: str
    account_sid: str
    friendly_name: str | None
    policy: tuple[str, ...] | None
    created: float
    updated: float
    number: int
    secret: Hashed
    kind: str = ""
    refusal: str = "authenticate"
    grants_own_only: bool = False
    beside: Mapping[str, object] = field(default_factory=dict)
    listed_with: Mapping[str, object] = field(default_factory=dict)

    @property
    def place(self) -> tuple[float, int]:
        """Where the key stands in a listing, which is sorted by date updated (Twilio's documentation)."""
        return self.updated, self.number


class Store:
    """All keys by SID. Every change is on the disk before the method returns, if there is a file."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}
        if file is not None and file.exists():
            self._keys = _load(file)
        self._remembered = self._keys
        self._next = max((key.number for key in self._keys.values()), default=0) + 1

    def all(self) -> list[Key]:
        """Return every key, the least recently updated first."""
        with self._lock:
            return sorted(self._keys.values(), key=lambda key: key.place)

    def get(self, sid: str) -> Key | None:
        with self._lock:
            return self._keys.get(sid)

    def add(
        self,
        account_sid: str,
        friendly_name: str | None,
        policy: tuple[str, ...] | None,
        secret: Hashed,
        **more: Any,
    ) -> Key:
        now = time.time()
        with self._lock:
            sid = "SK" + secrets.token_hex(16)
            key = Key(sid, account_sid, friendly_name, policy, now, now, self._next, secret, **more)
            self._next += 1
            self._put({**self._keys, sid: key})
        return key

    def change(self, sid: str, **changes: Any) -> Key | None:
        """Replace the given fields of a key and return it, or None if it is gone."""
        with self._lock:
            if sid not in self._keys:
                return None
            key = replace(self._keys[sid], updated=time.time(), **changes)
            self._put({**self._keys, sid: key})
        return key

    def age(self, seconds: float) -> None:
        """Make every key older, as if it had been made and changed that much earlier."""
        with self._lock:
            older = (
                replace(key, created=key.created - seconds, updated=key.updated - seconds)
                for key in self._keys.values()
            )
            self._put({key.sid: key for key in older})

    def backdate(self, sid: str, created: float) -> None:
        """Let a key have been made, and last changed, at another moment. Raises `KeyError` if it is gone."""
        with self._lock:
            self._put({**self._keys, sid: replace(self._keys[sid], created=created, updated=created)})

    def remember(self) -> None:
        """Keep the keys as they are now, in memory, for `recall`."""
        with self._lock:
            self._remembered = self._keys

    def recall(self) -> None:
        """Have the keys of the last `remember` again, and no others."""
        with self._lock:
            self._put(self._remembered)

    def remove(self, sid: str) -> bool:
        """Return whether there was such a key."""
        with self._lock:
            if sid not in self._keys:
                return False
            self._put({other: key for other, key in self._keys.items() if other != sid})
        return True

    def _put(self, keys: dict[str, Key]) -> None:
        if self._file is not None:
            _save(self._file, keys)
        self._keys = keys


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(f"{salt}:{secret}".encode()).hexdigest()


def _load(file: Path) -> dict[str, Key]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["keys"]
        return {row["sid"]: _key(row) for row in rows}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file} is not the state of a simulator") from None


def _key(row: dict[str, Any]) -> Key:
    policy = None if row["policy"] is None else tuple(row["policy"])
    return Key(**{**row, "policy": policy, "secret": Hashed(**row["secret"])})


def _save(file: Path, keys: dict[str, Key]) -> None:
    """Write beside the file, then rename: a process killed at any moment leaves the old or the new state."""
    beside = file.with_name(f".{file.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        json.dump({"keys": [asdict(key) for key in keys.values()]}, target)
        target.flush()
        os.fsync(target.fileno())
    beside.replace(file)
