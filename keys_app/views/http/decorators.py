"""Which requests a view takes: only a POST, or only Security's."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect

from .access import require_security
from .signed_in import Answer, SignedInRequest, page_above

View = Callable[..., HttpResponse]


def post_or_go_back(view: View) -> View:
    """Let only a POST through; a GET, such as the one after signing in again, goes to the page with the button."""

    @wraps(view)
    def wrapped(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            return view(request, *args, **kwargs)
        if request.method in ("GET", "HEAD"):
            return redirect(page_above(request))
        return HttpResponseNotAllowed(["POST"])

    return wrapped


def security_only(view: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let only Security through; everybody else gets the page that says so, and it is noted."""

    @wraps(view)
    def wrapped(request: SignedInRequest, *args: Any, **kwargs: Any) -> Answer:
        require_security(request)
        return view(request, *args, **kwargs)

    return wrapped
