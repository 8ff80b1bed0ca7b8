"""Who may do what because of a team, account or user, to compare before and after a change."""

from django.contrib.auth.models import User
from django.db.models import Model

from keys_app.core.actor import display_name
from keys_app.core.db import lock_row

from .models import Account, Team

State = dict[str, object]

_UNSAID = "password"
"""What the ledger says of it is that it was set: neither from nor to."""


def lock_and_read(subject: Model) -> State:
    """Lock a row until the transaction ends, and return what is compared after the change."""
    lock_row(type(subject), subject.pk)
    return state_of(subject)


def state_of(subject: Model) -> State:
    """Return what somebody is told of, or may do, by this object."""
    if isinstance(subject, User):
        return {
            "login": subject.get_username(),
            "name": display_name(subject),
            "mail": subject.email,
            _UNSAID: subject.get_session_auth_hash(),
            **rights_of(subject),
        }
    if isinstance(subject, Team):
        roles, glass = _members(subject)
        members = {login: f"{role}, may break glass" if login in glass else role for login, role in roles.items()}
        return {
            "members": members,
            **_limits(subject),
            "name": subject.name,
            "notice_email": subject.notice_email,
        }
    if isinstance(subject, Account):
        return {**rights_of(subject), "name": subject.name, "environment": subject.environment}
    return rights_of(subject)


def difference(before: State, after: State) -> State:
    """Return from what to what each thing changed; inside one that has parts, each part."""
    changed: State = {}
    for name in [*after, *(name for name in before if name not in after)]:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) or isinstance(new, dict):
            changed |= {name: parts} if (parts := difference(parts_of(old), parts_of(new))) else {}
        else:
            changed[name] = "set" if name == _UNSAID else {"from": old, "to": new}
    return changed


def parts_of(value: object) -> State:
    """Return what has parts; for anything else, none."""
    return value if isinstance(value, dict) else {}


def rights_of(subject: Model) -> State:
    """Return who may do what because of this object."""
    if isinstance(subject, User):
        groups = sorted(subject.groups.values_list("name", flat=True))
        return {"groups": groups, "superuser": subject.is_superuser, "active": subject.is_active}
    if isinstance(subject, Team):
        roles, glass = _members(subject)
        return {"members": roles, "may_break_glass": glass, **_limits(subject)}
    if isinstance(subject, Account):
        return {
            "teams": sorted(subject.teams.values_list("name", flat=True)),
            "active": subject.is_active,
            "leads_required": subject.leads_required,
            **_limits(subject),
        }
    rights = getattr(subject, "rights", None)  # a webhook's
    return rights() if rights else {}


def _members(team: Team) -> tuple[dict[str, str], list[str]]:
    """Return the role of each member by login, and the logins of those who may break glass."""
    members = team.memberships.select_related("user").order_by("user__username")
    roles = {one.user.get_username(): "lead" if one.is_lead else "member" for one in members}
    return roles, [one.user.get_username() for one in members if one.may_break_glass]


def _limits(subject: Account | Team) -> State:
    """Return the guardrails as they are afterwards."""
    return {
        "allowed_products": sorted(subject.allowed_products),
        "forbidden_permissions": sorted(subject.forbidden_permissions),
        "max_risk": subject.max_risk,
        "max_lifetime_days": subject.max_lifetime_days,
    }
