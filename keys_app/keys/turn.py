"""Whose turn a key is: to take it over, to confirm that its secret is stored, or to ask for a new one in time."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.utils import timezone

from keys_app.core.actor import display_name, name_list
from keys_app.core.times import duration
from keys_app.key_requests.turn import Todo, Turn
from keys_app.organisation.access import leads_by_team
from keys_app.organisation.models import Team

from .models import ApiKey
from .queries import SOON
from .states import KeyState

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from .queries import KeyNotes


def turns_of_keys(keys: "Iterable[WithAnnotations[ApiKey, KeyNotes]]") -> dict[str, list[Turn]]:
    """Return whose turn each of these keys of `visible_keys` is, by its SID, the most pressing first.

    None where there is nothing to do. However many keys there are, it takes one query, or none.
    """
    asked = list(keys)
    left = {key.team for key in asked if key.owner_left and key.state == KeyState.ACTIVE}
    leads = leads_by_team(left) if left else {}
    return {key.pk: list(_turns(key, leads)) for key in asked}


def _turns(key: "WithAnnotations[ApiKey, KeyNotes]", leads: dict[Team, list[User]]) -> Iterable[Turn]:
    if key.state != KeyState.ACTIVE or key.is_overdue:
        return
    if key.owner_left:
        yield _take_over(key, tuple(leads[key.team]))
        return
    if key.awaits_confirmation:
        yield _confirm(key)
    if not key.retires_at and key.expires_at - SOON <= timezone.now():
        yield _renew(key)


def _take_over(key: ApiKey, leads: tuple[User, ...]) -> Turn:
    return Turn(
        Todo.TAKE_OVER,
        whose=leads,
        yours="take over the key, or revoke it: its owner left",
        theirs=f"{name_list(leads) if leads else 'No one'} may take over the key: its owner left.",
        calls="Owner left – take it over" if leads else "Owner left",
        since=key.issued_at,
    )


def _confirm(key: ApiKey) -> Turn:
    return Turn(
        Todo.CONFIRM,
        whose=(key.owner,),
        yours="confirm that the secret is stored",
        theirs=f"{display_name(key.owner)} confirms that the secret is stored.",
        calls="Issued – confirm that the secret is stored",
        since=key.issued_at,
    )


def _renew(key: ApiKey) -> Turn:
    left = duration(key.expires_at - timezone.now())
    return Turn(
        Todo.RENEW,
        whose=(key.owner,),
        yours=f"ask for a new key: this one expires in {left}",
        theirs=f"{display_name(key.owner)} asks for a new key: this one expires in {left}.",
        calls=f"Expires in {left} – ask for a new key",
        since=key.expires_at - SOON,
    )
