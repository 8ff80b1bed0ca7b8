"""The user of a request, where the sign-in has let no one else through."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class SignedInRequest(HttpRequest):
    """What the views get, in types alone: `SignInMiddleware` answers all others itself, django-htmx adds `htmx`."""

    user: User
    htmx: HtmxDetails


def signed_in(request: HttpRequest) -> User:
    """Return the user of a request where Django's own signatures, as the admin's, leave open whether there is one."""
    return cast(User, request.user)
