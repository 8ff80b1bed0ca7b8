"""What Twilio's Python SDK sends: every operation of it, with the call as it is written, found by walking a client."""

import contextlib
import inspect
import warnings
from collections.abc import Iterator

from twilio.base.list_resource import ListResource
from twilio.http import HttpClient
from twilio.rest import Client

AC = "AC" + "0" * 32
_VERBS = ("create", "list", "stream", "page", "fetch", "update", "delete")
Line = tuple[str, str, str, str]  # HTTP method, host, path, call


class _Sent(Exception):
    """Raised in place of sending a request."""


class _Body:
    def to_dict(self) -> dict[str, str]:
        return {}


class _Recorder(HttpClient):
    """Stands in for the SDK's HTTP client: notes the request and sends nothing."""

    def __init__(self) -> None:
        self.seen = ("", "")

    def request(self, method: str, url: str, *arguments: object, **options: object) -> None:
        self.seen = (method, url)
        raise _Sent


def operations() -> Iterator[Line]:
    """Yield every operation that can be called on a client, each once."""
    recorder = _Recorder()
    client = Client(AC, "x", http_client=recorder)
    domains = [name for name, _ in inspect.getmembers(type(client), lambda one: isinstance(one, property))]
    found: dict[Line, None] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in domains:
            domain = getattr(client, name)
            for version in _properties(domain) if hasattr(domain, "base_url") else ():
                if version[0] == "v" and version[1:].isdigit():
                    below = _below(getattr(domain, version), f"client.{name}.{version}", recorder)
                    found |= dict.fromkeys(below)
        found |= dict.fromkeys(_below(client.api.v2010.account, "client", recorder))
    yield from found


def _properties(thing: object) -> list[str]:
    return [
        name for name, _ in inspect.getmembers(type(thing), lambda one: isinstance(one, property)) if name[0] != "_"
    ]


def _below(thing: object, chain: str, recorder: _Recorder) -> Iterator[Line]:
    for name in _properties(thing):
        child = getattr(thing, name)
        if name == "account" or not type(child).__module__.startswith("twilio.rest."):
            continue
        yield from _of(child, f"{chain}.{name}", recorder)
        if isinstance(child, ListResource) and callable(child):
            given = ["sid"] * len(inspect.signature(child).parameters)
            yield from _of(child(*given), f"{chain}.{name}({', '.join(given)})", recorder)


def _of(thing: object, chain: str, recorder: _Recorder) -> Iterator[Line]:
    for verb in _VERBS:
        if not hasattr(thing, verb):
            continue
        operation = getattr(thing, verb)
        parameters = inspect.signature(operation).parameters.values()
        needed = [one for one in parameters if one.default is one.empty or "Request" in str(one.annotation)]
        values = {one.name: _Body() if "Request" in str(one.annotation) else "x" for one in needed}
        recorder.seen = ("", "")
        with contextlib.suppress(_Sent, AttributeError):  # a body of no class that is known
            next(iter(operation(**values)), None)
        method, url = recorder.seen
        if method:
            host, _, path = url.removeprefix("https://").partition("/")
            arguments = ", ".join(f"{one.name}={one.name}" for one in needed)
            yield method, host.partition(".")[0], f"/{path}".replace(AC, "{}"), f"{chain}.{verb}({arguments})"
    yield from _below(thing, chain, recorder)
