"""Connecting Twilio accounts."""

import itertools

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import lock_row
from keys_app.core.errors import InvalidInput, PortalError
from keys_app.core.secret import Secret
from keys_app.twilio_iam.errors import TwilioError

from .credentials import encrypt, open_client
from .models import Account, Team
from .recorded_state import difference, state_of

GIVEN = ["name", "environment", "credential_user", "credential_ciphertext", "connected_at"]


def connect_account(
    *, sid: str, name: str, environment: str, username: str, password: Secret, teams: list[Team], actor: Actor
) -> Account:
    """Check a credential by listing the account's keys, then store the account with it, encrypted.

    Connecting an account again replaces its credential, name and environment, adds the teams, and leaves the rest.
    Raises `InvalidInput` for a bad value and `PortalError` if Twilio does not accept the credential.
    """
    account = Account(
        sid=sid, name=name, environment=environment, credential_user=username, connected_at=timezone.now()
    )
    account.credential_ciphertext = encrypt(password)
    try:
        account.clean_fields()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(field, f"{field}: {' '.join(messages)}") from None
    _check(sid, username, password)
    if Account.objects.filter(pk=sid).exists() or not _add(account, teams, actor):
        _connect_again(account, teams, actor)
    return Account.objects.get(pk=sid)


def _add(account: Account, teams: list[Team], actor: Actor) -> bool:
    """Store a new account; tell whether it was new."""
    try:
        with transaction.atomic(durable=True):
            account.save(force_insert=True)
            account.teams.add(*teams)
            record("account.connected", actor, account=account, details=_given(account, teams))
    except IntegrityError:
        return False
    return True


def _connect_again(account: Account, teams: list[Team], actor: Actor) -> None:
    """Change what was given and nothing else; the event says from what to what."""
    with transaction.atomic(durable=True):
        known = lock_row(Account, account.pk)
        before = {**state_of(known), "credential": known.credential_user}
        account.save(force_update=True, update_fields=GIVEN)
        account.teams.add(*teams)
        account.refresh_from_db()
        changed = difference(before, {**state_of(account), "credential": account.credential_user})
        changed.setdefault("credential", "set")
        record("account.reconnected", actor, account=account, changed=changed, details=_given(account, teams))


def _given(account: Account, teams: list[Team]) -> dict[str, object]:
    return {
        "name": account.name,
        "environment": account.environment,
        "credential": account.credential_user,
        "teams": [team.name for team in teams],
    }


def _check(sid: str, username: str, password: Secret) -> None:
    with open_client(username, password) as client:
        try:
            list(itertools.islice(client.list_keys(account_sid=sid, page_size=1), 1))
        except TwilioError as error:
            raise PortalError(f"Twilio did not list the keys of {sid}: {error.message}") from None
