"""Who makes a web request, as the ledger records it."""

import re

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from keys_app.core.actor import Actor
from keys_app.organisation.sent_forms import FIELD

from .signed_in import signed_in

ONE_TOKEN = re.compile(r"[\w-]{8,64}", re.ASCII)


def actor_of(request: HttpRequest) -> Actor:
    """Return who is asking, with the token of the form they sent, and from which address."""
    once = request.POST.get(FIELD, "")
    return Actor.of(signed_in(request), address_of(request), once if ONE_TOKEN.fullmatch(once) else "")


def address_of(request: HttpRequest) -> str:
    """Return the address a request came from, as `portal.proxies` reads it; empty if it is unknown."""
    return str(get_adapter().get_client_ip(request))
