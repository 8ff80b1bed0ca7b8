"""One rule for what people type: which characters a text may hold, wherever it is kept.

Line ends are LF. Whatever is there and cannot be seen is refused, since it reorders or hides what a reader decides by:
control characters, which a terminal would obey, format characters, marks of direction, and letters that are blank.
"""

import unicodedata

ZWNJ, ZWJ = "\u200c", "\u200d"
_JOINERS = frozenset({ZWNJ, ZWJ})
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U0001d159")
"""Letters, marks and symbols that nothing is drawn for."""

_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""Choose the shape of the character before: as text, as an emoji, as a form of a Han character."""

_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "GEORGIAN", "LISU")
"""Scripts with letters that look like another's, by the first word of a letter's Unicode name."""


def unified(text: str) -> str:
    """Return a text with LF for each CRLF and CR, as browsers and terminals send line ends in different ways."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def prose_problem(text: str, most: int, what: str) -> str:
    """Say what is wrong with a text of several lines, which may be empty; `most` is in characters."""
    text = unified(text)
    if len(text) > most:
        return f"The {what} has {len(text)} characters; at most {most} are kept."
    return _unseen_problem(text, what, allowed="\n\t")


def line_problem(text: str, what: str) -> str:
    """Say what is wrong with a text of one line: no tab, no other space than the usual one, nothing unassigned."""
    odd = next((char for char in text if unicodedata.category(char) in ("Zs", "Cn") and char != " "), "")
    if any(end in text for end in "\r\n\v\f\x85\u2028\u2029"):
        return f"The {what} has more than one line. Use one line of visible characters."
    return _unseen_problem(text, what) or (f"The {what} has {_named(odd)}. Use visible characters." if odd else "")


def utf16_units(text: str) -> int:
    """Return how long a text is in units of UTF-16, in which Twilio counts: an emoji has two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def mixed_words(text: str) -> list[str]:
    """Return each word that has letters of several scripts whose letters look alike, with those scripts."""
    found = []
    for word in text.split():
        scripts = sorted({script.capitalize() for char in word if (script := _script(char))})
        if len(scripts) > 1:
            found.append(f"“{word}” has letters of {' and '.join(scripts)}")
    return found


def _script(char: str) -> str:
    first = unicodedata.name(char, "").partition(" ")[0] if char.isalpha() else ""
    return first if first in _SCRIPTS else ""


def _unseen_problem(text: str, what: str, allowed: str = "") -> str:
    for place, char in enumerate(text):
        if char not in allowed and _is_unseen(text, place):
            return f"The {what} has {_named(char)}{_after(text[:place])}. Delete it, or type the {what} again."
    return ""


def _is_unseen(text: str, place: int) -> bool:
    before, char = text[max(place - 1, 0) : place], text[place]
    if char in _JOINERS:
        return not (_joins(before) and _joins(text[place + 1 : place + 2]))
    if char in _SELECTORS:
        return not before or before in _SELECTORS or before.isspace()
    return char in _BLANK or unicodedata.category(char) in _UNSEEN


def _joins(char: str) -> bool:
    """Tell whether a character, if there is one, is of a letter or an emoji: that, its mark, tone or selector."""
    return bool(char) and unicodedata.category(char) in ("Lo", "Ll", "Lu", "Lm", "Mn", "Mc", "So", "Sk")


def _named(char: str) -> str:
    name = unicodedata.name(char, "").lower()
    return f"a character that cannot be seen, U+{ord(char):04X}{f' ({name})' if name else ''}"


def _after(before: str) -> str:
    words = before.split()
    return f", after “{words[-1][-20:]}”" if words else " at its start"
