"""What makes this portal this one: an identity in its database, which shows whose a marker is."""

import secrets
from functools import lru_cache

from .models import Installation


@lru_cache(maxsize=1)
def identity_on(incarnation: str) -> bytes:  # noqa: ARG001 it is what the cache goes by
    """Return the same, read once for each incarnation of the database: where another one is in place, it is another."""
    return identity()


def identity() -> bytes:
    """Return the installation's identity, 32 bytes, made when it is first asked for."""
    found = Installation.objects.filter(pk=1).values_list("identity", flat=True).first()
    if found is None:
        found = Installation.objects.get_or_create(pk=1, defaults={"identity": secrets.token_hex(32)})[0].identity
    return bytes.fromhex(found)
