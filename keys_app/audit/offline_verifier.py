#!/usr/bin/env python3
"""Checks a JSON Lines export of the key portal's audit ledger, without the portal.

    python3 verifier.py EXPORT.jsonl --key 'portal.example/audit+1a2b3c4d+A...' [--checkpoint FILE]...

It needs Python 3.11 or later and the package `cryptography`, and imports nothing of the portal. The key is the
portal's verifier key (`manage.py audit_checkpoint --verifier-key`), which you got when you trusted the portal;
give old ones as well if the key was changed. Each `--checkpoint` is a checkpoint you kept: the export has to
extend it. Exit status: 0 if everything holds, 1 if something does not, 2 if it cannot be checked.

An export may be compressed with gzip, be UTF-16, or have a byte order mark, other line ends or blank last lines, as
editors and shells save it: the text is checked. A file that is damaged, is no such text, or has numbers or nesting that
the portal does not write cannot be checked. A name in a line that the portal does not write is refused: nothing that is
signed speaks for it.

After a loss the ledger is taken up again as another part, NAME/2, with a key of that name: give both
(`audit_checkpoint --verifier-key --all`) once you know what happened. Each seam is named with what was lost there:
signed checkpoints that the ledger does not extend. One of those that you kept is named too; any other has to fit.

The formats: RFC 8785 (the bytes of an event), RFC 6962 (the tree), c2sp.org/signed-note and tlog-checkpoint.
"""

import argparse
import base64
import codecs
import gzip
import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    sys.exit("This needs the package cryptography: python3 -m pip install cryptography")

MAX_LINE = 64 * 1024 * 1024
BLANK = b"\r\n"
RECOVERED = "audit.recovered"
Key = tuple[str, bytes]
"""A key's name and its 32 public bytes."""


class Wrong(Exception):
    """Something does not hold. The message says what and where."""


class Unusable(Exception):
    """Something that was given cannot be used."""


# RFC 8785: the one way to write a JSON value.


def canonical(value: Any) -> str:
    """Return a value from `json.loads` as RFC 8785 writes it. Raises `ValueError` for what it cannot write."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float) or (type(value) is int and abs(value) >= 2**53):
        return _number(float(value))
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """Write a number as ECMAScript does, from the shortest digits that mean it."""
    if not math.isfinite(value):
        raise ValueError("not a JSON number")
    if value == 0:
        return "0"
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    sign, count = "-" if value < 0 else "", len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"


def _hashed(event: Any) -> bytes:
    """Return the bytes of an event that are hashed. Raises `Unusable` if RFC 8785 has no way to write it."""
    try:
        return canonical(event).encode()
    except (ArithmeticError, ValueError, RecursionError) as error:
        raise Unusable(f"it can't be written as it was hashed: {error}") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Wrong("a name is used twice in one object")
    return found


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def parse(line: bytes) -> Any:
    """Return the JSON value of a line. Raises `Wrong` if it is none, `Unusable` if no one can tell."""
    try:
        return json.loads(line.decode(), object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except RecursionError:
        raise Unusable("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Wrong(f"it is not JSON: {error}") from None
    except ValueError as error:
        raise Unusable(f"it is no text that can be read: {error}") from None


def _only(value: dict[str, Any], names: str, where: str) -> None:
    """Raise `Wrong` if an object has another name than these."""
    if foreign := sorted(value.keys() - {*names.split()}):
        raise Wrong(f"{where} has what the portal does not write: {', '.join(map(repr, foreign))[:200]}")


# Files, as people and their programs keep them.


def _encoding(start: bytes) -> tuple[str, int]:
    """Return how a file that begins so is encoded, and how long its byte order mark is."""
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8", 3
    for name, mark in (("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE)):
        if start.startswith(mark) or start[:2] == "{".encode(name):
            return name, len(mark) * start.startswith(mark)
    return "utf-8", 0


def open_export(path: Path) -> BinaryIO:
    """Open an export, its text as UTF-8 from where the file stands. Raises `Unusable` for a damaged one."""
    file: BinaryIO = path.open("rb")
    try:
        if file.read(2) == b"\x1f\x8b":
            file.seek(0)
            with gzip.open(file) as packed:
                file = _copied(packed)
        file.seek(0)
        encoding, mark = _encoding(file.read(4))
        file.seek(mark)
        if encoding != "utf-8":
            file = _copied(codecs.EncodedFile(file, "utf-8", encoding))
            file.seek(0)
    except (EOFError, UnicodeError, zlib.error, gzip.BadGzipFile) as error:
        raise Unusable(f"{path} is cut off or damaged: {error}") from None
    return file


def _copied(source: Any) -> BinaryIO:
    """Return a temporary file with what another gives: an export is read from both ends."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 its reader closes it
    shutil.copyfileobj(source, copy)
    return copy


def _read_text(path: Path) -> str:
    data = path.read_bytes()
    encoding, mark = _encoding(data[:4])
    return data[mark:].decode(encoding).replace("\r\n", "\n")


# RFC 6962: the tree.


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree, as its complete subtrees from left to right."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        rest = self.size
        while rest & 1:
            leaf = _node(self._parts.pop(), leaf)
            rest >>= 1
        self._parts.append(leaf)
        self.size += 1

    @property
    def root(self) -> bytes:
        if not self._parts:
            return hashlib.sha256(b"").digest()
        result = self._parts[-1]
        for left in self._parts[-2::-1]:
            result = _node(left, result)
        return result


def included(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Tell whether the proof shows this leaf at this place of the tree with this root."""
    place, last, result = index, size - 1, leaf
    for sibling in proof:
        if last <= 0:
            return False
        if place & 1 or place == last:
            result = _node(sibling, result)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            result = _node(result, sibling)
        place, last = place >> 1, last >> 1
    return 0 <= index < size and last == 0 and result == root


def extends(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> bool:
    """Tell whether the proof shows the tree of `old` leaves to be the beginning of the one of `new` leaves."""
    if old in (new, 0):
        return not proof and old_root == (new_root if old == new else hashlib.sha256(b"").digest())
    path = [old_root, *proof] if old & (old - 1) == 0 else proof
    if not path or old > new:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = _node(sibling, first), _node(sibling, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = _node(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


# Signed notes and checkpoints.


def _base64(text: Any) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        raise ValueError("something is not base64") from None
    return data


def _key_id(key: Key) -> bytes:
    return hashlib.sha256(key[0].encode() + b"\n\x01" + key[1]).digest()[:4]


def read_key(text: str) -> Key:
    """Read a verifier key, NAME+ID+BASE64, or the file that holds one."""
    if text.count("+") < 2 and os.path.exists(text):  # noqa: PTH110 a key may be too long for a path, which `Path` minds
        text = _read_text(Path(text))
    name, _, rest = text.strip().partition("+")
    key_id, _, data = rest.partition("+")
    try:
        raw = _base64(data)
    except ValueError:
        raw = b""
    key = (name, raw[1:])
    if raw[:1] != b"\x01" or len(raw) != 33 or _key_id(key).hex() != key_id:
        raise Unusable(f"“{text.strip()}” is no verifier key: NAME+ID+BASE64")
    return key


def open_note(note: str, keys: list[Key], suffix: str = "") -> tuple[str, str]:
    """Return the text of a note and the name it is signed with, which ends in `suffix`. Raises `Wrong`."""
    text, separator, signatures = note.rpartition("\n\n")
    for line in signatures.splitlines() if separator else []:
        parts = line.split(" ")
        for name, public in keys:
            if len(parts) != 3 or parts[:2] != ["\N{EM DASH}", name + suffix]:
                continue
            raw = _base64(parts[2])
            if raw[:4] == _key_id((name + suffix, public)):
                try:
                    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], (text + "\n").encode())
                except InvalidSignature:
                    raise Wrong("a signature does not belong to what it stands under") from None
                return text + "\n", name
    names = " and ".join(line.split(" ")[1] for line in signatures.splitlines() if line.count(" ") == 2)
    raise Wrong(f"it is not signed with the key that was given{names and f', but as {names}'}")


def open_checkpoint(note: str, keys: list[Key]) -> tuple[int, bytes]:
    """Return a checkpoint's size and root. Raises `Wrong`."""
    text, name = open_note(note, keys)
    lines = text.split("\n")
    root = _base64(lines[2]) if len(lines) > 3 else b""
    if lines[0] != name or not lines[1].isdecimal() or len(root) != 32:
        raise Wrong("it is not a checkpoint of the log the key belongs to")
    return int(lines[1]), root


# The export.


class Export:
    """One export: `header`, `end` (the checkpoint's line), and the events in between."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.header = self._object(file.readline(MAX_LINE), "the first line", "header", "header")["header"]
        self._end_at, last = self._last_line()
        self.end = self._object(last, "the last line", "checkpoint", "checkpoint list earlier seams")
        self.recovered: list[int] = []
        """The indexes of the events so far that a part of the ledger begins with."""
        if not isinstance(self.header, dict):
            raise Wrong("the first line is not the header: the beginning of the export is missing")
        self._names = "event index" if self.header.get("filtered") is False else "event index proof"

    def _object(self, line: bytes, where: str, name: str, names: str) -> dict[str, Any]:
        try:
            value = parse(line)
        except (Wrong, Unusable) as error:
            raise type(error)(f"{where} is not the {name}: {error}") from None
        if not isinstance(value, dict) or name not in value or "event" in value:
            raise Wrong(f"{where} is not the {name}: a part of the export is missing")
        _only(value, names, where)
        return value

    def _last_line(self) -> tuple[int, bytes]:
        """Find the last line from the end of the file, past blank ones."""
        first = self._file.tell()
        end, tail = self._file.seek(0, os.SEEK_END), b""
        while end > first and b"\n" not in tail.rstrip(BLANK) and len(tail) < MAX_LINE:
            step = min(65536, end - first)
            end = self._file.seek(end - step)
            tail = self._file.read(step) + tail
        last = tail.rstrip(BLANK)
        start = last.rfind(b"\n") + 1
        self._file.seek(first)
        if b"\n" not in tail[len(last) :]:
            raise Wrong("the last line is not complete: the end of the export is missing")
        return end + start, last[start:]

    def events(self) -> Iterator[tuple[int, int, bytes, list[bytes]]]:
        """Yield line number, index, leaf hash and proof of each event. Raises `Wrong`."""
        number = 1
        while self._file.tell() < self._end_at:
            number += 1
            line = self._file.readline(MAX_LINE)
            try:
                value = parse(line)
                _only(value, self._names, f"line {number}")
                index, event = value["index"], value["event"]
                proof = [_base64(text) for text in value.get("proof", [])]
                data = _hashed(event)
                sequence = event["sequence"]
            except Unusable as error:
                raise Unusable(f"line {number} can't be read: {error}") from None
            except (Wrong, ValueError, KeyError, TypeError, AttributeError) as error:
                raise Wrong(f"line {number} is not an event: {error}") from None
            if event.get("action") == RECOVERED:
                self.recovered.append(index)
            if type(index) is not int or sequence != index + 1:
                raise Wrong(f"line {number}: the event says it is number {sequence}, its place says {index}")
            yield number, index, hashlib.sha256(b"\x00" + data).digest(), proof


class Seams:
    """Where the ledger was taken up again after a loss, as the export's last line says. Raises `Wrong`."""

    def __init__(self, export: Export) -> None:
        self.part, self.indexes, self.abandoned = 1, list[int](), dict[str, int]()
        self.lines: list[str] = []
        self._given = export.end.get("seams", [])
        for one in self._given:
            _only(one, "event index proof", "a seam in the last line")
            event, said = one["event"], one["event"]["details"]
            if event["action"] != RECOVERED or event["sequence"] != one["index"] + 1 or said["before"] != self.part:
                raise Wrong(f"event {event['sequence']} is not where part {self.part} of the ledger ends")
            if said["part"] <= self.part:
                raise Wrong(f"event {event['sequence']} begins part {said['part']} after part {self.part}")
            self.part = said["part"]
            self.indexes.append(one["index"])
            self.abandoned |= {_text_of(note["note"]): event["sequence"] for note in said["abandoned"]}
            sizes = ", ".join(str(note["size"]) for note in said["abandoned"])
            self.lines.append(
                f"SEAM: part {self.part} begins with event {event['sequence']}, by {event['actor_name']} at "
                f"{event['time']}. Signed checkpoints that it abandoned: of {sizes} events. Reason: {event['reason']}"
            )
        if (wanted := export.header.get("part", 1)) != self.part:
            raise Wrong(f"the export is of part {wanted} of the ledger and shows where part {self.part} begins")

    def check(self, size: int, root: bytes, met: list[int], *, all_met: bool) -> None:
        """Check that the seams are in the ledger, and that each one among the events, `met`, is among them."""
        for one in self._given:
            leaf = hashlib.sha256(b"\x00" + canonical(one["event"]).encode()).digest()
            if not included(leaf, one["index"], size, [_base64(text) for text in one["proof"]], root):
                raise Wrong(f"the seam at event {one['index'] + 1} is not in the ledger the checkpoint is of")
        unnamed = {*met} ^ {*self.indexes} if all_met else {*met} - {*self.indexes}
        if unnamed:
            raise Wrong(f"event {min(unnamed) + 1} begins a part of the ledger, and not all of the export says so")


def _text_of(note: str) -> str:
    return note.rpartition("\n\n")[0]


class Check:
    """One export held against its checkpoint, its signed list, and the checkpoints that were kept."""

    def __init__(self, file: BinaryIO, keys: list[Key], kept: list[tuple[str, str]]) -> None:
        """`kept` is the name and text of checkpoints from elsewhere. Raises `Wrong`."""
        self.keys, self.export = keys, Export(file)
        self.filtered = self.export.header.get("filtered") is not False
        self.size, self.root = self._opened("the export's checkpoint", str(self.export.end["checkpoint"]))
        self.seams = Seams(self.export)
        self._check_part(str(self.export.end["checkpoint"]))
        opened = {name: (self._opened(name, note), self.seams.abandoned.get(_text_of(note))) for name, note in kept}
        self.kept = {name: found for name, (found, seam) in opened.items() if seam is None}
        self.lost = {name: (found[0], seam) for name, (found, seam) in opened.items() if seam is not None}
        self._tree, self._roots = Tree(), {0: Tree().root}
        self._sizes = {size for size, _ in self.kept.values()}
        self._digest = hashlib.sha256(hashlib.sha256(canonical(self.export.header).encode()).digest())

    def _opened(self, name: str, note: str) -> tuple[int, bytes]:
        try:
            return open_checkpoint(note, self.keys)
        except Wrong as error:
            raise Wrong(f"{name}: {error}") from None

    def _check_part(self, note: str) -> None:
        """Check that the checkpoint has the name of the part that the export is of."""
        name = note.split("\n", 1)[0]
        if self.seams.part > 1 and not name.endswith(f"/{self.seams.part}"):
            raise Wrong(f"the export's checkpoint is one of {name}, and the ledger is in part {self.seams.part}")

    def run(self) -> str:
        """Return what holds. Raises `Wrong`, naming the first thing that does not."""
        for name, (old, _) in self.kept.items():
            if old > self.size:
                raise Wrong(
                    f"{name} is of {old} events and the export ends at {self.size}: cut off, or exported before"
                )
        last, count = -1, 0
        for number, index, leaf, proof in self.export.events():
            self._check_place(number, index, last)
            if self.filtered:
                self._check_proof(number, index, leaf, proof)
            else:
                self._grow(leaf)
            self._digest.update(index.to_bytes(8, "big") + leaf)
            last, count = index, count + 1
        self._check_end()
        self.seams.check(self.size, self.root, self.export.recovered, all_met=not self.filtered)
        for name, (old, old_root) in self.kept.items():
            self._check_extension(name, old, old_root)
        self._check_list(count)
        what = "a filtered export" if self.filtered else "the whole ledger"
        kept = f", which extends {len(self.kept)} kept" if self.kept else ""
        lost = [
            f"SEAM: {name}, of {size} events, was abandoned by event {seam}: the ledger does not extend it"
            for name, (size, seam) in self.lost.items()
        ]
        first = f"OK: {what} with {count} events, under a checkpoint of {self.size} events{kept}"
        return "\n".join([first, *self.seams.lines, *lost])

    def _check_place(self, number: int, index: int, last: int) -> None:
        if index <= last:
            raise Wrong(f"line {number}: event {index + 1} comes after event {last + 1}: inserted or reordered")
        if not self.filtered and index != last + 1:
            raise Wrong(f"line {number}: event {last + 2} is missing")
        if index >= self.size:
            raise Wrong(f"line {number}: event {index + 1} is not under the checkpoint, which is of {self.size} events")

    def _check_proof(self, number: int, index: int, leaf: bytes, proof: list[bytes]) -> None:
        if not included(leaf, index, self.size, proof, self.root):
            raise Wrong(f"line {number}: event {index + 1} is not the one the checkpoint is of: changed or inserted")

    def _grow(self, leaf: bytes) -> None:
        self._tree.add(leaf)
        if self._tree.size in self._sizes:
            self._roots[self._tree.size] = self._tree.root

    def _check_end(self) -> None:
        if self.filtered:
            return
        if self._tree.size != self.size:
            raise Wrong(f"there are {self._tree.size} events and the checkpoint is of {self.size}: cut off")
        if self._tree.root != self.root:
            raise Wrong("the events are not those the checkpoint is of: at least one was changed")

    def _check_extension(self, name: str, old: int, old_root: bytes) -> None:
        if self.filtered:
            proofs = {one["size"]: one["proof"] for one in self.export.end.get("earlier", [])}
            for one in self.export.end.get("earlier", []):
                _only(one, "size proof", "the last line")
            if old not in (0, self.size) and old not in proofs:
                raise Wrong(f"{name}: the export has no proof that it extends the checkpoint of {old} events")
            path = [_base64(text) for text in proofs.get(old, [])]
            holds = extends(old, self.size, old_root, self.root, path)
        else:
            holds = self._roots[old] == old_root
        if not holds:
            seam = ", and no seam names it" if self.seams.indexes else ""
            raise Wrong(f"{name}: the first {old} events are not those it is of: history was replaced{seam}")

    def _check_list(self, count: int) -> None:
        """Check what the portal signed of this export: its header, and which events are in it."""
        try:
            text, name = open_note(str(self.export.end.get("list", "")), self.keys, "/export")
        except Wrong as error:
            raise Wrong(f"the signed list of what the export holds: {error}") from None
        lines = text.split("\n")
        if lines[:2] != [f"{name}/export", str(self.size)]:
            raise Wrong("the signed list is of another export")
        if lines[2] != str(count):
            raise Wrong(f"the portal wrote {lines[2]} events into this export, and it has {count}: removed or inserted")
        if lines[3] != base64.b64encode(self._digest.digest()).decode():
            raise Wrong("the header, or which events there are, is not what the portal exported")


def check(file: BinaryIO, keys: list[Key], kept: list[tuple[str, str]]) -> str:
    """Check an export; return what holds. Raises `Wrong` for whatever else there is in it."""
    try:
        return Check(file, keys, kept).run()
    except (ArithmeticError, RecursionError) as error:
        raise Unusable(f"the export can't be read: {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Wrong(f"the export is not as the portal writes it: {error}") from None


def main(arguments: list[str]) -> int:
    """Check the export that the arguments name and print what was found. Return the exit status: 0 if it is sound."""
    parser = argparse.ArgumentParser(description="Check a JSON Lines export of the key portal's audit ledger.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--key", action="append", required=True, help="verifier key, or a file that holds it")
    parser.add_argument("--checkpoint", action="append", type=Path, default=[], help="a checkpoint you kept")
    options = parser.parse_args(arguments)
    try:
        keys = [read_key(text) for text in options.key]
        kept = [(str(path), _read_text(path)) for path in options.checkpoint]
        with open_export(options.export) as file:
            print(check(file, keys, kept))
    except Wrong as error:
        print(f"NOT OK: {error}", file=sys.stderr)
        return 1
    except (Unusable, OSError, UnicodeDecodeError) as error:
        print(f"Cannot check: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
