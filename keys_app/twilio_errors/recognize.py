r"""Finds Twilio's errors in any text: JSON, exceptions of the SDKs, log lines, a code alone, or a text without a code.

A number is taken for a code only where it stands as one: after “code” or “error”, in an address of Twilio's error
pages, before one of Twilio's texts, or alone. In a phone number, an ID, a port, a postcode or a date it is none.
Each pattern begins at a fixed word or at a boundary and repeats a bounded number of times, so that the time it takes
grows with the length of the text and no faster.
"""

import html
import re
from collections.abc import Iterator

from .model import ErrorForm
from .table import CODES, TABLE

_CODES = "|".join(str(code) for code in sorted(CODES))
_NUMBER = rf"(?P<code>{_CODES})(?![\w%]|[.,:/-]\d|#\d|\s{{1,5}}---)"
_NEAR = 600
"""How far from a code its text may stand, in characters."""

ERROR_PAGE = re.compile(r"https?://(?:www\.)?twilio\.com/docs/(?:api/)?errors/\d{1,6}", re.IGNORECASE)
"""The address of an error's page, which stands beside many errors and is no request."""
_COLOUR = re.compile(
    r"(?:\x1b|\u241b|\^\[|\\{1,4}(?:033|x1b|u001b|e))\[[\d;]{0,12}m|\[\d{1,2}(?:;\d{1,3}){0,4}m", re.IGNORECASE
)
_ESCAPED = re.compile(r"\\{1,16}u00(?P<hex>22|27)|\\{1,16}(?P<quote>[\"'/])")

_CODE_WORD = r"(?<![\w$-])(?:(?:twilio|error|err|api|rest|exception|ex|e)[._ -]?){0,2}code"
_IS = r"[\"'`\])]{0,4}(?::protected|:private)?[\"'`\])]{0,4}\s{0,9}(?:=>|:=|=(?!=)|:|\b(?:is|was)\b|(?=[\s#(]))\s{0,9}"
_PLACES = tuple(
    re.compile(pattern + _NUMBER, re.IGNORECASE)
    for pattern in (
        r"docs/(?:api/)?errors/",
        rf"{_CODE_WORD}{_IS}(?:[\"'`]|int\(|Some\(|[#(\[])?",
        r"<code>\s{0,9}",
        r"(?<![\w.-])\w{0,40}(?:error|exception|err)[\])]?[ \t]{0,3}[:=#-]?[ \t]{0,3}[#(\[]?",
        r"(?<![\w.-])\w{0,40}(?:invalid|failed|denied|expired)[ \t]{0,2}\(",
        r"(?<![\w.@/-])twilio[ \t:#-]{1,3}",
        # a line of a log, as “ERROR [sms] 20003: …”
        r"\b(?:error|warn(?:ing)?|fatal)\b[^\n]{0,60}[\])>|][ \t]{1,3}(?=\d{4,5}[ \t]?:[ \t])",
    )
)
_OTHER_CODE = re.compile(
    r"\b(?:exit|zip|postal|post|area|country|dialing|short|status|verification|security|access|pin|promo|sort|return)"
    r"[ _-]\Z",
    re.IGNORECASE,
)
_BEFORE_A_TEXT = re.compile(
    rf"(?<![\w.:/@+$%=-])(?<!\w\[)(?<![a-z][ \t])#?{_NUMBER}"
    r"[\])\"']{0,2}\s{0,3}[:|\u2013\u2014-]\s{0,3}(?P<text>.{1,200})",
    re.IGNORECASE,
)
_BEGINS_A_TEXT = re.compile(
    r"\W{0,4}(?:permission denied|authenticat|authoriz|unauthor|forbidden|policy evaluation|(?:invalid )?access token"
    r"|actor doesn|required permission|the re(?:quest|source)|requested resource|not found|too many|bad request|unknown"
    r"|max(?:imum)? number|request contains|assertion|invalid sid|signature validation|jwt|unable to)",
    re.IGNORECASE,
)
_FILLED = r"(?:[\s\"'`\u201c\u201d\u2018\u2019#()\[\]{}<>,;.!?*_-]|\b(?:twilio|errors?|codes?|warning|and|or)\b)"
_ALONE = re.compile(rf"{_FILLED}{{0,20}}(?:(?:{_CODES}){_FILLED}{{0,20}}){{1,9}}", re.IGNORECASE)


def errors_in(text: str) -> list[ErrorForm]:
    """Return each error that `text` speaks of, once, in the table's order of forms for each code."""
    text = _plain(text)
    places: dict[int, list[int]] = {}
    for code, place in sorted(_codes(text), key=lambda found: found[1]):
        places.setdefault(code, []).append(place)
    found = [form for code, where in places.items() for form in _forms_of(code, where, text)]
    patterns = {form.text.pattern for form in TABLE if form.code in places and form.text}
    return [*found, *_without_a_code(text, set(places), patterns)]


def _plain(text: str) -> str:
    """Return text without a terminal's colours, and without what escapes its quotation marks, once or several times."""
    text = html.unescape(_COLOUR.sub("", text))
    return _ESCAPED.sub(lambda match: chr(int(match["hex"], 16)) if match["hex"] else match["quote"], text)


def _codes(text: str) -> Iterator[tuple[int, int]]:
    """Yield each code with where it stands."""
    if _ALONE.fullmatch(text.strip()):
        yield from ((int(match[0]), match.start()) for match in re.finditer(_CODES, text))
        return
    for pattern in _PLACES:
        for match in pattern.finditer(text):
            if not _OTHER_CODE.search(text, max(0, match.start() - 20), match.start()):
                yield int(match["code"]), match.start("code")
    for match in _BEFORE_A_TEXT.finditer(text):
        if _BEGINS_A_TEXT.match(match["text"]):
            yield int(match["code"]), match.start("code")


def _forms_of(code: int, places: list[int], text: str) -> list[ErrorForm]:
    """Return the forms of a code whose text stands near it; the last of them only if no other does."""
    *special, last = [form for form in TABLE if form.code == code]
    around = "\n\0\n".join(text[max(0, place - _NEAR) : place + _NEAR] for place in places[:20])
    return [form for form in special if form.text and form.text.search(around)] or [last]


def _without_a_code(text: str, codes: set[int], patterns: set[str]) -> Iterator[ErrorForm]:
    """Yield the errors whose text alone is there: the first form of each code, and none of which the code is there."""
    for form in TABLE:
        if form.code is None or form.code in codes or not form.stands_alone or form.text is None:
            continue
        if form.text.pattern not in patterns and form.text.search(text):
            codes.add(form.code)
            patterns.add(form.text.pattern)
            yield form
