"""What a policy comes to: its risk, what a stranger could do with a leaked key, and what it seems to lack."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .catalogue import Catalogue, catalogue, expand
from .risk import Rate, Reason, Risk, explain, policy_risk, rates_of

_MAX_LEAK = 4
_MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class Missing:
    """A permission the policy lacks though those it holds are seldom of use without it."""

    permission: str
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """`leak` is one to four sentences, the worst first; `missing` is in the order of the policy."""

    risk: Risk
    reasons: tuple[Reason, ...]
    leak: tuple[str, ...]
    missing: tuple[Missing, ...]


def summarize(policy: Iterable[str], known: Catalogue | None = None) -> Summary:
    """Return the summary of a set of permissions. Wildcards count as their actions.

    `known` (the shipped catalogue if left out) says which permissions exist and what resources are called.
    Names it does not hold are summarized all the same: Twilio may have added them since.
    """
    known = catalogue() if known is None else known
    names = sorted({explicit for name in policy for explicit in expand(name)})
    return Summary(policy_risk(names), tuple(explain(names, known)), _leak(names, known), _missing(names, known))


_AT_COST = ", at the account's cost"

_CONTENT_WORDS = {
    "messaging/messages": "what customers wrote and were sent",
    "messaging/messages.media": "pictures and files in messages",
    "studio/executions.context": "what people answered in Studio flows",
    "studio/executions.steps.context": "what people answered in Studio flows",
}
_CONTENT_BY_PRODUCT = {"video": "video recordings and what was said in them", "voice": "what was said in calls"}


def _leak(names: list[str], known: Catalogue) -> tuple[str, ...]:
    if not names:
        return ("A stranger could do nothing with it.",)
    split = [name.removeprefix("/twilio/").rpartition("/") for name in names]
    left = [(resource, action) for resource, _, action in split]
    meanings = _meanings(known)
    sentences: list[str] = []
    for part in _LEAK_PARTS:
        sentence, left = part(left, meanings)
        sentences += filter(None, [sentence])
    return tuple(sentences[:_MAX_LEAK])


Pairs = list[tuple[str, str]]
Meanings = dict[str, str]


def _identity(left: Pairs, meanings: Meanings) -> tuple[str, Pairs]:
    ours = [pair for pair in left if pair[0].startswith("iam/")]
    rest = [pair for pair in left if pair not in ours]
    if ("iam/api-keys", "create") in ours:
        return "A stranger could make keys with full access, and with those do everything the account can.", rest
    changing = {resource for resource, action in ours if action not in ("list", "read")}
    if changing:
        return f"A stranger could change who may use the account: {_named(changing, meanings)}.", rest
    return _sentence("see how the account is set up: ", {resource for resource, _ in ours}, meanings), rest


def _fitting(left: Pairs, *kinds: str) -> tuple[list[Rate], Pairs]:
    """Return the rates of these kinds that fit what is left, and what none of them fits."""
    by_pair = {pair: [rate for rate in rates_of(f"/twilio/{pair[0]}/{pair[1]}") if rate.kind in kinds] for pair in left}
    return [rate for rates in by_pair.values() for rate in rates[:1]], [pair for pair in left if not by_pair[pair]]


def _cost(left: Pairs, _meanings: Meanings) -> tuple[str, Pairs]:
    ours, rest = _fitting(left, "cost")
    said = _listed([rate.words.removeprefix("can ").removesuffix(_AT_COST) for rate in ours], "; ")
    return (f"A stranger could{_AT_COST}: {said}." if ours else ""), rest


def _content(left: Pairs, meanings: Meanings) -> tuple[str, Pairs]:
    ours, rest = _fitting(left, "content")
    words = (
        _CONTENT_WORDS.get(rate.where)
        or _CONTENT_BY_PRODUCT.get(rate.where.partition("/")[0])
        or meanings.get(rate.where)
        for rate in ours
    )
    said = _listed([word for word in dict.fromkeys(words) if word])
    return (f"A stranger could read {said}." if said else ""), rest


def _people(left: Pairs, _meanings: Meanings) -> tuple[str, Pairs]:
    ours, rest = _fitting(left, "identity", "factors")
    said = _listed([rate.words.removeprefix("can ") for rate in ours], "; ")
    return (f"A stranger could {said}." if ours else ""), rest


def _stays(left: Pairs, meanings: Meanings) -> tuple[str, Pairs]:
    _, rest = _fitting(left, "stays")
    ours = {resource for resource, action in left if (resource, action) not in rest}
    return _sentence("set up what goes on working after the key is revoked: ", ours, meanings), rest


def _by_action(action: str, words: str) -> Callable[[Pairs, Meanings], tuple[str, Pairs]]:
    def part(left: Pairs, meanings: Meanings) -> tuple[str, Pairs]:
        ours = {resource for resource, did in left if did == action}
        return _sentence(words, ours, meanings), [pair for pair in left if pair[1] != action]

    return part


def _see(left: Pairs, meanings: Meanings) -> tuple[str, Pairs]:
    return _sentence("see ", {resource for resource, _ in left}, meanings), []


_LEAK_PARTS = (
    _identity,
    _cost,
    _content,
    _stays,
    _people,
    _by_action("delete", "delete for good: "),
    _by_action("update", "change: "),
    _by_action("create", "create: "),
    _see,
)


def _sentence(words: str, resources: set[str], meanings: Meanings) -> str:
    return f"A stranger could {words}{_named(resources, meanings)}." if resources else ""


def _named(resources: set[str], meanings: Meanings) -> str:
    return _listed([meanings.get(resource, resource) for resource in sorted(resources)])


def _listed(words: list[str], separator: str = ", ") -> str:
    words = list(dict.fromkeys(words))
    more = f" and {len(words) - _MAX_NAMED} more" if len(words) > _MAX_NAMED else ""
    return separator.join(words[:_MAX_NAMED]) + more


def _meanings(known: Catalogue) -> Meanings:
    return {
        f"{product.name}/{resource.name}": resource.meaning or resource.name
        for product in known.products
        for resource in product.resources
    }


# What is held, what it calls for, and why. Most uses need read and list together (seen in a published test).
_COMPANIONS = (
    ("create", "read", "Without read the key cannot look at what it created."),
    ("update", "read", "Without read the key cannot look at what it changes."),
    ("delete", "read", "Without read the key cannot look at what it deletes."),
    ("read", "list", "Read fetches one by its SID; without list the key cannot find that SID."),
)


def _missing(names: list[str], known: Catalogue) -> tuple[Missing, ...]:
    found: dict[str, Missing] = {}
    for name in names:
        resource, _, action = name.rpartition("/")
        for held, wanted, why in _COMPANIONS:
            permission = f"{resource}/{wanted}"
            if action == held and permission in known and permission not in names:
                found.setdefault(permission, Missing(permission, why))
    return tuple(found.values())
