"""Refused access, on the record: the page is the same “not found”, and the ledger says who asked for what."""

from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest

from .. import selectors
from ..services.actors import actor_of
from ..services.refusing import note_refusal
from ..services.repeats import note

Found = TypeVar("Found", bound=Model)


def visible_or_404(request: HttpRequest, rows: QuerySet[Found], pk: Any) -> Found:
    """Return the object if it is among what this person may see. Raises `Http404` otherwise, and notes it."""
    found = rows.filter(pk=pk).first()
    if found is None:
        note_refusal(actor_of(request), rows.model, pk)
        raise Http404("no such object")
    return found


def require_security(request: HttpRequest) -> None:
    """Let Security through. Raises `PermissionDenied` for everybody else, and notes it."""
    if not selectors.person(request.user).is_security:
        note("access.refused", actor_of(request), page=request.path)
        raise PermissionDenied
