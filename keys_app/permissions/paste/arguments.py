"""What the arguments of a call say: its method, its options, and the address, with the base it is under."""

import re

from .clients import AT_ROOT, BASE_KEYS, METHOD_HEAD, METHOD_KEYS, METHOD_NAME, METHODS, URL_KEYS
from .code import Arguments, Chain, Code
from .pieces import HOLE
from .values import Values, join

_METHOD = re.compile(METHODS, re.IGNORECASE)
_TWILIO = re.compile(rf"(?:[a-z]+://)?[a-z0-9.{HOLE}-]+\.twilio\.com(?::\d+)?(?:/.*)?", re.IGNORECASE | re.DOTALL)
_API_PATH = re.compile(rf"{HOLE}?/?2010-04-01/Accounts[/.].*", re.DOTALL)
_SCHEME = re.compile(r"[a-z]{2,9}://", re.IGNORECASE)
_LITERAL = frozenset({"{", "["})
Range = tuple[int, int]


class Given:
    """Reads arguments in the light of all that stands in a paste."""

    def __init__(self, code: Code, values: Values) -> None:
        self.code = code
        self.values = values

    def method(self, place: Range) -> str:
        """Return the method that an argument names: `"POST"`, `HttpMethod.Post`, `:post`, `.post`; else nothing."""
        start, end = place
        if self.code.sign(start) in (":", ".") and end == start + 2:
            return self._upper(self.code.word(start + 1))
        chain = self.code.chains.get(start)
        if chain and chain.end == end and not any(link.opening >= 0 for link in chain.links):
            names = [link.name for link in chain.links]
            found = METHOD_NAME.fullmatch(names[-1])
            if found and len(names) > 1 and METHOD_HEAD.fullmatch(".".join(names[:-1])):
                return found["method"].upper()
        return self._upper(self.values.text(start, end) or "")

    def _upper(self, text: str) -> str:
        return text.upper() if _METHOD.fullmatch(text) else ""

    def table(self, place: Range, *, follow: bool = True) -> Arguments | None:
        """Return the object, dict or array that an argument is, also by its name; None if it cannot be read."""
        start, end = place
        start += self.code.sign(start) in ("@", "&")
        end -= 2 * (self.code.word(end - 2) == "as")  # TypeScript
        if self.code.sign(start) in _LITERAL and self.code.closed(start) == end - 1:
            given = self.code.arguments(start)
            return given if self._well_formed(start, given) else None
        chain = self.code.chains.get(start)
        if not chain or chain.end != end:
            return None
        if chain.links[-1].opening >= 0 and chain.links[-1].name.lower() in ("array", "dict"):
            return self.code.arguments(chain.links[-1].opening)
        if follow and all(link.opening < 0 for link in chain.links):
            assigned = self.values.names.find(chain.name, start)
            if assigned and assigned.end and not self.values.names.attributes(chain.name):
                return self.table((assigned.start, assigned.end), follow=False)
        return None

    def _well_formed(self, start: int, given: Arguments) -> bool:
        """Tell whether an object in braces holds pairs and names alone, and at least one."""
        if self.code.sign(start) != "{":
            return True
        shorthand = all(end == begin + 1 and self.code.word(begin) for begin, end in given.places)
        return shorthand and bool(given.names or given.places or given.spread)

    def keyed(self, given: Arguments, keys: tuple[str, ...]) -> Range | None:
        """Return the argument that has one of these names."""
        for name, place in given.names.items():
            if name.lower() in keys:
                return place
        return None

    def keyed_method(self, given: Arguments) -> str | None:
        """Return the method given by name, nothing if it is not known, None if there is none."""
        place = self.keyed(given, METHOD_KEYS)
        if place is None:
            return "" if given.spread else None
        return self.method(place)

    def address(self, place: Range, chain: Chain | None = None, beside: Arguments | None = None) -> str:
        """Return the address of Twilio's that an argument is, under the base of its client; else nothing.

        `chain` is the call it is an argument of, `beside` are the options it stands among.
        """
        text = (self.values.text(*place) or "").removeprefix("=")  # n8n's expressions begin with it
        if not text:
            return ""
        if is_twilio(text):
            return text
        if _SCHEME.match(text):
            return ""
        base, at_root = self._base(chain, beside)
        joined = join(base, text, at_root=at_root) if base else text
        return joined if is_twilio(joined) else _with_host(joined)

    def keyed_address(self, given: Arguments, chain: Chain | None = None) -> str:
        """Return the address given by name, also in two parts: host and path."""
        place = self.keyed(given, URL_KEYS)
        if place is None and self.keyed(given, ("hostname", "host", *BASE_KEYS[:5])):
            place = self.keyed(given, ("path",))
        return self.address(place, chain, given) if place else ""

    def _base(self, chain: Chain | None, beside: Arguments | None) -> tuple[str, bool]:
        if beside and (place := self.keyed(beside, ("hostname", "host", *BASE_KEYS[:7]))):
            return self._twilio(place), False
        if chain is None:
            return "", False
        made = self._made(chain) or chain
        for link, given in self.code.called_with(made):
            found = self._base_in(given)
            if found[0]:
                return found[0], found[1] or link.name == "new"
        for assigned in self.values.names.attributes(chain.links[0].name):
            key = assigned.name.rpartition(".")[2].lower()
            if key in BASE_KEYS and assigned.end and (base := self._twilio((assigned.start, assigned.end))):
                return base, key in AT_ROOT
        return "", False

    def _base_in(self, given: Arguments) -> tuple[str, bool]:
        tables = [given, *(table for place in given.places[:2] if (table := self.table(place)))]
        for table in tables:
            for name, place in table.names.items():
                if name.lower() in BASE_KEYS and (base := self._twilio(place)):
                    return base, name.lower() in AT_ROOT
        return (self._twilio(given.places[0]) if given.places else ""), False

    def _twilio(self, place: Range) -> str:
        text = self.values.text(*place) or ""
        return text if is_twilio(text) else ""

    def _made(self, chain: Chain) -> Chain | None:
        """Return the chain that made the client a chain begins with."""
        names = [link.name for link in chain.links[:-1]]
        if not names or chain.links[0].opening >= 0:
            return None
        assigned = self.values.names.find(".".join(names), chain.start)
        if not assigned or not assigned.end:
            return None
        start = assigned.start + (self.code.word(assigned.start) == "await")
        return self.code.chains.get(start)

    def maker(self, chain: Chain) -> str:
        """Return by which names the client was made that a chain begins with."""
        made = self._made(chain)
        return made.name if made else ""


def is_twilio(text: str) -> bool:
    """Tell whether a text is an address of Twilio's, whole or with holes in its path."""
    return bool(_TWILIO.fullmatch(text))


def _with_host(path: str) -> str:
    """Return a path that only `api.twilio.com` has with that host, and nothing for any other."""
    if not _API_PATH.fullmatch(path):
        return ""
    return "https://api.twilio.com/" + path.lstrip(HOLE).lstrip("/")
