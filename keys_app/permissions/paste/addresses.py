"""Reading addresses: a curl command's, a method with a URL, or a URL alone."""

import re
from collections.abc import Iterator

from keys_app.permissions.catalogue import Catalogue

from .endpoints import find_path, outcome, shown_host, shown_path, unknown_path
from .model import Suggestion

_METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD"
_REGION = re.compile(r"[a-z]{2}\d")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_END = r"[^\s\"'`|\\^]"

_URL = re.compile(
    # a method in front, or the function of an HTTP library: requests.post("https://…
    rf"(?:(?<![\w.-])(?P<method>{_METHODS})[ \t]{{1,9}}[\"'`]?"
    r"|\.(?P<function>get|post|put|patch|delete|head)\([ \t\r\n]{0,40}[\"'`])?"
    # a URL, or a Twilio host without its scheme
    rf"(?P<url>https?://{_END}+|(?<![\w.@/-])[A-Za-z0-9.-]+\.twilio\.com(?::\d{{1,5}})?/{_END}*)",
    re.IGNORECASE,
)
_BARE_PATH = re.compile(rf"(?<![\w.-])(?P<method>{_METHODS})[ \t]{{1,9}}(?P<path>/{_END}*)", re.IGNORECASE)
_HOST_LINE = re.compile(r"^[ \t]{0,9}Host:[ \t]{0,9}(?P<host>[\w.-]+)", re.IGNORECASE | re.MULTILINE)
_FETCH = re.compile(r"\b(?:fetch|request|axios|ajax)\([\s{]{0,20}(?:url:[ \t]{0,5})?[\"'`]\Z")
_FETCH_METHOD = re.compile(rf"\bmethod[\"']?[ \t]{{0,9}}[:=][ \t]{{0,9}}[\"'](?P<method>{_METHODS})", re.IGNORECASE)
_FETCH_REACH = 300


def map_request(method: str, url: str, known: Catalogue) -> Suggestion | str:
    """Return the permission a request needs, or a sentence on why none is suggested."""
    host, path = _split(url)
    if not _HOST.fullmatch(host):
        return f"{method} {shown_path(path)}: the address has no host that can be read, so it is not clear what it is."
    labels = host.split(".")
    if labels[-2:] != ["twilio", "com"] or len(labels) < 3:
        return f"{shown_host(host)} is not a Twilio API, so no permission covers it."
    region = labels[-3] if len(labels) > 3 and _REGION.fullmatch(labels[-3]) else "us1"
    if region != "us1":  # Twilio's documentation of the Key resource, v1
        return f"{shown_host(host)} is another region. Restricted keys exist in the US region only."
    endpoint = find_path(labels[0], path)
    if endpoint is None:
        return unknown_path(method, host, path, known)
    return outcome(method, endpoint, known)


def _split(url: str) -> tuple[str, str]:
    """Return host, in lower case and without user and port, and path. Never fails, unlike `urlsplit`."""
    rest = url.partition("://")[2] or url
    rest = re.split(r"[?#]", rest, maxsplit=1)[0].rstrip(".,;:)]")
    host, _, path = rest.partition("/")
    host = host.rpartition("@")[2].partition(":")[0]
    return host.lower(), "/" + path


def read_urls(text: str, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each URL in `text` leads to, with the method in front of it or GET."""
    for match in _URL.finditer(text):
        method = (match["method"] or match["function"] or _fetch_method(text, match) or "GET").upper()
        yield map_request(method, match["url"], known)
    host = _HOST_LINE.search(text)
    for match in _BARE_PATH.finditer(text):
        at = host["host"] if host else "api.twilio.com" if match["path"].startswith("/2010-04-01/") else ""
        yield map_request(match["method"].upper(), f"https://{at}{match['path']}", known)


def _fetch_method(text: str, match: re.Match[str]) -> str:
    """Return the method of a `fetch(url, {method: "…"})` that a URL stands in."""
    if not _FETCH.search(text[max(0, match.start() - 60) : match.start()]):
        return ""
    after = _FETCH_METHOD.search(text, match.end(), match.end() + _FETCH_REACH)
    return after["method"] if after else ""
