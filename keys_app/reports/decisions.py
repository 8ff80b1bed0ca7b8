"""Who decided what, for Security's report."""

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import QuerySet

from keys_app.core.actor import with_login
from keys_app.key_requests.decision_models import Approval
from keys_app.keys.models import ApiKey

RULE = "rule:"
"""What stands before a rule's name where a user name could stand, which has no colon."""


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
