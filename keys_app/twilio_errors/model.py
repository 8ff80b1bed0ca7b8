"""What the table of Twilio's errors is made of."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Mender(StrEnum):
    """Who can mend what Twilio refuses the portal."""

    REQUESTER = "requester"
    ADMIN = "portal admin"
    SECURITY = "Security"
    TWILIO = "Twilio"


class Grade(StrEnum):
    """How sure a fact is: from Twilio's documentation, from a published test or report, or concluded from others."""

    SPEC = "spec"
    LIVE = "live"
    INFERRED = "inferred"


@dataclass(frozen=True, slots=True)
class Fact:
    """What Twilio does, with its source. The words of one that is only inferred say so: “seems”, “perhaps”."""

    words: str
    grade: Grade
    source: str


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """One code in one form of its text; the form without a `text` stands for every other text of the code.

    `statuses` are the HTTP statuses it was seen with, empty where none is known. `text` is telling without a code too
    where it `stands_alone`. `means` and `causes` hold for all who meet the error. `mend` is what the one whose `turn`
    it is does when Twilio refuses the portal; `caller` what a developer does whose own call was refused. `code` is None
    for what the table has no code for.
    """

    name: str
    code: int | None
    means: Fact
    turn: Mender
    mend: str
    caller: str
    causes: tuple[Fact, ...] = ()
    statuses: tuple[int, ...] = ()
    text: re.Pattern[str] | None = None
    stands_alone: bool = True

    @property
    def only_an_admin_mends_it(self) -> bool:
        """Whether portal admins and Security have to be told."""
        return self.turn is Mender.ADMIN
