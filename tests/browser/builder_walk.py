"""A model of the policy builder in plain Python: seeded steps, and what must be chosen after each."""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keys_app.permissions.catalogue import Resource, catalogue, expand
from keys_app.permissions.levels import Level, available_levels, level_of, permissions_at
from keys_app.permissions.policy import MAX_PERMISSIONS
from keys_app.permissions.presets import templates

RESOURCES = {f"{product.name}/{item.name}": item for product in catalogue().products for item in product.resources}
EXPLICIT = [item.name for item in catalogue() if item.action != "*"]
WILDCARDS = [item.name for item in catalogue() if item.action == "*"]
TEMPLATES = {template.slug: set(template.permissions) for template in templates()}
INVALID = (
    '{"allow": [',
    '{"allow": ["/twilio/no/such/read"]}',
    '{"allow": ["/twilio/voice/calls/read",]}',
    '{"deny": []}',
    "{'allow': []}",
    "",
)


@dataclass(frozen=True, slots=True)
class Step:
    """Something a person does. `target` is a permission, a resource or a task, `value` a level or a text."""

    kind: str
    target: str = ""
    value: str = ""


def spelled_out(names: Iterable[str]) -> set[str]:
    """Return the explicit permissions that `names` stand for."""
    return {explicit for name in names for explicit in expand(name)}


def levels_of(chosen: set[str]) -> dict[str, str]:
    """Return the level each resource must show."""
    return {name: level_of(resource, chosen).value for name, resource in RESOURCES.items()}


class Walk:
    """What is chosen, after any number of steps. The same seed takes the same steps."""

    def __init__(self, seed: int) -> None:
        self.chosen: set[str] = set()
        self.invalid = False  # the text is not a policy, and the list keeps the last one that was
        self._past: list[set[str]] = []
        self._typing = False  # another edit of the text soon after may join the last one as one step of undo
        self._random = random.Random(seed)
        self._kinds: dict[str, Callable[[], Step]] = {
            "tick": self._tick,
            "untick": self._untick,
            "all five": self._all_five,
            "level": self._level,
            "add": self._add,
            "only": self._only,
            "text": self._text,
            "invalid text": self._invalid_text,
            "remove": self._remove,
            "undo": self._undo,
        }

    def step(self) -> Step:
        """Choose a step, take it in the model, and return it."""
        return self._kinds[self._random.choice(self._possible())]()

    def _possible(self) -> list[str]:
        """Return the kinds of steps that mean something now. A choice too large to send is made smaller first."""
        if len(self.chosen) > MAX_PERMISSIONS - 10:
            return ["only", "undo"] if self._past else ["only"]
        impossible = set() if self.chosen else {"untick", "remove"}
        if self._typing:
            impossible.add("text")
        return [kind for kind in self._kinds if kind not in impossible]

    def _become(self, chosen: set[str], typed: bool = False) -> None:
        if chosen != self.chosen:
            self._past.append(self.chosen)
            self.chosen, self.invalid, self._typing = chosen, False, typed

    def _tick(self) -> Step:
        name = self._random.choice([name for name in EXPLICIT if name not in self.chosen])
        self._become(self.chosen | {name})
        return Step("click", name)

    def _untick(self) -> Step:
        name = self._random.choice(sorted(self.chosen))
        self._become(self.chosen - {name})
        return Step("click", name)

    def _all_five(self) -> Step:
        name = self._random.choice(WILDCARDS)
        five = set(expand(name))
        self._become(self.chosen - five if five <= self.chosen else self.chosen | five)
        return Step("click", name)

    def _level(self) -> Step:
        name = self._random.choice(sorted(RESOURCES))
        resource: Resource = RESOURCES[name]
        level: Level = self._random.choice(available_levels(resource))
        own = {item.name for item in resource.permissions}
        self._become(self.chosen - own | set(permissions_at(resource, level)))
        return Step("level", name, level.value)

    def _add(self) -> Step:
        slug = self._random.choice(sorted(TEMPLATES))
        self._become(self.chosen | TEMPLATES[slug])
        return Step("add", slug)

    def _only(self) -> Step:
        slug = self._random.choice(sorted(TEMPLATES))
        self._become(set(TEMPLATES[slug]))
        return Step("only", slug)

    def _text(self) -> Step:
        names = self._random.sample(EXPLICIT, self._random.randint(0, 12)) + self._random.sample(WILDCARDS, 1)
        policy = names if self._random.random() < 0.3 else {"allow": names}
        self._become(spelled_out(names), typed=True)
        self.invalid = False
        return Step("text", value=json.dumps(policy, indent=self._random.choice([None, 1, 2])))

    def _invalid_text(self) -> Step:
        self.invalid = True
        return Step("text", value=self._random.choice(INVALID))

    def _remove(self) -> Step:
        name = self._random.choice(sorted(self.chosen))
        self._become(self.chosen - {name})
        return Step("remove", name)

    def _undo(self) -> Step:
        if self._past:
            self.chosen, self.invalid, self._typing = self._past.pop(), False, False
        return Step("undo")
