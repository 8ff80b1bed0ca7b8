"""Signed notes and checkpoints as C2SP publishes them, with Ed25519 keys: plain functions.

A note is text, an empty line, and a line for each signature: “— NAME BASE64”, where the base64 holds the four
bytes of the key's id and the signature. A checkpoint is a note whose text is the log's name (“origin”), the
number of its leaves, and the base64 of their RFC 6962 root, a line each.
(c2sp.org/signed-note, c2sp.org/tlog-checkpoint)
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
_NAME = re.compile(r"[^\s+\x00-\x1f]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
MAX_SIGNATURES = 16


class BadNote(ValueError):
    """Not a note, no checkpoint, or not signed by a known key. The message says which."""


class BadKey(ValueError):
    """Not a key. The message says why."""


def decode(text: str) -> bytes:
    """Return the bytes of standard base64. Raises `BadNote` for anything else, other spellings included."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise BadNote("this is not base64") from None
    if encode(data) != text:
        raise BadNote("this is not the usual base64")
    return data


def encode(data: bytes) -> str:
    """Return standard base64."""
    return base64.b64encode(data).decode()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a signing key and the name it signs under."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME+ID+BASE64`. Raises `BadKey`."""
        name, _, rest = text.strip().partition("+")
        key_id, _, data = rest.partition("+")
        try:
            raw = decode(data)
        except BadNote:
            raw = b""
        if not _NAME.fullmatch(name) or raw[:1] != ED25519 or len(raw) != 33:
            raise BadKey("a verifier key has the form NAME+ID+BASE64 and holds an Ed25519 key")
        key = cls(name, raw[1:])
        if key.key_id.hex() != key_id:
            raise BadKey("a verifier key's middle part does not belong to the rest of it")
        return key

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode(ED25519 + self.public)}"

    def verify(self, signature: bytes, text: str) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class SignerKey:
    """A signing key and the name it signs under."""

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the 32 bytes an Ed25519 private key consists of. Raises `BadKey`."""
        if not _NAME.fullmatch(name):
            raise BadKey("a key's name has no spaces and no plus sign")
        if len(seed) != 32:
            raise BadKey("a signing key is the base64 of 32 random bytes")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, self._private.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, name: str, text: str) -> Self:
        """Read the base64 of 32 random bytes. Raises `BadKey`."""
        try:
            return cls(name, decode(text.strip()))
        except BadNote:
            raise BadKey("a signing key is the base64 of 32 random bytes") from None

    def sign(self, text: str) -> str:
        """Return the text, which ends in a line break, as a signed note."""
        if not text.endswith("\n"):
            raise ValueError("the text of a note ends in a line break")
        signature = self.verifier.key_id + self._private.sign(text.encode())
        return f"{text}\n\N{EM DASH} {self.verifier.name} {encode(signature)}\n"


def open_note(note: str, keys: Iterable[VerifierKey]) -> tuple[str, VerifierKey]:
    """Return the text of a note and the first known key that signed it. Raises `BadNote`."""
    known = {(key.name, key.key_id): key for key in keys}
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", note):
        raise BadNote("this is not a signed note")
    text += "\n"
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise BadNote("this note has too many signatures")
    signed_by = None
    for line in lines:
        name, key_id, signature = _signature(line)
        if key := known.get((name, key_id)):
            if not key.verify(signature, text):
                raise BadNote(f"the signature of {name} does not belong to this text")
            signed_by = signed_by or key
    if signed_by is None:
        signers = " and ".join(f"{name}+{key_id.hex()}" for name, key_id, _ in map(_signature, lines))
        raise BadNote(f"no key that is known signed this; it names {signers}")
    return text, signed_by


def _signature(line: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\N{EM DASH}" or not _NAME.fullmatch(parts[1]):
        raise BadNote("a signature line of this note cannot be read")
    data = decode(parts[2])
    return parts[1], data[:4], data[4:]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says: the log's name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a checkpoint's text. Raises `BadNote`. Lines after the third are of no concern here."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]) or lines[-1] or "" in lines[3:-1]:
            raise BadNote("this is not a checkpoint")
        root = decode(lines[2])
        if len(root) != 32:
            raise BadNote("the root of this checkpoint is not a SHA-256 hash")
        return cls(lines[0], int(lines[1]), root)

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"


def open_checkpoint(note: str, keys: Iterable[VerifierKey]) -> tuple[Checkpoint, VerifierKey]:
    """Return what a signed checkpoint says and the key that signed it. Raises `BadNote`.

    The key has to bear the log's name: a key of this portal signs other notes, under other names, too.
    """
    text, key = open_note(note, keys)
    checkpoint = Checkpoint.parse(text)
    if checkpoint.origin != key.name:
        raise BadNote(f"the key {key.name} does not sign checkpoints of {checkpoint.origin}")
    return checkpoint, key
