"""Storing an account that is connected: a new one whole, of one connected before only what was given."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import lock_row
from keys_app.core.errors import Conflict, InvalidInput
from keys_app.core.secret import Secret
from keys_app.core.typed import line_problem
from keys_app.organisation.credentials import encrypt
from keys_app.organisation.models import Account, Team
from keys_app.organisation.recorded_state import difference, state_of

from . import attempt
from .models import Connection
from .outcomes import ConnectionOutcome

NEW_NEEDS = "An account that is connected for the first time needs it."


@dataclass(frozen=True, slots=True)
class Wish:
    """What is given to connect an account; None for what an account connected before keeps."""

    sid: str
    username: str
    password: Secret = field(repr=False)
    name: str | None
    environment: str | None
    teams: list[Team]


def require_valid(wish: Wish) -> None:
    """Raise `InvalidInput` for a bad value, or one that a new account needs and was not given."""
    known = Account.objects.filter(pk=wish.sid).first()
    account = known or Account(sid=wish.sid, connected_at=timezone.now())
    for field_name, value in _given(wish).items():
        setattr(account, field_name, value)
    account.credential_user, account.credential_ciphertext = wish.username, encrypt(wish.password)
    try:
        account.clean_fields()
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        left_out = known is None and getattr(wish, name, "") is None
        raise InvalidInput(name, f"{name}: {NEW_NEEDS if left_out else ' '.join(messages)}") from None
    if problem := line_problem(account.name, "name"):
        raise InvalidInput("name", problem)


def store(wish: Wish, connection: Connection, actor: Actor, *, proved: bool) -> Account:
    """Commit that the account is connected, and close the attempt.

    `proved` says that its throwaway key was made, read and deleted. Raises `Conflict` if the reconciler has closed the
    attempt meanwhile; then nothing is changed.
    """
    now = timezone.now()
    values = {
        **_given(wish),
        "credential_user": wish.username,
        "credential_ciphertext": encrypt(wish.password),
        "connected_at": now,
        "proved_at": now if proved else None,
    }
    with transaction.atomic(durable=True):
        if not attempt.settle(connection, ConnectionOutcome.CONNECTED):
            raise Conflict(attempt.TOO_LATE)
        account, is_new = Account.objects.get_or_create(sid=wish.sid, defaults=values)
        changed = {} if is_new else {"changed": _change(account, values, wish.teams)}
        if is_new:
            account.teams.add(*wish.teams)
        if proved:
            attempt.record_deleted(connection, actor)
        action = "account.connected" if is_new else "account.reconnected"
        details = {**_given(wish), "credential": wish.username, "proved": proved, **changed}
        record(action, actor, account=account, details={**details, "teams": [team.name for team in wish.teams]})
    return account


def _change(account: Account, values: Mapping[str, object], teams: list[Team]) -> dict[str, object]:
    """Change what was given and nothing else; return from what to what."""
    known = lock_row(Account, account.pk)
    before = {**state_of(known), "credential": known.credential_user}
    Account.objects.filter(pk=account.pk).update(**values)
    account.teams.add(*teams)
    account.refresh_from_db()
    changed = difference(before, {**state_of(account), "credential": account.credential_user})
    return {**changed, "credential": changed.get("credential", "set")}


def _given(wish: Wish) -> dict[str, str]:
    given = {"name": wish.name, "environment": wish.environment}
    return {name: value for name, value in given.items() if value is not None}
