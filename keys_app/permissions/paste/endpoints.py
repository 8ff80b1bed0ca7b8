"""Which permission an operation of Twilio's API needs, as data: `data/endpoints.tsv`.

A row holds a host (`api` for `api.twilio.com`), a path with `{}` for each SID, a resource of the catalogue,
the actions of its methods where they are not the usual ones, the name in the official SDKs where it is not
the path in other letters (with `()` behind the last one if the SDKs `fetch`, `update` or `delete` it, and without
if they `create` or `list`), and for paths that map to nothing (resource `-`) a note that says why.
Paths and SDK names are those of Twilio's official Python SDK, 9.13; the resources are inferred from the names.
What no row is about gets the answer of its product (`permissions/products.py`).
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from keys_app.permissions.catalogue import Catalogue
from keys_app.permissions.products import (
    ADD_IT,
    ProductAnswer,
    TwilioProduct,
    at_host,
    by_name,
    no_permission,
    not_known,
    plain,
    twilio_products,
)

from .model import Suggestion

_COLLECTION = {"GET": "list", "POST": "create"}
_ITEM = {"GET": "read", "POST": "update", "DELETE": "delete"}
_VERBS = {"list": "lists", "read": "reads", "create": "creates", "update": "changes", "delete": "deletes"}
_IF_THERE_IS = f"If Twilio documents one, {ADD_IT}."
_ACCOUNT = ("2010-04-01", "Accounts", "{}")
_EXTENSION = re.compile(r"\.(?:json|xml|csv|mp3|wav)\Z")
# Words like these name a resource of the API; taking an unknown one for a SID would be a guess.
_API_WORD = re.compile(r"(?!\w*Sid\Z)[A-Z][a-z]+(?:[A-Z0-9][A-Za-z0-9]*)?")
_PLAIN_WORD = re.compile(r"[A-Za-z]{1,30}(?:\.json)?")
_LONGEST_LABEL = 24


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row: an address, and the action each HTTP method takes on its resource (`product/resource`).

    `product` is set where no row fits and the whole product has no permission in the catalogue as shipped.
    """

    host: str
    path: str
    resource: str
    methods: dict[str, str]
    names: tuple[str, ...]
    note: str
    product: TwilioProduct | None = None

    @property
    def shown(self) -> str:
        """The address as it is shown: a path at `api`, host and path elsewhere."""
        if self.path == "/**":
            return f"{self.host}.twilio.com"
        return self.path if self.host == "api" else f"{self.host}.twilio.com{self.path}"


def segments(path: str) -> tuple[str, ...]:
    """Return the parts of a path, without the extension of the last one."""
    return tuple(part for part in _EXTENSION.sub("", path).split("/") if part)


def sdk_name(name: str) -> str:
    """Return an SDK's name for a resource in the form in which Python's and Node's are the same."""
    return name.replace("_", "").lower()


@cache
def _endpoints() -> tuple[Endpoint, ...]:
    text = resources.files("keys_app.permissions").joinpath("data", "endpoints.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return tuple(
        Endpoint(
            row["host"],
            row["path"],
            row["resource"],
            dict(pair.split("=") for pair in row["methods"].split()) or _usual_methods(row["path"]),
            tuple(sdk_name(name) for name in row["sdk"].split(".")) if row["sdk"] else _names(row["path"]),
            row["note"],
        )
        for row in rows
    )


def _usual_methods(path: str) -> dict[str, str]:
    return _ITEM if segments(path)[-1] == "{}" else _COLLECTION


def _names(path: str) -> tuple[str, ...]:
    """Return the SDK's chain for a path: `("services()", "verifications")` for `/v2/Services/{}/Verifications`."""
    parts = segments(path)
    parts = parts[len(_ACCOUNT) :] if parts[: len(_ACCOUNT)] == _ACCOUNT else parts[1:]
    names: list[str] = []
    for part in parts:
        if part == "{}" and names:
            names[-1] += "()"
        else:
            names.append(sdk_name(part))
    return tuple(names)


def all_endpoints() -> tuple[Endpoint, ...]:
    """Return all rows, in their order."""
    return _endpoints()


@cache
def hosts() -> frozenset[str]:
    """Return the first labels of all hosts that are known, and the names the SDKs have for them."""
    products = {name for one in twilio_products() for name in (*one.names, plain(one.host))}
    return frozenset(endpoint.host for endpoint in _endpoints()) | products


@cache
def _by_length() -> dict[tuple[str, int], tuple[tuple[tuple[str, ...], Endpoint], ...]]:
    found: dict[tuple[str, int], list[tuple[tuple[str, ...], Endpoint]]] = {}
    for endpoint in _endpoints():
        parts = segments(endpoint.path)
        if parts[-1] != "**":
            found.setdefault((endpoint.host, len(parts)), []).append((parts, endpoint))
    # The ones with more fixed parts first: /Attempts/Summary before /Attempts/{}.
    return {key: tuple(sorted(rows, key=lambda row: row[0].count("{}"))) for key, rows in found.items()}


@cache
def _by_beginning() -> tuple[tuple[str, tuple[str, ...], Endpoint], ...]:
    return tuple(
        (endpoint.host, segments(endpoint.path)[:-1], endpoint)
        for endpoint in _endpoints()
        if endpoint.path.endswith("/**")
    )


def find_path(host: str, path: str) -> Endpoint | None:
    """Return the endpoint for the first label of a Twilio host and a path, or of its product; None if none is known."""
    parts = segments(path)
    for pattern, endpoint in _by_length().get((host, len(parts)), ()):
        if all(_fits(part, given) for part, given in zip(pattern, parts, strict=True)):
            return endpoint
    begun = (endpoint for at, start, endpoint in _by_beginning() if at == host and parts[: len(start)] == start)
    return next(begun, None) or _of_product(at_host(host, path))


def _of_product(product: TwilioProduct | None) -> Endpoint | None:
    """Return the endpoint that stands for all of a product the shipped catalogue has no permission for."""
    if product is None or product.answer is ProductAnswer.HERE:
        return None
    return Endpoint(product.host, "/**", "-", {}, (), "", product)


def find_relative(path: str) -> str:
    """Return the address whose path without its version is `path`, as the SDKs' exceptions show it, or nothing.

    Several hosts may have it; then it is the one only if all of them need the same.
    """
    if path.startswith("/Accounts"):
        return f"https://api.twilio.com/2010-04-01{path}"
    parts = segments(path)
    found: dict[str, str] = {}
    for (host, length), rows in _by_length().items():
        for pattern, endpoint in rows if length == len(parts) + 1 else ():
            if all(_fits(part, given) for part, given in zip(pattern[1:], parts, strict=True)):
                found.setdefault(endpoint.resource, f"https://{host}.twilio.com/{pattern[0]}{path}")
    return next(iter(found.values())) if len(found) == 1 else ""


def _fits(part: str, given: str) -> bool:
    return not _API_WORD.fullmatch(given[:100]) if part == "{}" else part == given


@cache
def _by_names() -> dict[tuple[str, tuple[str, ...]], tuple[Endpoint, ...]]:
    found: dict[tuple[str, tuple[str, ...]], list[Endpoint]] = {}
    for endpoint in _endpoints():
        for names in dict.fromkeys((endpoint.names, _uncalled(endpoint))):
            found.setdefault((endpoint.host, names), []).append(endpoint)
    return {key: tuple(rows) for key, rows in found.items()}


def _uncalled(endpoint: Endpoint) -> tuple[str, ...]:
    """Return a row's names, without the last parentheses if they hold no SID: it is the only one of its kind."""
    if not endpoint.names or segments(endpoint.path)[-1] == "{}":
        return endpoint.names
    return (*endpoint.names[:-1], endpoint.names[-1].removesuffix("()"))


def find_call(host: str, version: str, names: tuple[str, ...]) -> Endpoint | None:
    """Return the endpoint for an SDK's chain of names, each with `()` if it was called with arguments.

    Without a version the first row wins, which is the version the SDKs take by themselves. None if none is known.
    """
    rows = _by_names().get((host, names), ())
    in_version = (row for row in rows if not version or host == "api" or row.path.startswith(f"/{version}/"))
    begun = (row for at, _, row in _by_beginning() if at == host)
    return next(in_version, None) or next(begun, None) or _of_product(by_name(host, version))


@cache
def endpoints_of(permission: str) -> tuple[Endpoint, ...]:
    """Return the endpoints at which an operation needs `permission`, in the order of the table."""
    resource, _, action = permission.removeprefix("/twilio/").rpartition("/")
    return tuple(row for row in _endpoints() if row.resource == resource and action in row.methods.values())


def unknown_path(method: str, host: str, path: str, known: Catalogue) -> str:
    """Return what is said of a request no endpoint was found for: that it is not known, and where to look."""
    shown = f"{method} {shown_host(host)}{shown_path(path)}"
    return not_known(shown, at_host(host.split(".", maxsplit=1)[0], path), known)


def unknown_call(shown: str, host: str, version: str, names: tuple[str, ...], known: Catalogue) -> str:
    """Return what is said of an SDK's or the CLI's call no endpoint was found for; `shown` is safe to repeat."""
    return not_known(shown, _family(names[0]) if host == "api" and names else by_name(host, version), known)


def _family(name: str) -> TwilioProduct | None:
    """Return the row of Twilio's 2010 API that a chain's first name belongs to, or the row of all of it."""
    rows = [one for one in twilio_products() if one.host == "api"]
    return next((one for one in rows if one.path and plain(one.path[-1]) == plain(name)), None) or at_host("api")


def outcome(method: str, endpoint: Endpoint, known: Catalogue) -> Suggestion | str:
    """Return the permission this operation needs, or a sentence on why none is suggested and what can be done."""
    if endpoint.product:
        return no_permission(endpoint.product, known)
    if endpoint.note:
        return f"{endpoint.shown} {endpoint.note}"
    operation = f"{method} {endpoint.shown}"
    action = endpoint.methods.get("GET" if method == "HEAD" else method)
    if action is None:
        others = f"{' and '.join(endpoint.methods)} {'are' if len(endpoint.methods) > 1 else 'is'}"
        return f"{operation} is not an operation that is known here; only {others}. {_IF_THERE_IS}"
    permission = f"/twilio/{endpoint.resource}/{action}"
    meaning = _meaning(endpoint.resource, known)
    if permission not in known:
        return f"{operation} {_VERBS[action]} {meaning}, and the catalogue has no permission for that. {_IF_THERE_IS}"
    return Suggestion(permission, f"{operation} {_VERBS[action]} {meaning}")


def _meaning(resource_key: str, known: Catalogue) -> str:
    product_name, _, resource_name = resource_key.partition("/")
    for product in known.products:
        for resource in product.resources if product.name == product_name else ():
            if resource.name == resource_name:
                return resource.meaning or resource.name
    return resource_key


@cache
def _words() -> frozenset[str]:
    return frozenset(part for endpoint in _endpoints() for part in segments(endpoint.path))


def shown_path(path: str) -> str:
    """Return a path that is safe to show: anything but plain words is `{}`."""
    parts = [part for part in path.split("/") if part][:20]
    words = (part if part in _words() or _PLAIN_WORD.fullmatch(part) else "{}" for part in parts)
    return "/" + "/".join(words)


def shown_host(host: str) -> str:
    """Return a host that is safe to show: without labels that are too long to be a word."""
    labels = host.split(".")
    return host if len(labels) <= 8 and all(len(label) <= _LONGEST_LABEL for label in labels) else "A host"
