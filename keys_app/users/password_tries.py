"""Wrong passwords: counted by whom they are for and where they come from, by nothing else that a request can choose.

A try counts before it is looked at, so that many at once are no more than one after the other; one that was right is
given back. A browser that this user signed in from before has a count of its own, and so gets through what others did.
"""

import ipaddress
import unicodedata
from datetime import timedelta

from django.db import transaction

from .limits import HOUR, Limit, take

WITHIN = timedelta(minutes=15)
MOST_FOR_A_NAME = 10
MOST_FROM_A_SOURCE = 200
"""So many within an hour, that an office behind one address isn't locked out by those who mistype."""
RESETS_OF_AN_ADDRESS = 5

_SOURCES = "Too many wrong tries came from your network."
OF_SOURCES = frozenset({"wrong passwords of a source", "password resets of a source"})
"""The limits that say nothing of the user whose name was typed."""


def begin(*, name: str, address: str, browser: str = "") -> list[int]:
    """Count a try of a password for `name`, whether or not anyone is called so; return what to give back if it's right.

    `browser` is the id of one that this user signed in from before. Raises `TooMany`.
    """
    words = "Too many wrong passwords were tried for this name."
    limits = [
        Limit("wrong passwords", same_name(name), MOST_FOR_A_NAME, words, WITHIN),
        Limit("wrong passwords of a source", source_of(address), MOST_FROM_A_SOURCE, _SOURCES),
    ]
    if browser:
        words = "Too many wrong passwords were tried in this browser."
        limits = [Limit("wrong passwords in a known browser", browser, MOST_FOR_A_NAME, words, WITHIN)]
    with transaction.atomic(durable=True):
        return take(*limits)


def count_reset(*, mail: str, address: str) -> None:
    """Count a wish for a link to a new password, whether or not the mail address is anyone's. Raises `TooMany`."""
    words = "Links for this address were asked for too often."
    with transaction.atomic(durable=True):
        take(
            Limit("password resets", same_name(mail), RESETS_OF_AN_ADDRESS, words),
            Limit("password resets of a source", source_of(address), MOST_FROM_A_SOURCE, _SOURCES, HOUR),
        )


def count_link(*, address: str) -> list[int]:
    """Count a try of a link that signs in; return what to give back if it is right. Raises `TooMany`."""
    with transaction.atomic(durable=True):
        return take(Limit("wrong passwords of a source", source_of(address), MOST_FROM_A_SOURCE, _SOURCES))


def same_name(typed: str) -> str:
    """Return what all spellings that sign in the same user have in common, without those of width and form."""
    return unicodedata.normalize("NFKC", typed.strip().lower()).casefold()


def source_of(address: str) -> str:
    """Return where a client is: its IPv4 address, or the /64 of its IPv6 one, in which it may take any other."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, 64), strict=False))
