"""Looks at what guards the database, and tells Security of what is missing until it is back."""

import logging
from dataclasses import dataclass

from django.utils import timezone

from keys_app.audit import database_role, guards
from keys_app.core.actor import Actor
from keys_app.core.isolation import isolated
from keys_app.notifications import troubles

log = logging.getLogger(__name__)

_TRIGGERS = f"{troubles.UNGUARDED}:triggers"
_ROLE = f"{troubles.UNGUARDED}:role "
_PAGE = "/audit/verify/"


@dataclass(frozen=True, slots=True)
class GuardCheck:
    """`faults` says what of the guards is missing, a sentence each; `remark` what is allowed and could be stricter."""

    triggers: list[str]
    role: database_role.DatabaseRole

    @property
    def faults(self) -> list[str]:
        return [*self.triggers, self.role.excess] if self.role.excess else self.triggers

    @property
    def remark(self) -> str:
        return self.role.remark


def look() -> GuardCheck:
    """Return how the guards are now."""
    return GuardCheck(guards.problems(), database_role.look())


def look_and_tell(actor: Actor) -> GuardCheck:
    """Do what `look` does, and tell Security of what is missing, or that it is back. Not inside a transaction."""
    found, begun = look(), timezone.now()
    for fault in found.faults:
        log.error("%s", fault)
    role = f"{_ROLE}{found.role.name}"
    titles = {_TRIGGERS: "The database is not guarded as it should be", role: "The database role may do too much"}
    words = {_TRIGGERS: " ".join(found.triggers), role: found.role.excess}
    with isolated("telling of what guards the database"):
        for key in (one for one in words if words[one]):
            seen = troubles.Seen(key, troubles.UNGUARDED, titles[key], words[key], begun, path=_PAGE)
            troubles.see(seen, actor)
        over = [key for key in words if not words[key]]  # another role's is not seen from here
        troubles.end(troubles.open_troubles(troubles.UNGUARDED).filter(key__in=over), actor)
    return found
