"""Cutting a shell's commands into words: sh, cmd and PowerShell."""

import re

from .tokens import hole_end

_CONTINUED = re.compile(r"[\\^`][ \t]*\r?\n(?:[ \t]{0,9}>{1,2} )?(?=[ \t]{0,99}\S)")  # with the prompt of the next line
_DANGLING = re.compile(r"[\\^`][ \t]{0,99}(?:[\r\n]|\Z)")
_BROKEN = re.compile(r"[\r\n][\s]{0,20}(?:/\w|\.json|--?[A-Za-z])")
_BETWEEN = " \t"
_COMMAND_END = "\n\r;|&"
_BRACKETS = ("${", "$(", "{{", "@{", "@(")


def joined_lines(text: str) -> str:
    """Return `text` with continued lines put together, place for place; a sign with nothing after it stays."""
    return _CONTINUED.sub(lambda sign: " " * len(sign.group()), text)


def goes_on(text: str, end: int) -> bool:
    """Tell whether a command seems to go on where it ends: it is cut off, or was broken into lines on its way."""
    return bool(_BROKEN.match(text, end) or _DANGLING.match(text, end))


def words(text: str, place: int) -> tuple[list[str], int]:
    """Return the words of a command from `place` on, unquoted as a shell would, and where it ends."""
    found: list[str] = []
    letters: list[str] | None = None
    while place < len(text) and text[place] not in _COMMAND_END and not _DANGLING.match(text, place):
        if text[place] in _BETWEEN:
            if letters is not None:
                found.append("".join(letters))
                letters = None
            place += 1
            continue
        letters = [] if letters is None else letters
        piece, place = _piece(text, place)
        letters.append(piece)
    if letters is not None:
        found.append("".join(letters))
    return found, place


def _piece(text: str, place: int) -> tuple[str, int]:
    char = text[place]
    if char in "\"'":
        return _quoted(text, place)
    if char == "(" or text.startswith(_BRACKETS, place):
        opening = place if char == "(" or text.startswith("{{", place) else place + 1
        end = hole_end(text, opening)
        if end > opening + 1:
            return text[place:end], end
    place += char == "\\"  # the next one is meant as it is
    return text[place : place + 1], place + 1


def _quoted(text: str, place: int) -> tuple[str, int]:
    """Return what stands in the quotation marks at `place`, and where it ends; to the end if they stay open."""
    quote = text[place]
    end = place + 1
    while end < len(text) and text[end] != quote:
        if quote == '"' and text.startswith(("${", "$("), end):
            end = hole_end(text, end + 1)
        else:
            end += 2 if quote == '"' and text[end] == "\\" else 1
    return text[place + 1 : end], end + 1
