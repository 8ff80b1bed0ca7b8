"""What the simulator has really done since it started, for a harness that compares it with the portal's records."""

import hashlib
import threading
from collections.abc import Callable

from .store import Key


class History:
    """Every key that was asked for or made, deleted ones included. In memory only, and without a secret."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[str | None] = []
        self._made: list[tuple[Key, str]] = []

    def asked(self, friendly_name: str | None) -> None:
        """Note a request to make a key, whatever becomes of it."""
        with self._lock:
            self._asked.append(friendly_name)

    def made(self, key: Key, secret: str) -> None:
        """Note a new key and which secret it got, as a SHA-256: 32 random characters cannot be guessed from it."""
        with self._lock:
            self._made.append((key, hashlib.sha256(secret.encode()).hexdigest()))

    def truth(self, exists: Callable[[str], bool]) -> dict[str, object]:
        """Return `asked`, the names in order, and `keys`: SID, name, policy as made, digest, and whether it exists."""
        with self._lock:
            asked, made = list(self._asked), list(self._made)
        keys = [
            {
                "sid": key.sid,
                "friendly_name": key.friendly_name,
                "policy": None if key.policy is None else list(key.policy),
                "secret_sha256": digest,
                "exists": exists(key.sid),
            }
            for key, digest in made
        ]
        return {"asked": asked, "keys": keys}
