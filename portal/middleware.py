"""Wiring that every answer passes through."""

from collections.abc import Callable

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url

type_of_next = Callable[[HttpRequest], HttpResponse]


class NoStoreMiddleware:
    """Forbids caches, the browser's included, to keep any page.

    A page that may be restored after Back may show what it showed before. Static files do not pass here.
    """

    def __init__(self, get_response: type_of_next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Cache-Control"] = "no-store, private"
        return response


class SignInMiddleware(LoginRequiredMiddleware):
    """Every page needs a signed-in person unless its view says otherwise.

    htmx would follow a redirect and put the sign-in page into the middle of another one, so it gets a dialog.
    """

    def handle_no_permission(self, request: HttpRequest, view_func: Callable[..., object]) -> HttpResponse:
        if request.htmx:  # type: ignore[attr-defined]
            context = {"login_url": resolve_url(self.get_login_url(view_func))}
            return render(request, "portal/partials/session_ended_dialog.html", context, status=401)
        return super().handle_no_permission(request, view_func)
