"""Who makes a web request, as the ledger records it."""

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from keys_app.core.actor import Actor
from keys_app.organisation.sent_forms import token_in

from .signed_in import signed_in


def actor_of(request: HttpRequest) -> Actor:
    """Return who is asking, with the token of the form they sent, and from which address."""
    return Actor.of(signed_in(request), address_of(request), token_in(request.POST))


def address_of(request: HttpRequest) -> str:
    """Return the address a request came from, as `portal.proxies` reads it; empty if it is unknown."""
    return str(get_adapter().get_client_ip(request))
