"""Connecting Twilio accounts."""

import itertools

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from ..domain.errors import InvalidInput, PortalError
from ..domain.secret import Secret
from ..models import Account, Team
from ..twilio_iam.errors import TwilioError
from .actors import Actor, record
from .credentials import encrypt, open_client


def connect_account(
    *, sid: str, name: str, environment: str, username: str, password: Secret, teams: list[Team], actor: Actor
) -> Account:
    """Check a credential by listing the account's keys, then store the account with it, encrypted.

    Connecting an account again replaces its credential, name and environment and adds the teams.
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
    with transaction.atomic(durable=True):
        known = Account.objects.select_for_update(no_key=True).filter(pk=sid).first()
        account.is_active = known.is_active if known else True
        account.save()
        account.teams.add(*teams)
        record(
            "account.reconnected" if known else "account.connected",
            actor,
            account=account,
            name=name,
            environment=environment,
            credential=username,
            teams=[team.name for team in teams],
        )
    return account


def _check(sid: str, username: str, password: Secret) -> None:
    with open_client(username, password) as client:
        try:
            list(itertools.islice(client.list_keys(account_sid=sid, page_size=1), 1))
        except TwilioError as error:
            raise PortalError(f"Twilio did not list the keys of {sid}: {error.message}") from None
