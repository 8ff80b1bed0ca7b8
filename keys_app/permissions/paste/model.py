"""What reading a paste comes to."""

from collections.abc import Iterable
from dataclasses import dataclass, field

_MOST_UNMAPPED = 20


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A permission that what was pasted needs, and the operation that needs it."""

    permission: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a paste was taken for, and what was made of it.

    `kind` is `error`, `curl`, `url`, `sdk`, `permissions` or `nothing`. `unmapped` holds a sentence for each
    thing that leads to no permission. No field ever holds a credential from the paste.
    """

    kind: str
    suggestions: tuple[Suggestion, ...]
    unmapped: tuple[str, ...]
    credentials_dropped: bool
    message: str


@dataclass(slots=True)
class Findings:
    """Suggestions and sentences on what was not mapped, in the order found, each once."""

    suggestions: dict[str, Suggestion] = field(default_factory=dict)
    unmapped: dict[str, None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.suggestions or self.unmapped)

    def add(self, results: Iterable[Suggestion | str]) -> "Findings":
        for result in results:
            if isinstance(result, Suggestion):
                self.suggestions.setdefault(result.permission, result)
            else:
                self.unmapped.setdefault(result)
        return self

    def sentences(self) -> tuple[str, ...]:
        said = tuple(self.unmapped)
        if len(said) <= _MOST_UNMAPPED:
            return said
        return (*said[:_MOST_UNMAPPED], f"{len(said) - _MOST_UNMAPPED} more could not be mapped.")
