"""A value that may be shown once and must never be printed by accident."""

import hmac
import threading
import weakref
from typing import NoReturn

MASK = "[secret]"
SHORTEST_MASKED = 6
"""Characters. Nothing Twilio issues is shorter, and masking a shorter one would blank out ordinary words."""

_live: "weakref.WeakSet[Secret]" = weakref.WeakSet()
_live_changes = threading.RLock()  # a log line is written in one thread while another gets a key


class Secret:
    """Holds a credential as text; only `reveal()` gives it back.

    `repr`, `str`, formatting and logging show a mask. Pickling, copying and
    JSON refuse, so that a secret cannot slip into a session, a cache or a task.
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        if not value:
            raise ValueError("a secret cannot be empty")
        self._value = value
        with _live_changes:
            _live.add(self)

    def reveal(self) -> str:
        """Return the secret itself. Each caller is a place a secret can leak from."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return id(self)

    def _refuse(self, *args: object) -> NoReturn:
        raise TypeError("a Secret cannot be copied or serialised")

    __reduce__ = __reduce_ex__ = __getstate__ = __copy__ = __deepcopy__ = _refuse


def mask_live_secrets(text: str) -> str:
    """Return `text` with every secret that is alive in this process replaced by a mask.

    The last net under logging: it knows the exact values, so it does not have to guess a pattern.
    """
    with _live_changes:
        values = [secret._value for secret in _live if len(secret._value) >= SHORTEST_MASKED]
    for value in sorted(values, key=len, reverse=True):  # one secret may be the beginning of another
        text = text.replace(value, MASK)
    return text
