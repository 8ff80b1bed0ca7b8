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

from .actor import actor_of
from .signed_in import SignedInRequest

Found = TypeVar("Found", bound=ApiKey | KeyRequest)


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
        note("access.refused", actor_of(request), page=request.path)
        raise PermissionDenied


def note_refusal(actor: Actor, model: type[Model], pk: UUID | str) -> None:
    """Note that somebody asked for a request or key they may not see.

    It is noted whether or not the object exists, so that neither the answer nor its time tells.
    """
    subject = {"key_sid" if model is ApiKey else "request_id": str(pk)}
    note("access.refused", actor, **subject, exists=model._default_manager.filter(pk=pk).exists())
