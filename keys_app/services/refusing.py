"""Refused access, on the record."""

from uuid import UUID

from django.db.models import Model

from ..models import ApiKey
from .actors import Actor
from .repeats import note


def note_refusal(actor: Actor, model: type[Model], pk: UUID | str) -> None:
    """Note that somebody asked for a request or key they may not see.

    It is noted whether or not the object exists, so that neither the answer nor its time tells.
    """
    subject = {"key_sid" if model is ApiKey else "request_id": str(pk)}
    note("access.refused", actor, **subject, exists=model._default_manager.filter(pk=pk).exists())
