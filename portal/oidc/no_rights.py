"""Whom the provider signs in and no group gives anything: one page says so, instead of empty ones."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keys_app.core.actor import name_and_login
from keys_app.users.provider_rights import has_none

OPEN = "/accounts/"
"""Below it are the pages about one's own account, and signing out."""
_NAMED = 5


class NoRightsMiddleware:
    """Answers every page but those about one's own account with 403 and whom to ask."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *_: Any) -> HttpResponse | None:
        user = request.user
        if not getattr(view, "login_required", True) or request.path_info.startswith(OPEN):
            return None
        if not (user.is_authenticated and hasattr(user, "identity") and has_none(user)):
            return None
        admins = User.objects.filter(is_superuser=True, is_active=True).order_by("username")[:_NAMED]
        context = {"admins": [name_and_login(admin) for admin in admins]}
        return render(request, "account/no_rights.html", context, status=403)
