"""What Security's reports say: the live keys at a glance, what needs a look, and who decided what."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ..audit.query import Term
from ..domain.risk import Risk
from ..domain.states import KeyState
from ..domain.wording import with_login
from ..models import ApiKey, Approval
from ..models.keys import risk_of_key
from .keys import LIVE_KEYS

AGES = ((30, "up to 30 days"), (90, "31 to 90 days"), (180, "91 to 180 days"), (365, "181 to 365 days"))
OLDER = "more than a year"
_OWNERS_SHOWN = 20
RULE = "rule:"
"""What stands before a rule's name where a user name could stand, which has no colon."""


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
    """Group the live keys by team, account, owner and age. One query."""
    groups: dict[str, dict[str, Bar]] = {name: {} for name in ("Age", "Team", "Account", "Owner")}
    total, now = Bar("All"), timezone.now()
    for label in (*(label for _, label in AGES), OLDER):
        groups["Age"][label] = Bar(label)
    for key in ApiKey.objects.filter(state__in=LIVE_KEYS).order_by().values_list(*_COLUMNS).iterator():
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
    until = timezone.now() + within
    keys = ApiKey.objects.filter(state=KeyState.ACTIVE, expires_at__lt=until)
    return keys.select_related("owner", "team", "account", "request").order_by("expires_at", "pk")


def unconfirmed_keys() -> QuerySet[ApiKey]:
    """Return the active keys nobody confirmed in time to have stored, the oldest first; adopted ones need no word."""
    before = timezone.now() - settings.CONFIRM_WITHIN
    keys = ApiKey.objects.filter(state=KeyState.ACTIVE, confirmed_at=None, adopted_at=None, issued_at__lt=before)
    return keys.select_related("owner", "team", "account", "request").order_by("issued_at", "pk")


def decisions(*, by: str = "") -> QuerySet[Approval]:
    """Return who decided what; with `by`, a user name or `rule:` and a rule's name, only their decisions."""
    people = ("approver", "authority", "request__requester")
    found = Approval.objects.select_related(*people, "request__team", "request__account")
    if by.startswith(RULE):
        return found.filter(rule_name=by.removeprefix(RULE))
    return found.filter(approver__username=by) if by else found


def all_who_decided() -> list[tuple[str, str]]:
    """Return each user and rule that decided something, as `decisions` takes it and in words. One query.

    Users come first, by login; a rule is among them whether or not there still is such a rule.
    """
    name = ("approver__username", "approver__first_name", "approver__last_name")
    rows = Approval.objects.order_by("rule_name", *name).values_list("rule_name", *name).distinct()
    return [
        (f"{RULE}{rule}", f"The rule “{rule}”")
        if rule
        else (login, with_login(f"{first} {last}".strip() or login, login))
        for rule, login, first, last in rows
    ]


def issued_of(approvals: Iterable[Approval]) -> dict[object, list[str]]:
    """Return the SIDs of the keys that came of each decision's request."""
    found: dict[object, list[str]] = defaultdict(list)
    wanted = [approval.request_id for approval in approvals]
    for request_id, sid in ApiKey.objects.filter(request__in=wanted).values_list("request_id", "pk"):
        found[request_id].append(sid)
    return found
