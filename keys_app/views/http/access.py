"""Refused access, on the record: the page is the same “not found”, and the ledger says who asked for what."""

from typing import TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404

from keys_app.audit.throttle import note
from keys_app.core.actor import Actor
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.organisation import access
from keys_app.reconcile.models import UnmanagedKey

from .actor import actor_of
from .signed_in import SignedInRequest

Found = TypeVar("Found", bound=ApiKey | KeyRequest | UnmanagedKey)


def visible_or_404(request: SignedInRequest, rows: QuerySet[Found], pk: UUID | str) -> Found:
    """Return the object if it is among what this person may see. Raises `Http404` otherwise, and notes it."""
    found = rows.filter(pk=pk).first()
    if found is None:
        note_refusal(actor_of(request), rows.model, pk)
        raise Http404("no such object")
    return found


def require_security(request: SignedInRequest) -> None:
    """Let Security through. Raises `PermissionDenied` for everybody else, and notes it."""
    if not access.person(request.user).is_security:
        note_page(request)
        raise PermissionDenied


def require_approver(request: SignedInRequest) -> access.Person:
    """Return who decides for a team, or is in Security. Raises `PermissionDenied` for others, and notes it."""
    who = access.person(request.user)
    if not who.is_approver:
        note_page(request)
        raise PermissionDenied
    return who


def note_page(request: SignedInRequest) -> None:
    """Note that a user asked for a page that is not for them."""
    note("access.refused", actor_of(request), page=request.path)


def note_refusal(actor: Actor, model: type[Model], pk: UUID | str) -> None:
    """Note that a user asked for a request or key they may not see, one of the portal's or another.

    It is noted whether or not the object exists, so that neither the answer nor its time tells.
    """
    subject = {"request_id" if model is KeyRequest else "key_sid": str(pk)}
    note("access.refused", actor, **subject, exists=model._default_manager.filter(pk=pk).exists())
