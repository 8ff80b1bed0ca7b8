"""Says of a secret that is set why anyone could guess it, and of a file that holds one who else can read it."""

import os
import re
import stat
from itertools import pairwise
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_PUBLISHED = {
    "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",  # the Fernet specification's
    "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",  # RFC 8032's, as the base64 of 32 bytes
    "TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs=",
    "xaqN9D+fg3vtt0QvMdy3sWbThTUHbwlLhc46LgtEWPc=",
}
_TO_BE_REPLACED = re.compile(r"change.?me|change.?this|replace.?me|insecure|placeholder|example|^<.*>$", re.IGNORECASE)
_MANY, _SHARE = 10, 0.3
"""A random secret has this many different characters, or this share of its length: 20 hex digits have over 6."""
_CONTAINERS = Path("/run/secrets"), Path("/var/run/secrets")


def why_weak(secret: str | bytes) -> str:
    """Return why a secret is no random one, as the end of a sentence; empty if nothing shows that."""
    data = secret.encode() if isinstance(secret, str) else secret
    if isinstance(secret, str) and secret in _PUBLISHED:
        return "is published in a specification"
    if isinstance(secret, str) and _TO_BE_REPLACED.search(secret):
        return "is an example that was to be replaced"
    if not any(data):
        return "is all zeros"
    if any(data[step:] == data[:-step] for step in range(1, len(data) // 2 + 1)):
        return "repeats itself"
    if len({(after - before) % 256 for before, after in pairwise(data)}) == 1:
        return "counts up or down"
    if len(set(data)) < min(_MANY, len(data) * _SHARE):
        return "has too few different characters"
    return ""


def require_random(name: str, secret: str | bytes, how: str) -> None:
    """Refuse a secret that shows that it is no random one; `how` says how to make one. It is never repeated."""
    if why := why_weak(secret):
        raise ImproperlyConfigured(f"{name} {why}, so others can guess it. {how}")


def who_else_reads(path: Path) -> str:
    """Return who besides its owner can read a file, as its mode and those of the directories above it say.

    Empty if no one can, also where it stands in a directory that no one else can enter; where it is another's, and the
    portal's user reads it through their group; and where a container's runtime has put it: under `/run/secrets`, or on
    a file system that is mounted read-only, as Kubernetes and systemd do. No other user's processes live in there, and
    its mode, often 0444, is not for the operator to choose. Raises `OSError` if there is no such file.
    """
    real = path.resolve(strict=True)
    found = real.stat()
    if os.statvfs(real).f_flag & os.ST_RDONLY or any(real.is_relative_to(place) for place in _CONTAINERS):
        return ""
    others, group = found.st_mode & stat.S_IROTH, found.st_mode & stat.S_IRGRP and not _is_given(found)
    for folder in real.parents:
        at = folder.stat()
        enters = at.st_mode & stat.S_IXGRP and not _is_given(at)
        if not (at.st_mode & stat.S_IXOTH or enters):
            return ""
    return "everyone on this machine" if others else "its group" if group else ""


def _is_given(found: os.stat_result) -> bool:
    """Tell whether a file or directory is another user's, who lets the portal's user in through a group of theirs."""
    return found.st_uid != os.geteuid() and found.st_gid in {os.getegid(), *os.getgroups()}
