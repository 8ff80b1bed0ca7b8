"""The token that another system shows: `Authorization: Bearer …`."""

from django.http import HttpRequest

from keys_app.core.secret import Secret


def take_bearer(request: HttpRequest) -> Secret | None:
    """Take the token out of a request, so that from here on nothing else holds it; None if there is none."""
    scheme, _, token = request.META.pop("HTTP_AUTHORIZATION", "").partition(" ")
    request.__dict__.pop("headers", None)  # Django's copy of it, made anew when it is asked for
    return Secret(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
