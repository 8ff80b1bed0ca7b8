"""Changes made in the admin, as ledger events."""

from django.db.models import Model

from ..models import Account
from .actors import Actor, record


def record_admin_change(*, actor: Actor, what: str, subject: Model, changes: object) -> None:
    """Append an event for a team, account, user or group edited in the admin.

    `what` is `created`, `changed` or `deleted`; `changes` is Django's own list of changed fields,
    which names fields and never holds a password or credential. Runs in the admin's transaction.
    """
    record(
        f"{subject._meta.model_name}.{what}",
        actor,
        account=subject if isinstance(subject, Account) else None,
        subject=str(subject),
        subject_id=str(subject.pk),
        changes=changes,
    )
