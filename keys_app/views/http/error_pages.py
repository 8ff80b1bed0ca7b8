"""Pages for what no view answered."""

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template import loader

from keys_app.core.errors import Conflict

from . import drafts
from .asked import button, kind
from .problem import problem
from .signed_in import PortalRequest, current_path
from .theme import theme_of


class RefusedRequest(SuspiciousOperation):
    """A request that is refused before anything is read of it. Its text is for the person and for the log."""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that the request can't be read (400) and, where it is known, why; the database is asked for nothing."""
    why = str(exception) if isinstance(exception, RefusedRequest) else ""
    return HttpResponse(loader.render_to_string("400.html", {"why": why, **_plain(request)}), status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that this page is not open to this person (403), and why."""
    return render(request, "403.html", {"why": str(exception)}, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 as Django calls it
    """Say that there is no such page (404)."""
    return render(request, "404.html", {"kind": kind(request)}, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that the portal failed (500). It is static on purpose: what failed may be the database."""
    return HttpResponse(loader.render_to_string("500.html", _plain(request)), status=500)


def _plain(request: HttpRequest) -> dict[str, str]:
    """Return what a page needs that is written without the database."""
    return {"theme": theme_of(request), "request_id": getattr(request, "request_id", "")}


@login_not_required
def csrf_failure(request: PortalRequest, reason: str = "") -> HttpResponse:
    """Give back the form with what was typed where its page was older than the last sign-in.

    Otherwise say that the page was too old, or that the request came from elsewhere (403): Django looks at Origin and
    Referer first, and of what another site sent nothing is kept.
    """
    kept = reason.startswith("CSRF ") and drafts.keep(request)
    if getattr(request, "htmx", False):
        what = "What you typed is kept." if kept else ""
        stale = Conflict(f"This page is too old to act on. Nothing was done. Reload it and try again. {what}".strip())
        return problem(request, stale, back_url=current_path(request), back_label="Reload")
    if kept:
        return redirect(request.get_full_path())
    return render(request, "403_csrf.html", {"button": button(request)}, status=403)
