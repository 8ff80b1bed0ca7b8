"""The user of a request, where the sign-in has let no one else through."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class PortalRequest(HttpRequest):
    """What every view gets, for the types alone: django-htmx's middleware has added `htmx`."""

    htmx: HtmxDetails


class SignedInRequest(PortalRequest):
    """What a view gets unless it says otherwise, for the types alone: `SignInMiddleware` answers all others itself."""

    user: User


def signed_in(request: HttpRequest) -> User:
    """Return the user of a request where Django's own signatures, as the admin's, leave open whether there is one."""
    return cast(User, request.user)
