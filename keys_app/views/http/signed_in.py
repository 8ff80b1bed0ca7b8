"""The user of a request, where the sign-in has let no one else through."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
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


def current_path(request: PortalRequest) -> str:
    """Return the path of the page htmx says it stands on, with its query; `/` if that is no page of this portal."""
    try:
        path = request.htmx.current_url_abs_path or "/"
    except ValueError:  # an address that is none, as http://[::1
        return "/"
    is_path = path.startswith("/") and path.isprintable() and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return path if is_path else "/"
