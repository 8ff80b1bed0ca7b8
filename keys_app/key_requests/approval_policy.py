"""How many approvals a request needs, and from whom. Nothing else in the portal says so.

`BY_RISK` and `shortfall` are the rule. Python asks them about one request, the ORM about all that are pending, and the
triggers, which hold the rule whatever code writes, are made of them too. A migration holds its SQL literally: who
changes the rule writes the next one from `trigger_sql`, and a test compares that with what is installed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar

from django.contrib.auth.models import User
from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest

from keys_app.organisation.models import Account
from keys_app.permissions.risk import Risk

from .decision_models import Approval
from .models import KeyRequest
from .states import GRANTED

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


Given = TypeVar("Given", bound=Approval)


@dataclass(frozen=True, slots=True)
class RiskRule:
    """What a risk asks for: Security's approval after the leads', and whether it is granted without people at all."""

    security: bool = False
    by_rule: bool = False
    by_break_glass: bool = True


BY_RISK = {
    Risk.LOW: RiskRule(by_rule=True),
    Risk.MEDIUM: RiskRule(),
    Risk.HIGH: RiskRule(),
    Risk.CRITICAL: RiskRule(security=True, by_break_glass=False),
}


def _risks(asks: Callable[[RiskRule], bool]) -> list[Risk]:
    return [risk for risk, rule in BY_RISK.items() if asks(rule)]


def shortfall(leads: Any, security: Any, by_leads: Any, by_security: Any, *, greatest: Callable[..., Any]) -> Any:
    """Return how many approvals of leads, and of Security, are missing; 0 or less if none is.

    What Security gave beyond its own stands in for a lead's. Numbers, ORM expressions and SQL are counted alike.
    """
    beyond_its_own = greatest(0, by_security - security)
    return leads - by_leads - beyond_its_own, security - by_security


# In Python: one request.


class ApprovalsMissing(NamedTuple):
    """How many approvals of leads, and of Security, are missing."""

    leads: int
    security: int


@dataclass(frozen=True, slots=True)
class ApprovalRequirement:
    """Leads approve first, `leads` of them (0 to 2); then, with `security`, a user of Security does."""

    leads: int
    security: bool

    @classmethod
    def of(cls, risk: str, account: Account | None) -> "ApprovalRequirement":
        """Return what a request of this risk needs on this account; as on most accounts while none is chosen."""
        return cls(leads=account.leads_required if account else 1, security=BY_RISK[Risk(risk)].security)

    @classmethod
    def now(cls, key_request: KeyRequest) -> "ApprovalRequirement":
        """Return what a request needs now: never less than when it was sent, more if account or risk ask for more."""
        return cls._at(key_request, key_request.rated_risk)

    @classmethod
    def stored(cls, key_request: KeyRequest) -> "ApprovalRequirement":
        """Return what a request needs by the risk it is stored with, by which the database counts as well."""
        return cls._at(key_request, Risk(key_request.risk))

    @classmethod
    def _at(cls, key_request: KeyRequest, risk: Risk) -> "ApprovalRequirement":
        rule, alone = BY_RISK[risk], key_request.security_alone
        leads = max(key_request.leads_required, key_request.account.leads_required)
        return cls(leads=0 if alone and rule.by_break_glass else leads, security=rule.security or alone)

    @property
    def total(self) -> int:
        return self.leads + self.security

    def missing(self, given: Sequence[str]) -> ApprovalsMissing:
        """Return how many approvals of whom are missing, from the capacities of those given."""
        by_security = list(given).count(Approval.Capacity.SECURITY)
        by_leads = len(given) - by_security
        leads, security = shortfall(self.leads, int(self.security), by_leads, by_security, greatest=max)
        return ApprovalsMissing(max(0, leads), max(0, security))

    @property
    def words(self) -> str:
        """Say who decides, as the beginning of a sentence."""
        if not self.leads:
            return "Security alone decides"
        leads = "A lead of the team decides" if self.leads == 1 else "Two leads of the team decide"
        return f"{leads}, then Security" if self.security else leads


def rated_today(key_request: KeyRequest) -> dict[str, Any]:
    """Return the columns the triggers count by, as account and risk ask today."""
    return {"risk": key_request.rated_risk, "leads_required": ApprovalRequirement.now(key_request).leads}


def a_rule_may_approve(key_request: KeyRequest) -> bool:
    """Tell whether an operator's rule can approve this in people's place: its risk lets it, and one lead is wanted."""
    one_lead = ApprovalRequirement(leads=1, security=False)
    return BY_RISK[key_request.rated_risk].by_rule and ApprovalRequirement.now(key_request) == one_lead


def glass_is_open(requester: User) -> bool:
    """Tell whether break-glass access of this user has led to a key, or still can, and no one has reviewed that."""
    reviewed = Approval.objects.filter(request=OuterRef("pk"), decision=Approval.Decision.REVIEWED)
    grants = Q(state__in=GRANTED, reopened_at=None) | Q(keys__isnull=False)
    broken = KeyRequest.objects.filter(grants, requester=requester, security_alone=False).exclude(incident="")
    return broken.exclude(Exists(reviewed)).exists()


def approvals_given(key_request: KeyRequest, standing: Iterable[Given]) -> list[Given]:
    """Return those of its `standing` approvals that are of its content, or of more: approving more approves less."""
    of_this, digest = list(standing), key_request.content_digest
    if all(one.content_digest == digest for one in of_this):
        return of_this
    enough = {digest, *key_request.narrowings.values_list("from_digest", flat=True)}
    return [one for one in of_this if one.content_digest in enough]


# In the ORM: many requests.


def count_of(rows: QuerySet[Any], group: str) -> Coalesce:
    """Return the number of these rows, correlated with an outer query by `group`."""
    counted = rows.order_by().values(group).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


class Shortfall(TypedDict):
    """What `with_shortfall` says of a request, of what is used outside of queries."""

    by_leads: int
    by_security: int
    leads_missing: int


def with_shortfall(requests: QuerySet[KeyRequest]) -> "QuerySet[WithAnnotations[KeyRequest, Shortfall]]":
    """Annotate requests with `leads` they need, approvals `by_leads` and `by_security`, and what is missing of each."""
    standing = Approval.objects.standing().filter(request=OuterRef("pk"))
    of_security = Q(capacity=Approval.Capacity.SECURITY)
    counted = (F(name) for name in ("leads", "security", "by_leads", "by_security"))
    most = Greatest("leads_required", "account__leads_required")
    asks_security = Q(risk__in=_risks(lambda rule: rule.security)) | Q(security_alone=True)
    alone = Q(security_alone=True, risk__in=_risks(lambda rule: rule.by_break_glass))
    leads, security = shortfall(*counted, greatest=lambda low, high: Greatest(Value(low), high))
    return requests.annotate(
        by_leads=count_of(standing.exclude(of_security), "request"),
        by_security=count_of(standing.filter(of_security), "request"),
        leads=Case(When(alone, then=0), default=most, output_field=IntegerField()),
        security=Case(When(asks_security, then=1), default=0),
        leads_missing=leads,
        security_missing=security,
    )


# In the database: triggers, whatever code writes.


@dataclass(frozen=True, slots=True)
class _Sql:
    """A number in SQL, from which others can be subtracted."""

    text: str

    def __sub__(self, other: "_Sql") -> "_Sql":
        return _Sql(f"{self.text} - {other.text}")


def _one_of(column: str, values: Iterable[str]) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"


_GREATEST = {"sqlite": "MAX", "postgresql": "GREATEST"}


_BY_GLASS = "NEW.incident <> '' AND NOT NEW.security_alone AND NEW.reopened_at IS NULL"


def _granted_by_open_glass() -> str:
    """Return when break-glass access grants a request though `glass_is_open` for its requester without it."""
    may_have_a_key = (
        f"(({_one_of('earlier.state', GRANTED)} AND earlier.reopened_at IS NULL) "  # noqa: S608
        "OR EXISTS (SELECT 1 FROM keys_app_apikey WHERE request_id = earlier.id))"
    )
    unreviewed = (
        "NOT EXISTS (SELECT 1 FROM keys_app_approval WHERE request_id = earlier.id "  # noqa: S608 constants alone
        f"AND decision = '{Approval.Decision.REVIEWED}')"
    )
    earlier = (
        "EXISTS (SELECT 1 FROM keys_app_keyrequest AS earlier WHERE earlier.requester_id = NEW.requester_id "  # noqa: S608
        "AND earlier.id <> NEW.id AND earlier.incident <> '' AND NOT earlier.security_alone "
        f"AND {may_have_a_key} AND {unreviewed})"
    )
    return f"{_one_of('NEW.state', GRANTED)} AND {_BY_GLASS} AND {earlier}"


def _no_break_glass() -> str:
    return _one_of("NEW.risk", _risks(lambda rule: not rule.by_break_glass))


def _unapproved(vendor: str) -> str:
    """Return when a request may not be in the state it is in, because approvals that it needs are missing."""
    for_security = f"{_one_of('NEW.risk', _risks(lambda rule: rule.security))} OR NEW.security_alone"
    given = (
        "SELECT COUNT(*) FROM keys_app_approval WHERE request_id = NEW.id AND decision = 'approved' "
        "AND void_at IS NULL AND (content_digest = NEW.content_digest "
        "OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id))"
    )
    leads, security = shortfall(
        _Sql("NEW.leads_required"),
        _Sql(f"(CASE WHEN {for_security} THEN 1 ELSE 0 END)"),
        _Sql(f"({given} AND capacity <> '{Approval.Capacity.SECURITY}')"),
        _Sql(f"({given} AND capacity = '{Approval.Capacity.SECURITY}')"),
        greatest=lambda low, high: _Sql(f"{_GREATEST[vendor]}({low}, {high.text})"),
    )
    return (
        f"{_one_of('NEW.state', GRANTED)} AND CASE WHEN {_BY_GLASS} "
        f"THEN {_no_break_glass()} ELSE {leads.text} > 0 OR {security.text} > 0 END"
    )


def trigger_sql(vendor: str) -> dict[str, list[str]]:
    """Return the statements that create each trigger that holds this rule, by its name, for one database vendor."""
    risk = "(SELECT risk FROM keys_app_keyrequest WHERE id = NEW.request_id)"
    by_rule = _one_of(risk, _risks(lambda rule: rule.by_rule))
    missing, too_risky = "the approvals this request needs are missing", "this risk is not approved without people"
    unreviewed, by_glass = "an earlier break-glass key is not reviewed", _granted_by_open_glass()
    triggers = [
        ("request_approved_insert", "INSERT", "keyrequest", _unapproved(vendor), missing),
        ("request_approved_update", "UPDATE", "keyrequest", _unapproved(vendor), missing),
        ("request_incident_insert", "INSERT", "keyrequest", f"NEW.incident <> '' AND {_no_break_glass()}", too_risky),
        ("request_glass_insert", "INSERT", "keyrequest", by_glass, unreviewed),
        ("request_glass_update", "UPDATE", "keyrequest", f"OLD.state = 'pending' AND {by_glass}", unreviewed),
        ("approval_rule_insert", "INSERT", "approval", f"NEW.rule_name <> '' AND NOT {by_rule}", too_risky),
    ]
    write = {"sqlite": _for_sqlite, "postgresql": _for_postgresql}[vendor]
    return {
        name: write(name, f"BEFORE {event} ON keys_app_{table}", condition, refusal)
        for name, event, table, condition, refusal in triggers
    }


def _for_sqlite(name: str, when: str, condition: str, refusal: str) -> list[str]:
    return [f"CREATE TRIGGER {name} {when} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{refusal}'); END"]


def _for_postgresql(name: str, when: str, condition: str, refusal: str) -> list[str]:
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF ({condition}) THEN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'check_violation'; END IF; "
        f"RETURN NEW; END $$",
        f"CREATE TRIGGER {name} {when} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]
