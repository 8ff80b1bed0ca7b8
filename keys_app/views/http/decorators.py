"""Which requests a view takes: only a POST, or only Security's."""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import Resolver404, resolve

from .access import require_security
from .paging import Answer
from .signed_in import SignedInRequest

View = Callable[..., HttpResponse]


def post_or_go_back(view: View) -> View:
    """Let only a POST through; a GET, such as the one after signing in again, goes to the page with the button."""

    @wraps(view)
    def wrapped(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            return view(request, *args, **kwargs)
        if request.method in ("GET", "HEAD"):
            return redirect(_page_above(request))
        return HttpResponseNotAllowed(["POST"])

    return wrapped


def _page_above(request: SignedInRequest) -> str:
    """Return the nearest address above that is a page, with the filters it was shown with."""
    path = request.path
    while path != "/":
        path = path.rstrip("/").rpartition("/")[0] + "/"
        with suppress(Resolver404):
            resolve(path)
            break
    filters = request.META.get("QUERY_STRING", "")
    return f"{path}?{filters}" if filters else path


def security_only(view: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let only Security through; everybody else gets the page that says so, and it is noted."""

    @wraps(view)
    def wrapped(request: SignedInRequest, *args: Any, **kwargs: Any) -> Answer:
        require_security(request)
        return view(request, *args, **kwargs)

    return wrapped
