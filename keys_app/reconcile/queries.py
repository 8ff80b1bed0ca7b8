"""How the reconciler is doing, and what it found."""

from django.conf import settings
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from keys_app.connections.models import Connection
from keys_app.core.present import present
from keys_app.core.times import moment
from keys_app.keys.models import ApiKey
from keys_app.keys.states import KeyState
from keys_app.organisation.access import Person, teams_led
from keys_app.organisation.models import Account, Team
from keys_app.permissions.policy import Policy
from keys_app.permissions.risk import Risk, policy_risk

from .models import IN_DOUBT, ReconcileRun, UnmanagedKey


def last_run() -> ReconcileRun | None:
    """Return the latest run that came to its end."""
    return ReconcileRun.objects.filter(finished_at__isnull=False).first()


def finished_lately() -> bool:
    """Tell whether a run has come to its end within `RECONCILE_LATE_AFTER`."""
    last = last_run()
    return last is not None and _is_recent(last)


def _is_recent(run: ReconcileRun) -> bool:
    return timezone.now() - present(run.finished_at) <= settings.RECONCILE_LATE_AFTER


def runs_with_findings() -> QuerySet[ReconcileRun]:
    """Return the runs that found something or broke off, the latest first."""
    return ReconcileRun.objects.filter(found_something=True)


def reconciler_warning(last: ReconcileRun | None) -> str:
    """Return a warning if the reconciler never ran, not for long, or not without failures; empty if it is well.

    `last` is the latest run that came to its end.
    """
    if last is None:
        return "The reconciler has never run. Keys past their lifetime and keys with lost secrets stay at Twilio."
    if not _is_recent(last):
        return f"The reconciler ran last at {moment(present(last.finished_at))}. Start it again: keys wait for it."
    if last.error:
        return f"The reconciler's last run could not do everything. {last.error} The portal's log says more."
    return ""


def account_checks() -> QuerySet[Account]:
    """Return every account with the state of its comparison and the number of its unmanaged keys."""
    here = Q(unmanaged_keys__isnull=False, unmanaged_keys__gone_at=None, unmanaged_keys__adopted_at=None)
    return Account.objects.select_related("check_state").annotate(unmanaged=Count("unmanaged_keys", filter=here))


def open_connections() -> QuerySet[Connection]:
    """Return the attempts to connect an account that are under way, or whose key may still be at Twilio."""
    return Connection.objects.filter(settled_at=None)


def drifted_keys() -> QuerySet[ApiKey]:
    """Return the live keys that are not at Twilio what was approved."""
    live = ApiKey.objects.filter(state=KeyState.ACTIVE).select_related("owner", "team", "account")
    return live.exclude(drift_json="")


def unmanaged_keys() -> QuerySet[UnmanagedKey]:
    """Return the keys at Twilio that are nobody's, the last found first: not adopted, nor the portal's own."""
    here = UnmanagedKey.objects.filter(gone_at=None, adopted_at=None).exclude(sid=F("account__credential_user"))
    return here.select_related("account", "proposed_team").order_by("-first_seen", "-sid")


def visible_unmanaged(who: Person) -> QuerySet[UnmanagedKey]:
    """Return the keys the portal never made, on the accounts of teams this person leads; all for Security."""
    keys = UnmanagedKey.objects.select_related("account", "proposed_team", "proposed_by")
    if who.is_security:
        return keys
    accounts = Account.objects.filter(teams__in=who.led_team_ids)
    return keys.filter(account__in=accounts)


SHOWN = {
    "doubt": "Keep or delete",
    "proposed": "Proposed to a team",
    "deleting": "Being deleted",
    "adopted": "Adopted",
    "gone": "Gone",
    "all": "Gone and adopted too",
}
"""What the list of unmanaged keys can show besides those that exist, see `is_shown`."""


def is_shown(show: str) -> Q:
    """Return the condition that an unmanaged key is one of those in `SHOWN`; for anything else, that it exists."""
    here = Q(gone_at=None, adopted_at=None)
    conditions = {
        "doubt": IN_DOUBT,
        "proposed": here & Q(proposed_team__isnull=False, delete_since=None),
        "deleting": here & Q(delete_since__isnull=False),
        "adopted": Q(adopted_at__isnull=False),
        "gone": Q(gone_at__isnull=False, adopted_at=None),
        "all": Q(),
    }
    return conditions.get(show, here)


def unmanaged_has_word(word: str) -> Q:
    """Return the condition that an unmanaged key has a word in its name at Twilio or its SID."""
    return Q(friendly_name__icontains=word) | Q(sid__icontains=word)


def unmanaged_has_risk(risk: str) -> Q:
    """Return the condition that an unmanaged key has a risk, as rated today. Each policy there is is read once."""
    policies = UnmanagedKey.objects.exclude(policy_json="").order_by().values_list("policy_json", flat=True).distinct()
    rated = Q(policy_json__in=[policy for policy in policies if policy_risk(Policy.from_json(policy)) == risk])
    return rated | Q(policy_json="", checked_at__isnull=False) if risk == Risk.CRITICAL else rated


def adopting_teams(who: Person, unmanaged: UnmanagedKey) -> QuerySet[Team]:
    """Return the teams this person may adopt a key for: those they lead, with its account."""
    return teams_led(who).filter(accounts=unmanaged.account_id)
