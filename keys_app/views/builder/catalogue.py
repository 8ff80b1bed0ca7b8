"""What of the form is the same for everyone: the tasks, and the whole catalogue in one answer that browsers may keep.

The list is drawn from the catalogue alone, without a request: nothing in it depends on a user, a team or an account.
What guardrails block is asked for apart, and what is chosen is on the form itself. Its address has the digest of what
it says in it, so it changes with the catalogue, the words for it and the form's own list.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from keys_app.catalogue import current
from keys_app.permissions.catalogue import Catalogue
from keys_app.permissions.guardrails import GuardRails
from keys_app.permissions.presets import Template, templates
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


def cards(known: Catalogue, slug: str) -> SafeString:
    """Return the tasks to start from, each with what the catalogue has of it, and `slug` as the one that was."""
    tasks = templates(settings.TEMPLATES_FILE)
    there = [replace(task, permissions=tuple(name for name in task.permissions if name in known)) for task in tasks]
    return _drawn_cards(tuple(there), slug if any(task.slug == slug for task in tasks) else "")


@lru_cache(maxsize=8)
def _drawn_cards(tasks: tuple[Template, ...], slug: str) -> SafeString:
    return render_to_string("portal/partials/builder_cards.html", {"templates": tasks, "template_slug": slug})


@require_safe
def request_permissions(request: SignedInRequest, version: str) -> HttpResponse:
    """Answer with every product, resource and permission; an older address leads to the present one."""
    known = current.current_catalogue()
    drawn = _drawn(known)
    return drawn.body.answer(request) if version == drawn.version else redirect(address(known))
