"""The whole catalogue as the form shows it, in one answer that browsers may keep.

It is drawn from the catalogue alone, without a request: nothing in it depends on a user, a team or an account. What
guardrails block is asked for apart, and what is chosen is on the form itself. Its address has the digest of what it
says in it, so it changes with the catalogue, the words for it and the form's own list.
"""

import hashlib
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_safe

from keys_app.catalogue import current
from keys_app.permissions.catalogue import Catalogue
from keys_app.permissions.guardrails import GuardRails
from keys_app.permissions.products import not_here
from keys_app.views.http.kept import KeptBody
from keys_app.views.http.signed_in import SignedInRequest

from .picker import picker


@dataclass(frozen=True, slots=True)
class _Drawn:
    known: Catalogue
    version: str
    body: KeptBody


_last: _Drawn | None = None


def _drawn(known: Catalogue) -> _Drawn:
    """Return the list as it is drawn for a catalogue; the last one is remembered, in each process."""
    global _last  # noqa: PLW0603
    drawn = _last
    if drawn is None or drawn.known is not known:
        context = {"picker": picker(known, (), GuardRails(), whole=True), "not_here": not_here(known)}
        plain = render_to_string("portal/partials/builder_catalogue.html", context).encode()
        drawn = _last = _Drawn(known, hashlib.sha256(plain).hexdigest()[:16], KeptBody(plain))
    return drawn


def address(known: Catalogue) -> str:
    """Return where the whole of a catalogue is found as it is now."""
    return reverse("portal:request_permissions", args=[_drawn(known).version])


@require_safe
def request_permissions(request: SignedInRequest, version: str) -> HttpResponse:
    """Answer with every product, resource and permission; an older address leads to the present one."""
    known = current.current_catalogue()
    drawn = _drawn(known)
    return drawn.body.answer(request) if version == drawn.version else redirect(address(known))
