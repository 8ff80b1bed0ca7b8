"""Refused access, on the record."""

from uuid import UUID

from ..models import ApiKey, KeyRequest
from .actors import Actor
from .repeats import note


def note_refusal(actor: Actor, model: type[ApiKey] | type[KeyRequest], pk: UUID | str) -> None:
    """Note that somebody asked for a request or key they may not see.

    It is noted whether or not the object exists, so that neither the answer nor its time tells.
    """
    subject = {"key_sid" if model is ApiKey else "request_id": str(pk)}
    note("access.refused", actor, **subject, exists=model.objects.filter(pk=pk).exists())
