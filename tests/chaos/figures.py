"""What a kill test found, in figures that can be added up, sent from process to process and printed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from .compare import Difference

WRONG = {
    "in_use_deleted": "in use deleted",
    "believed_gone": "living believed gone",
    "unalarmed": "waits without alarm",
    "unaccounted": "unaccounted",
    "wrongly_shown": "wrongly shown",
    "missing_events": "events missing",
}
"""What must not be, by its name in `Figures` and at the head of its column."""

COLUMNS = ("part", "cases", "kill points", "faults", "kills", "restores", *WRONG.values())


@dataclass
class Figures:
    """`points` and `faults` are those that were tried, `reached` the kill points where a process was killed."""

    what: str
    cases: int = 0
    kills: int = 0
    restores: int = 0
    points: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    in_use_deleted: list[str] = field(default_factory=list)
    believed_gone: list[str] = field(default_factory=list)
    unalarmed: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    wrongly_shown: list[str] = field(default_factory=list)
    missing_events: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_case(
        self, point: str, fault: str, was_killed: bool, difference: Difference, *, kills: int | None = None
    ) -> None:  # fmt: skip
        """Count a case; `was_killed` says whether its point was reached, `kills` how many there were if not one."""
        self.cases += 1
        self.kills += was_killed if kills is None else kills
        for value, known in ((point, self.points), (fault, self.faults), (point if was_killed else "", self.reached)):
            if value and value not in known:
                known.append(value)
        self.add(difference, f"[{self.what}, {point or 'no kill'}, {fault}] ")

    def add(self, difference: Difference, where: str = "") -> None:
        """Count a difference; what is still open at the end is not accounted for either."""
        for name in WRONG:
            getattr(self, name).extend(where + line for line in getattr(difference, name))
        self.unaccounted += [where + line for line in difference.unsettled]

    @property
    def unreached(self) -> list[str]:
        """Kill points at which nothing was ever killed, which proves nothing about them."""
        return [point for point in self.points if point not in self.reached]

    @property
    def is_good(self) -> bool:
        return not self.problems() and not self.unreached and self.cases > 0

    def problems(self) -> list[str]:
        return [line for name in WRONG for line in getattr(self, name)] + self.leaks

    def row(self) -> tuple[str, ...]:
        counts = (self.cases, len(self.reached), len(self.faults), self.kills, self.restores)
        return (self.what, *map(str, (*counts, *(len(getattr(self, name)) for name in WRONG))))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Figures":
        return cls(**json.loads(text))


def table(all_figures: Sequence[Figures]) -> str:
    """Return the figures as a Markdown table, which reads well at a terminal too."""
    rows = [COLUMNS, *(figures.row() for figures in all_figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in padded]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
