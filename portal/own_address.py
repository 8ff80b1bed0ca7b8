"""The portal's own address is `PORTAL_BASE_URL`, whatever the connection, the proxies and the Host say.

So links, also those that the sign-in library mails, https, HSTS and the checks of Origin and Referer follow from it.
"""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host

from keys_app.views.http.error_pages import RefusedRequest
from portal import proxies

Handler = Callable[[HttpRequest], HttpResponse]

_USUAL_PORTS = {"https": "443", "http": "80"}


class SchemeMiddleware:
    """Takes the scheme from `PORTAL_BASE_URL`, for every answer: gunicorn itself only ever sees http."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.META["wsgi.url_scheme"] = settings.BASE_URL.scheme
        return self.get_response(request)


class OwnAddressMiddleware:
    """Refuses what was sent to another host or port, over http, or by no one who can be told; each with words.

    What a browser says of the page it stands on is read as one of `PORTAL_BASE_URL` where it names the host it was sent
    to, which may be another of `PORTAL_ALLOWED_HOSTS`.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent_to = _sent_to(request)
        proxies.vet(request)
        request.get_host = lambda: str(settings.BASE_URL.netloc)  # type: ignore[method-assign]  # it was looked at above
        for header in ("HTTP_ORIGIN", "HTTP_REFERER", "HTTP_HX_CURRENT_URL"):
            value = request.META.get(header, "")
            if value == sent_to or value.startswith((f"{sent_to}/", f"{sent_to}?")):
                request.META[header] = settings.BASE_URL.geturl() + value.removeprefix(sent_to)
        return self.get_response(request)


def _sent_to(request: HttpRequest) -> str:
    """Return the origin that a browser whose request this is stands on. Raises `RefusedRequest` if it is not ours.

    Proxies may leave out the port: then it is that of `PORTAL_BASE_URL`, but for a host that may have any.
    """
    base = settings.BASE_URL
    try:
        name, port = split_domain_port(request.get_host())
    except DisallowedHost:
        raise _not_here(request) from None
    if "HTTP_HOST" not in request.META:
        port = ""  # it was the server's own
    if not validate_host(name, settings.HOSTS_WITH_ANY_PORT):
        if port not in ("", str(base.port or _USUAL_PORTS[base.scheme])):
            raise _not_here(request)
        port = str(base.port or "")
    return f"{base.scheme}://{name}{port and f':{port}'}"


def _not_here(request: HttpRequest) -> RefusedRequest:
    host = request.META.get("HTTP_HOST", "")[:100]
    return RefusedRequest(
        f"The portal’s address is {settings.BASE_URL.geturl()}. It doesn’t answer to another host or port: {host!a}."
    )
