"""The live keys at a glance: how old, whose, how risky, and what needs a look."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from keys_app.audit.search.query import Term
from keys_app.core.actor import with_login
from keys_app.core.db import in_batches
from keys_app.keys.models import ApiKey, risk_of_key
from keys_app.keys.queries import LIVE_KEYS, ends_before, never_confirmed
from keys_app.permissions.risk import Risk

AGES = ((30, "up to 30 days"), (90, "31 to 90 days"), (180, "91 to 180 days"), (365, "181 to 365 days"))
OLDER = "more than a year"
_OWNERS_SHOWN = 20


@dataclass(slots=True)
class Bar:
    """One line of a picture: how many keys, by risk. `search` finds its events in the audit."""

    label: str
    search: str = ""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(reversed(Risk), 0))
    widest: int = 1

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def pieces(self) -> list[tuple[str, int, float, float]]:
        """Each risk there is, highest first: its name, number, and where it begins and how wide it is, in percent."""
        found, position = [], 0.0
        for risk, number in self.counts.items():
            width = round(100 * number / self.widest, 2)
            if number:
                found.append((risk, number, round(position, 2), width))
            position += width
        return found

    @property
    def words(self) -> str:
        """Return the picture for who cannot see it: “3 high, 1 low”."""
        return ", ".join(f"{number} {risk}" for risk, number in self.counts.items() if number) or "none"


@dataclass(frozen=True, slots=True)
class LiveKeys:
    """All live keys, grouped in each way that is asked for."""

    total: Bar
    pictures: list[tuple[str, list[Bar]]]
    owners: int
    owners_shown: int = _OWNERS_SHOWN


def live_keys() -> LiveKeys:
    """Group the live keys by team, account, owner and age. One query for each batch."""
    groups: dict[str, dict[str, Bar]] = {name: {} for name in ("Age", "Team", "Account", "Owner")}
    total, now = Bar("All"), timezone.now()
    for label in (*(label for _, label in AGES), OLDER):
        groups["Age"][label] = Bar(label)
    for key in in_batches(ApiKey.objects.filter(state__in=LIVE_KEYS), *_COLUMNS):
        policy, issued, team, account, sid, login, first, last = key
        risk = risk_of_key(policy)
        names = {
            "Age": (next((label for most, label in AGES if (now - issued).days <= most), OLDER), ""),
            "Team": (team, Term("team", team).render()),
            "Account": (account, Term("account", sid).render()),
            "Owner": (with_login(f"{first} {last}".strip() or login, login), Term("actor", login).render()),
        }
        for group, (label, search) in names.items():
            groups[group].setdefault(search or label, Bar(label, search)).counts[risk] += 1
        total.counts[risk] += 1
    pictures = [(name, _scaled(name, bars.values())) for name, bars in groups.items()]
    return LiveKeys(total, pictures, len(groups["Owner"]))


_COLUMNS = (
    "policy_json", "issued_at", "team__name", "account__name", "account_id", "owner__username", "owner__first_name",
    "owner__last_name",
)  # fmt: skip


def _scaled(name: str, bars: Iterable[Bar]) -> list[Bar]:
    """Return the bars of a picture with a common scale, the longest first where the order says nothing."""
    ordered = list(bars) if name == "Age" else sorted(bars, key=lambda bar: (-bar.total, bar.label))[:_OWNERS_SHOWN]
    widest = max((bar.total for bar in ordered), default=1) or 1
    for bar in ordered:
        bar.widest = widest
    return ordered


def expiring_keys(within: timedelta) -> QuerySet[ApiKey]:
    """Return the active keys whose lifetime is over soon, the next one first."""
    keys = ApiKey.objects.filter(ends_before(timezone.now() + within))
    return keys.select_related("owner", "team", "account", "request").order_by("expires_at", "pk")


def unconfirmed_keys() -> QuerySet[ApiKey]:
    """Return the active keys nobody confirmed in time to have stored, the oldest first; adopted ones need no word."""
    keys = ApiKey.objects.filter(never_confirmed())
    return keys.select_related("owner", "team", "account", "request").order_by("issued_at", "pk")
