"""Changes made in the admin, as ledger events that say from what to what."""

from django.contrib.auth.models import User
from django.db.models import Model

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.organisation.models import Account, Team
from keys_app.organisation.recorded_state import State, difference, parts_of, rights_of, state_of

from . import account_changes


def record_admin_change(
    *, actor: Actor, what: str, subject: Model, changes: object, before: State | None = None, tells: bool = True
) -> None:
    """Append an event for a team, account, user or group edited in the admin, and tell those it is about.

    `what` is `created`, `changed` or `deleted`; `changes` is Django's own list of changed fields, which
    names fields and never holds a password or credential; `before` is what `lock_and_read` returned. The rights as
    they are afterwards, or were before a deletion, are recorded with it. Without `tells`, the caller tells them.
    Runs in the admin's transaction.
    """
    changed = difference(before or {}, {} if what == "deleted" else state_of(subject))
    if tells and isinstance(subject, User) and what != "deleted":
        account_changes.account_changed(user=subject, changed=changed, actor=actor)
    if tells and isinstance(subject, Team):
        account_changes.members_changed(team=subject, changed=parts_of(changed.get("members")), actor=actor)
    record(
        f"{subject._meta.model_name}.{what}",
        actor,
        account=subject if isinstance(subject, Account) else None,
        subject=str(subject),
        subject_id=str(subject.pk),
        changes=changes,
        details={**({"changed": changed} if what == "changed" and changed else {}), **rights_of(subject)},
    )
