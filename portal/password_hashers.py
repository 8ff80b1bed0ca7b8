"""How passwords are hashed: argon2id, at most two at a time in a process, and those of older portals still read.

A hash takes memory and a core, so that many tries at once would be a way to stop the portal. Each that is worked out,
wherever in the portal, passes one semaphore here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    PBKDF2PasswordHasher,
    get_hasher,
    get_hashers,
    identify_hasher,
)
from django.contrib.auth.models import User

from keys_app.core.errors import HashingBusy

AT_ONCE = 2
PATIENCE = 5.0
"""Seconds a try waits for its turn before it is refused."""

_places = BoundedSemaphore(AT_ONCE)


@contextmanager
def _in_turn() -> Iterator[None]:
    """Hold one of the places. Raises `HashingBusy` if none is free for so long."""
    if not _places.acquire(timeout=PATIENCE):
        raise HashingBusy("Too many people are signing in at this moment. Nothing was tried. Try again in a minute.")
    try:
        yield
    finally:
        _places.release()


class PortalArgon2Hasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two rounds and one lane, as OWASP's cheat sheet has it; Django's own takes 100 MiB."""

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _in_turn():
            return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        with _in_turn():
            return bool(super().verify(password, encoded))


class OlderHasher(PBKDF2PasswordHasher):
    """Reads what portals before 0.9.4 wrote; the next sign-in makes it the other. Verifying encodes here."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with _in_turn():
            return str(super().encode(password, salt, iterations))


def even_out(password: str, tried: str) -> None:
    """Take as long for a password that did not fit as for any other: `tried` is the hash it was compared with.

    Without one, as for an unknown name, the preferred kind of hash was worked out. As long as any user has one of
    another kind, each try works out both, so that its time doesn't tell which this name has.
    """
    preferred = get_hasher()
    try:
        worked_out = identify_hasher(tried).algorithm if tried else preferred.algorithm
    except ValueError:  # no usable password
        worked_out = preferred.algorithm
    for hasher in get_hashers():
        if hasher.algorithm == worked_out:
            continue
        if hasher.algorithm == preferred.algorithm or _someone_has(str(hasher.algorithm)):
            hasher.encode(password, hasher.salt())


def _someone_has(algorithm: str) -> bool:
    return User.objects.filter(password__startswith=f"{algorithm}$").exists()
