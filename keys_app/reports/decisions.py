"""Who decided what, for Security's report."""

from collections import defaultdict
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet

from keys_app.core.actor import with_login
from keys_app.key_requests.decision_models import Approval
from keys_app.keys.models import ApiKey

RULE = "rule:"
"""What stands before a rule's name where a user name could stand, which has no colon."""


def decisions() -> QuerySet[Approval]:
    """Return who decided what."""
    people = ("approver", "authority", "request__requester")
    return Approval.objects.select_related(*people, "request__team", "request__account")


def decided_by(by: str) -> Q:
    """Return the condition that a decision is that of a user name, or of `rule:` and a rule's name."""
    if by.startswith(RULE):
        return Q(rule_name=by.removeprefix(RULE))
    return Q(approver__username=by)


def has_word(word: str) -> Q:
    """Return the condition that a decision has a word in its request's name or ticket, a user in it, or its reason."""
    people = ("approver", "request__requester")
    names = [f"{user}__{name}" for user in people for name in ("username", "first_name", "last_name")]
    columns = ("request__friendly_name", "request__ticket_url", "rule_name", "reason", *names)
    return Q(*((f"{column}__icontains", word) for column in columns), _connector=Q.OR)


def all_who_decided() -> list[tuple[str, str]]:
    """Return each user and rule that decided something, as `decided_by` takes it and in words. Two queries.

    Users come first, by login; a rule is among them whether or not there still is such a rule.
    """
    decided = Exists(Approval.objects.filter(approver=OuterRef("pk")))
    users = User.objects.filter(decided).order_by("username").values_list("username", "first_name", "last_name")
    rules = Approval.objects.exclude(rule_name="").order_by("rule_name").values_list("rule_name", flat=True).distinct()
    return [
        *((login, with_login(f"{first} {last}".strip() or login, login)) for login, first, last in users),
        *((f"{RULE}{rule}", f"The rule “{rule}”") for rule in rules),
    ]


def issued_of(approvals: Iterable[Approval]) -> dict[object, list[str]]:
    """Return the SIDs of the keys that came of each decision's request."""
    found: dict[object, list[str]] = defaultdict(list)
    wanted = [approval.request_id for approval in approvals]
    for request_id, sid in ApiKey.objects.filter(request__in=wanted).values_list("request_id", "pk"):
        found[request_id].append(sid)
    return found
