"""What reading a paste comes to."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

_MOST_UNMAPPED = 20
_IAM = "/twilio/iam/"
_IN_COMMENT = "What was found stands in a comment, so nothing is ticked for it."


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A permission that what was pasted needs, and the operation that needs it.

    One that is not `certain` is only possible, for example because the method is not in the paste. It is shown
    without a tick.
    """

    permission: str
    why: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What a paste was taken for, and what was made of it.

    `kind` is `error`, `curl`, `url`, `sdk`, `permissions` or `nothing`. `suggestions` are certain; `offered` are
    possible and shown without a tick. `unmapped` holds a sentence for each thing that leads to no permission, or
    to none that is certain. No field ever holds a credential from the paste.
    """

    kind: str
    suggestions: tuple[Suggestion, ...]
    unmapped: tuple[str, ...]
    credentials_dropped: bool
    message: str
    offered: tuple[Suggestion, ...] = ()


@dataclass(slots=True)
class Findings:
    """Suggestions, offers and sentences on what was not mapped, in the order found, each once."""

    suggestions: dict[str, Suggestion] = field(default_factory=dict)
    possible: dict[str, Suggestion] = field(default_factory=dict)
    unmapped: dict[str, None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.suggestions or self.possible or self.unmapped)

    def add(self, results: Iterable[Suggestion | str]) -> "Findings":
        """Take in what a reader yields. A permission under `/twilio/iam/` is explained and never suggested."""
        for result in results:
            if isinstance(result, str):
                self.unmapped.setdefault(result)
            elif result.permission.startswith(_IAM):
                self.unmapped.setdefault(_explained(result))
            else:
                (self.suggestions if result.certain else self.possible).setdefault(result.permission, result)
        return self

    def merge(self, other: "Findings") -> None:
        """Take in what another reader found."""
        for name, item in other.suggestions.items():
            self.suggestions.setdefault(name, item)
        for name, item in other.possible.items():
            self.possible.setdefault(name, item)
        self.unmapped.update(other.unmapped)

    def doubted(self) -> "Findings":
        """Return the same with nothing certain: it stands in a comment."""
        possible = {name: replace(item, certain=False) for name, item in self.suggestions.items()}
        said = {_IN_COMMENT: None} if possible else {}
        return Findings({}, {**possible, **self.possible}, {**said, **self.unmapped})

    @property
    def offered(self) -> tuple[Suggestion, ...]:
        """Return what is possible and not certain."""
        return tuple(item for name, item in self.possible.items() if name not in self.suggestions)

    def sentences(self) -> tuple[str, ...]:
        said = tuple(self.unmapped)
        if len(said) <= _MOST_UNMAPPED:
            return said
        return (*said[:_MOST_UNMAPPED], f"{len(said) - _MOST_UNMAPPED} more could not be mapped.")


def _explained(result: Suggestion) -> str:
    return (
        f"{result.permission} is about accounts, API keys or the credentials themselves. {result.why}. "
        "It is never suggested here: a key that may change keys can do everything. Choose it by hand if you must."
    )
