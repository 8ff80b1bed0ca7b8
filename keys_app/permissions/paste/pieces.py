r"""What a string of code is made of: text, and holes that a variable or an argument fills.

All ways to write a hole are read in all languages: `${x}`, `#{x}`, `{x}`, `{{x}}`, `$x`, `%s`, `\(x)`, `<x>`, `:x`.
A piece of text that only looks like one makes an address unreadable at worst, never another address.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .tokens import hole_end

HOLE = "\x00"
"""Stands in an address for a part that is not in the paste."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a string: `name` of what fills it, `place` of the argument if it counts, `default` if it has one."""

    name: str = ""
    place: int | None = None
    default: str | None = None


Part = str | Hole
Value = tuple[Part, ...]

_START = re.compile(
    r"\$\{|#\{|%\{|\{\{|\{|\\\(|\$\(|<(?=[A-Za-z])|\[(?=[A-Z])"
    r"|\$env:(?P<env>\w+)|\$(?P<variable>[A-Za-z_]\w*)"
    r"|(?<![0-9A-Za-z])%(?P<cmd>[A-Z][A-Z_]*)%|%\((?P<named>\w+)\)[sd]|%(?:(?P<number>\d)\$)?[sdv@]"
    r"|(?<=/):(?P<path>[A-Za-z]\w*)"
)
_ENDS = {"<": ">", "[": "]"}
_NAME = re.compile(r"[\w.$@?!:>-]+")
_DEFAULT = re.compile(r"(?P<name>\w+):?-(?P<default>[^{}]*)")
_STOPPED = re.compile(r"(?P<name>\w+):?[?=+][^{}]*")
_DIGITS = re.compile(r"\d{1,2}")
_MOST_PARTS = 60
_ESCAPED = re.compile(r"\\([/\"'`])")


def parts(text: str, *, raw: bool = False) -> Value:
    """Return the parts of a string's inside; `raw` is one in which the shell fills nothing."""
    text = _ESCAPED.sub(r"\1", text)
    found: list[Part] = []
    place = counted = 0
    for start, end, read in _holes(text):
        if len(found) > _MOST_PARTS:
            return (*found, Hole())
        if raw and text[start] == "$":
            continue
        if start > place:
            found.append(text[place:start])
        found.append(Hole(place=counted) if read.place == -1 else read)
        counted += read.place == -1
        place = end
    if place < len(text):
        found.append(text[place:])
    return tuple(found)


def _holes(text: str) -> Iterator[tuple[int, int, Hole]]:
    place = 0
    while match := _START.search(text, place):
        start, place = match.start(), match.end()
        inside = next((value for value in match.groups() if value is not None), None)
        if inside is not None:
            counted = int(inside) - 1 if inside.isdigit() else None
            yield start, place, Hole(inside if counted is None else "", counted)
            continue
        opening = match.group()
        if opening[0] == "%" and opening != "%{":
            yield start, place, Hole(place=-1)
            continue
        end = _end(text, match)
        if end > place:
            hole = _hole(text[place : end - (2 if opening == "{{" else 1)])
            place = end
            if hole:
                yield start, end, hole


def _end(text: str, match: re.Match[str]) -> int:
    """Return where the hole ends that begins at `match`; where it begins if it does not end."""
    opening = match.group()
    if opening in _ENDS:
        end = text.find(_ENDS[opening], match.end(), match.end() + 60)
        return end + 1 if end > 0 else match.end()
    end = hole_end(text, match.start() if opening == "{{" else match.end() - 1)
    return end if end > match.end() else match.end()


def _hole(inside: str) -> Hole | None:
    """Return the hole for what stands in its brackets; None for a list, such as curl's `{a,b}`."""
    inside = inside.strip()
    if not inside:
        return Hole(place=-1)
    if _DIGITS.fullmatch(inside):
        return Hole(place=int(inside))
    if found := _DEFAULT.fullmatch(inside):
        return Hole(found["name"], default=found["default"])
    if found := _STOPPED.fullmatch(inside):
        return Hole(found["name"])
    if "," in inside and "(" not in inside:
        return None
    name = inside.partition(":")[0] if re.fullmatch(r"\w+:[\w.]*", inside) else inside
    return Hole(name if _NAME.fullmatch(name) else "")


def render(value: Value, resolve: Callable[[str], str | None]) -> str:
    """Return the value as one text: each hole with what `resolve` knows by its name, or as `HOLE`."""
    texts = []
    for part in value:
        if isinstance(part, str):
            texts.append(part)
        else:
            known = resolve(part.name) if part.name else None
            texts.append(known if known is not None else HOLE if part.default is None else part.default)
    return "".join(texts)


def filled(value: Value, arguments: list[Value], named: dict[str, Value]) -> Value:
    """Return the value with the arguments of a format in its holes, by place or by name."""
    found: list[Part] = []
    for part in value:
        if isinstance(part, str):
            found.append(part)
        elif part.place is not None:
            found.extend(arguments[part.place] if 0 <= part.place < len(arguments) else (Hole(),))
        else:
            found.extend(named.get(part.name, (part,)))
    return tuple(found)
