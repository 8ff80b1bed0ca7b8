"""The user of a request, where the sign-in has let no one else through, and the page it comes from."""

from contextlib import suppress
from typing import TypeVar, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

Answer = TypeVar("Answer", bound=HttpResponseBase)


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
    return as_path(path) or "/"


def as_path(path: str) -> str:
    """Return what is a path with its query as it is; empty for what could lead elsewhere."""
    is_path = path.startswith("/") and path.isprintable() and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return path if is_path else ""


def page_above(request: HttpRequest) -> str:
    """Return the nearest address above that is a page, with the filters it was shown with."""
    path = request.path
    while path != "/":
        path = path.rstrip("/").rpartition("/")[0] + "/"
        with suppress(Resolver404):
            resolve(path)
            break
    filters = request.META.get("QUERY_STRING", "")
    return f"{path}?{filters}" if filters else path
