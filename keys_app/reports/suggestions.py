"""What Security may mean by a half-written search: keys, and values the portal knows."""

from collections.abc import Callable, Iterator
from itertools import islice

from django.contrib.auth.models import User
from django.db.models import Q

from keys_app.audit.search import actions
from keys_app.audit.search.qualifiers import CHECKS, KEYS
from keys_app.audit.search.query import Term
from keys_app.catalogue.current import current_catalogue
from keys_app.core.actor import display_name
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Account, Team
from keys_app.permissions.risk import Risk

_MOST = 12


def completions(line: str) -> list[tuple[str, str]]:
    """Return how a search line may go on, as whole lines with a label each. Its last word is the one completed."""
    if line.count('"') % 2:
        start = line.rindex('"')
        start = max(line.rfind(" ", 0, start) + 1, 0)
    else:
        start = line.rfind(" ") + 1
    before, last = line[:start], line[start:]
    negated = last.startswith("-")
    key, colon, value = last.removeprefix("-").replace('"', "").partition(":")
    if not colon:
        sign = "-" if negated else ""
        return [(f"{before}{sign}{one}:", _HINTS[one]) for one in KEYS if key and one.startswith(key.lower())]
    if key.lower() not in CHECKS:
        return []
    known = _FINDERS[key.lower()](value.casefold()) if key.lower() in _FINDERS else iter(())
    values = islice(known, _MOST)
    return [(before + Term(key.lower(), full, negated).render(), label) for full, label in values]


_HINTS = {
    "action": "what happened",
    "actor": "who did it",
    "account": "Twilio account",
    "team": "team",
    "key": "key SID",
    "request": "request number",
    "permission": "permission, resource or product",
    "product": "Twilio product",
    "risk": "risk of the policy",
    "address": "where they came from",
    "created": "when, UTC",
}


def _actions(typed: str) -> Iterator[tuple[str, str]]:
    names = actions.actions()
    families = dict.fromkeys(f"{name.partition('.')[0]}.*" for name in names)
    yield from ((name, "") for name in [*families, *names] if typed in name)


def _people(typed: str) -> Iterator[tuple[str, str]]:
    wanted = Q(username__icontains=typed) | Q(first_name__icontains=typed) | Q(last_name__icontains=typed)
    for user in User.objects.filter(wanted).order_by("username")[:_MOST]:
        yield user.get_username(), display_name(user)


def _accounts(typed: str) -> Iterator[tuple[str, str]]:
    for account in Account.objects.filter(Q(sid__istartswith=typed) | Q(name__icontains=typed))[:_MOST]:
        yield account.sid, str(account)


def _keys(typed: str) -> Iterator[tuple[str, str]]:
    for key in ApiKey.objects.filter(Q(sid__istartswith=typed) | Q(friendly_name__icontains=typed))[:_MOST]:
        yield key.sid, key.name


def _teams(typed: str) -> Iterator[tuple[str, str]]:
    yield from ((team.name, "") for team in Team.objects.filter(name__icontains=typed)[:_MOST])


def _risks(typed: str) -> Iterator[tuple[str, str]]:
    yield from ((risk.value, "") for risk in Risk if typed in risk)


def _products(typed: str) -> Iterator[tuple[str, str]]:
    for product in current_catalogue().products:
        if typed in product.name or typed in product.title.casefold():
            yield product.name, product.title


def _permissions(typed: str) -> Iterator[tuple[str, str]]:
    products = current_catalogue().products
    for product in products:
        if typed in (name := f"/twilio/{product.name}/"):
            yield name, product.title
    for product in products:
        for resource in product.resources:
            yield from ((one.name, resource.meaning) for one in resource.permissions if typed in one.name)


_FINDERS: dict[str, Callable[[str], Iterator[tuple[str, str]]]] = {
    "action": _actions,
    "actor": _people,
    "account": _accounts,
    "key": _keys,
    "team": _teams,
    "risk": _risks,
    "product": _products,
    "permission": _permissions,
}
