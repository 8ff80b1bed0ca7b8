"""What an expression of pasted code comes to, as far as it can be put together from the paste."""

from .code import Chain, Code
from .names import Assignment, Names
from .pieces import Hole, Value, filled, parts, render

_ADD = frozenset({"+", "..", "<>", "~", "."})
_ELSE = frozenset({"||", "??"})
_BEFORE = frozenset({"await", "return", "mut", "const", "ref"})
_PREFIX = frozenset({"&", "*", "@", "!"})
# Calls that give back the address they are given, by their last name.
_WRAPPERS = frozenset(
    {
        "uri",
        "url",
        "nsurl",
        "parse",
        "create",
        "str",
        "string",
        "encodeuri",
        "get_uri",
        "uri_string",
        "from",
        "from_str",
        "of",
        "tohttpurl",
        "with_url",
        "from_static_str",
        "escapeuristring",
        "request_uri",
        "mustparse",
    }
)
_SAME = frozenset(
    {
        "tostring",
        "trim",
        "strip",
        "to_s",
        "to_string",
        "c_str",
        "as_str",
        "unwrap",
        "href",
        "path",
        "request_uri",
        "absolutestring",
        "tourl",
        "touri",
        "tohttpurl",
        "clone",
        "encode",
        "decode",
        "string",
        "geturl",
        "uri",
        "url",
        "build",
        "rstrip",
        "absoluteuri",
        "as_ref",
        "into",
        "text",
        "get_uri",
    }
)
_FORMATS = frozenset({"format", "sprintf", "formatted", "printf", "interpolate", "vsprintf"})
_JOINS = frozenset({"urljoin", "join", "joinpath", "url_join", "resolve", "https"})
_DEFAULTS = frozenset({"getenv", "env", "get", "fetch", "os_getenv", "getproperty"})
_DEEPEST = 24
UNKNOWN: Value = (Hole(),)


def join(base: str, path: str, *, at_root: bool = False) -> str:
    """Return the address of `path` under `base`; `at_root` puts a path with a leading slash under the host alone."""
    if "://" in path[:9] or not base:
        return path
    if at_root and path.startswith("/"):
        scheme, slashes, rest = base.partition("://")
        host = rest.partition("/")[0] if slashes else scheme.partition("/")[0]
        return f"{scheme}{slashes}{host}{path}" if slashes else host + path
    return f"{base.rstrip('/')}/{path.lstrip('/')}"


class Values:
    """Puts expressions together. Each range of tokens is read once."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.names = Names(code)
        self._known: dict[tuple[int, int], Value | None] = {}
        self._texts: dict[int, str | None] = {}
        self._deep = 0

    def text(self, start: int, end: int) -> str | None:
        """Return the text that the tokens from `start` to `end` come to, with `HOLE` for what is not known."""
        value = self.value(start, end)
        return None if value is None else render(value, lambda name: self.variable(name, start))

    def variable(self, name: str, at: int) -> str | None:
        """Return the text a variable holds where the token `at` stands; None if that is not certain."""
        assigned = self.names.find(name, at)
        return self._assigned(assigned) if assigned else None

    def _assigned(self, assigned: Assignment) -> str | None:
        if assigned.index in self._texts:
            return self._texts[assigned.index]
        self._texts[assigned.index] = None  # what refers to itself is not known
        if self._deep > _DEEPEST:
            return None
        self._deep += 1
        found = None
        if assigned.literal is not None:
            found = render(parts(assigned.literal), lambda name: self.variable(name, assigned.index))
        elif assigned.end > assigned.start:
            found = self.text(assigned.start, assigned.end)
        if found is not None and assigned.adds:
            before = self.variable(assigned.name, assigned.index)
            found = None if before is None else before + found
        self._deep -= 1
        self._texts[assigned.index] = found
        return found

    def value(self, start: int, end: int) -> Value | None:
        """Return the parts that the tokens from `start` to `end` come to; None if they cannot be read."""
        if (start, end) not in self._known:
            self._known[start, end] = None
            if self._deep <= _DEEPEST:
                self._deep += 1
                self._known[start, end] = self._sum(start, end)
                self._deep -= 1
        return self._known[start, end]

    def _sum(self, index: int, end: int) -> Value | None:
        total: Value = ()
        while index < end:
            while self.code.word(index) in _BEFORE or self.code.sign(index) in _PREFIX:
                index += 1
            term, after = self._term(index, end)
            if term is None or after <= index:
                return None
            total, index = total + term, after
            if index >= end:
                break
            if self.code.sign(index) in _ADD and index + 1 < end:
                index += 1
            elif not self._goes_on(index):
                return self._last(total, index, end)
        return total or None

    def _last(self, total: Value, index: int, end: int) -> Value | None:
        """Return what a sum comes to with what stands behind it: a format, another choice, a type."""
        if self.code.sign(index) == "%":
            return self._formatted(total, index + 1, end)
        if self.code.sign(index) in _ELSE or self.code.word(index) == "or":
            return self.value(index + 1, end) if _unset(total) else total
        return total if self.code.word(index) == "as" or self.code.sign(index) == "!" else None

    def _goes_on(self, index: int) -> bool:
        """Tell whether two strings stand side by side, which many languages put together."""
        return self.code.tokens[index].kind == "text" and self.code.tokens[index - 1].kind == "text"

    def _term(self, index: int, end: int) -> tuple[Value | None, int]:
        """Return the value of the term at `index`, and where it ends."""
        chain = self.code.chains.get(index)
        if chain and chain.end <= end:
            return self._chained(chain), chain.end
        if index >= end:
            return None, index
        token = self.code.tokens[index]
        if token.kind == "text":
            return parts(token.text, raw=token.quote == "'" and self.code.dot_joins), index + 1
        closing = self.code.closed(index)
        if self.code.sign(index) == "(" and closing >= 0:
            following = self.code.tokens[closing + 1] if closing + 1 < end else None
            if following and (following.kind == "word" or following.text == "("):  # a cast
                return self._term(closing + 1, end)
            return self.value(index + 1, closing), closing + 1
        return None, index

    def _formatted(self, value: Value, start: int, end: int) -> Value:
        """Return `value` with what stands after `%` in it."""
        closing = self.code.closed(start)
        if closing == end - 1:
            given = self.code.arguments(start)
            names = {name: self.value(*at) or UNKNOWN for name, at in given.names.items()}
            return filled(value, [self.value(*at) or UNKNOWN for at in given.places], names)
        return filled(value, [self.value(start, end) or UNKNOWN], {})

    def _chained(self, chain: Chain) -> Value | None:
        calls = [link for link in chain.links if link.opening >= 0]
        first = chain.links[0]
        if first.name == "":  # "…".format(x), (…).toString(), ["a", "b"].join("/")
            return self._after(self._head(first.index), chain, 1)
        if not calls:
            return self._variable(chain)
        at = chain.links.index(calls[0])
        if at and (known := self._held(".".join(link.name for link in chain.links[:at]), chain.start)):
            return self._after(known, chain, at)
        start = self._call(chain, at)
        return self._after(start, chain, at + 1)

    def _head(self, index: int) -> Value | None:
        token = self.code.tokens[index]
        if token.kind == "text":
            return parts(token.text)
        if token.text == "[":
            return self._listed(index, "/")
        return self.value(index + 1, self.code.closed(index))

    def _listed(self, opening: int, between: str) -> Value | None:
        items: list[Value] = [self.value(*place) or UNKNOWN for place in self.code.arguments(opening).places]
        joined: Value = ()
        for number, item in enumerate(items):
            joined += (between, *item) if number else item
        return joined or None

    def _held(self, name: str, at: int) -> Value | None:
        """Return what a variable holds, with its holes still by name, so that a format can fill them."""
        assigned = self.names.find(name, at)
        if not assigned:
            return None
        if assigned.end and not assigned.adds:
            return self.value(assigned.start, assigned.end)
        text = self._assigned(assigned)
        return None if text is None else (text,)

    def _variable(self, chain: Chain) -> Value:
        names = [link.name for link in chain.links]
        while len(names) > 1 and names[-1].lower() in _SAME:
            if self.names.find(".".join(names), chain.start):
                break
            names.pop()
        known = self.variable(".".join(names), chain.start)
        return (Hole(".".join(names)),) if known is None else (known,)

    def _after(self, value: Value | None, chain: Chain, at: int) -> Value | None:
        """Return what is left of `value` after the rest of a chain, of which only harmless calls are understood."""
        for link in chain.links[at:]:
            name = link.name.lower()
            if value is None:
                return None
            given = self.code.arguments(link.opening) if link.opening >= 0 else None
            if name in _FORMATS and given:
                named = {key: self.value(*place) or UNKNOWN for key, place in given.names.items()}
                value = filled(value, [self.value(*place) or UNKNOWN for place in given.places], named)
            elif name == "join" and given:
                value = self._joined(value, given.places)
            elif name not in _SAME and value != UNKNOWN:
                return None
        return value

    def _joined(self, value: Value, places: list[tuple[int, int]]) -> Value | None:
        if value == ("/",) and len(places) == 1 and self.code.sign(places[0][0]) in ("[", "("):
            return self._listed(places[0][0], "/")  # "/".join([…])
        if len(places) == 1 and self.value(*places[0]) != ("/",):
            return None
        return value

    def _call(self, chain: Chain, at: int) -> Value | None:
        """Return what the call at the link `at` gives back."""
        link = chain.links[at]
        given = self.code.arguments(link.opening)
        name = link.name.lower()
        if at and name in _SAME and not given.places:
            return self._variable(Chain(chain.start, chain.end, chain.links[:at]))
        if name in _FORMATS and given.places:
            values = [self.value(*place) or UNKNOWN for place in given.places]
            return filled(values[0], values[1:], {})
        named = [at for key, at in given.names.items() if key.lower() in ("string", "url", "uristring")]
        if name in _WRAPPERS | _JOINS and (given.places or named):
            texts = [self.text(*place) for place in given.places or named]
            if len(texts) == 1 or name not in _JOINS | {"url", "uri"}:
                return None if texts[0] is None else (texts[0],)
            return self._under(texts, name)
        if name in _DEFAULTS and len(given.places) == 2:
            return self.value(*given.places[1])
        return UNKNOWN

    def _under(self, texts: list[str | None], name: str) -> Value | None:
        known = [text for text in texts if text is not None]
        if len(known) < len(texts):
            return None
        if name == "url" and "://" not in known[0][:9]:  # new URL(path, base)
            known.reverse()
        base = known[0]
        for path in known[1:]:
            base = join(base, path, at_root=name in ("url", "uri", "urljoin", "join", "resolve"))
        return (base,)


def _unset(value: Value) -> bool:
    """Tell whether a value is one hole and nothing else."""
    return len(value) == 1 and isinstance(value[0], Hole)
