"""Changes made in the admin, as ledger events."""

from django.contrib.auth.models import User
from django.db.models import Model

from ..models import Account, Team, Webhook
from .actors import Actor, record


def record_admin_change(*, actor: Actor, what: str, subject: Model, changes: object) -> None:
    """Append an event for a team, account, user or group edited in the admin.

    `what` is `created`, `changed` or `deleted`; `changes` is Django's own list of changed fields, which
    names fields and never holds a password or credential. The rights as they are afterwards are recorded
    with it. Runs in the admin's transaction.
    """
    record(
        f"{subject._meta.model_name}.{what}",
        actor,
        account=subject if isinstance(subject, Account) else None,
        subject=str(subject),
        subject_id=str(subject.pk),
        changes=changes,
        **({} if what == "deleted" else _rights(subject)),
    )


def _rights(subject: Model) -> dict[str, object]:
    """Return who may do what because of this object."""
    if isinstance(subject, User):
        groups = sorted(subject.groups.values_list("name", flat=True))
        return {"groups": groups, "superuser": subject.is_superuser, "active": subject.is_active}
    if isinstance(subject, Team):
        people = subject.memberships.select_related("user").order_by("user__username")
        glass = [person.user.get_username() for person in people if person.may_break_glass]
        members = {person.user.get_username(): "lead" if person.is_lead else "member" for person in people}
        return {"members": members, "may_break_glass": glass, **_limits(subject)}
    if isinstance(subject, Account):
        return {
            "teams": sorted(subject.teams.values_list("name", flat=True)),
            "active": subject.is_active,
            "leads_required": subject.leads_required,
            **_limits(subject),
        }
    if isinstance(subject, Webhook):
        team = subject.team.name if subject.team else "all teams"
        return {"host": subject.url_host, "team": team, "kinds": subject.event_kinds, "active": subject.is_active}
    return {}


def _limits(subject: Account | Team) -> dict[str, object]:
    """Return the guard rails as they are afterwards."""
    return {
        "allowed_products": sorted(subject.allowed_products),
        "forbidden_permissions": sorted(subject.forbidden_permissions),
        "max_risk": subject.max_risk,
        "max_lifetime_days": subject.max_lifetime_days,
    }
