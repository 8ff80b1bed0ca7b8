"""Refused access, on the record: the page is the same “not found”, and the ledger says who asked for what."""

from typing import TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from .. import selectors
from ..models import ApiKey, KeyRequest
from ..selectors.signed_in import SignedInRequest
from ..services.actors import actor_of
from ..services.refusing import note_refusal
from ..services.repeats import note

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
    if not selectors.person(request.user).is_security:
        note("access.refused", actor_of(request), page=request.path)
        raise PermissionDenied
