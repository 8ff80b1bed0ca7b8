"""No address of the portal fails over a header: it is answered, or refused with words."""

import re
from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from .pages import ADMINISTERED, PAGES, VARIANTS, administered
from .test_complete import _names
from .world import World

HX = {"HTTP_HX_REQUEST": "true"}
LONG = "x" * 5000
HEADERS: dict[str, dict[str, str]] = {
    "no such address": {"HTTP_X_FORWARDED_FOR": "nobody"},
    "a scoped address": {"HTTP_X_FORWARDED_FOR": f"fe80::1%{'e' * 60}"},
    "the connection is scoped": {"REMOTE_ADDR": "fe80::1%eth0"},
    "the connection is nobody": {"REMOTE_ADDR": "nobody"},
    "a unix socket": {"REMOTE_ADDR": ""},
    "too few entries": {"HTTP_X_FORWARDED_FOR": "192.0.2.1"},
    "unknown": {"HTTP_X_FORWARDED_FOR": "unknown, _x"},
    "a header of commas": {"HTTP_X_FORWARDED_FOR": "," * 2000},
    "letters beyond ASCII": {"HTTP_X_FORWARDED_FOR": "\xff\xfe, ١٢٣.1.1.1"},
    "http": {"HTTP_X_FORWARDED_PROTO": "javascript", "HTTP_X_FORWARDED_HOST": "evil.example"},
    "another host": {"HTTP_HOST": "evil.example"},
    "no host that can be": {"HTTP_HOST": "[::1"},
    "a port that can't be": {"HTTP_HOST": "testserver:port"},
    "htmx stands nowhere": {**HX, "HTTP_HX_CURRENT_URL": "http://[::1"},
    "htmx stands elsewhere": {**HX, "HTTP_HX_CURRENT_URL": "http://testserver//evil.example/"},
    "htmx stands at a NUL": {**HX, "HTTP_HX_CURRENT_URL": "http://testserver/%00",
                             "HTTP_HX_CURRENT_URL_URI_AUTOENCODED": "true"},
    "htmx is asked much": {**HX, "HTTP_HX_TARGET": LONG, "HTTP_HX_TRIGGER": "\xff", "HTTP_TRIGGERING_EVENT": "{"},
    "cookies with a NUL": {"HTTP_COOKIE": 'sessionid="\\000"; csrftoken="\\000"; messages="\\000"'},
    "cookies of nonsense": {"HTTP_COOKIE": f'sessionid={LONG}; =; ;; messages=[["x"; csrftoken="\\777'},
    "origin and referer": {"HTTP_ORIGIN": "http://[::1", "HTTP_REFERER": "https://[::1"},
    "a type of nonsense": {"CONTENT_TYPE": "multipart/form-data; boundary=\xff", "HTTP_ACCEPT": "\xff;q=x"},
    "a token": {"HTTP_AUTHORIZATION": "Bearer \xff\xfe", "HTTP_RANGE": "bytes=9-1", "HTTP_IF_MODIFIED_SINCE": "never"},
    "languages": {"HTTP_ACCEPT_LANGUAGE": LONG, "HTTP_ACCEPT_ENCODING": "\xff", "HTTP_USER_AGENT": LONG},
}  # fmt: skip
METHODS = ("get", "post")
ANSWERED = {200, 302, 400, 401, 403, 404, 405, 409, 422, 429}


def one_of_each(world: World) -> Iterator[str]:
    """Return an address of each page, about the first kind it has, and of each page that is about none."""
    seen: set[str] = set()
    for page in PAGES.values():
        yield from [url for url, _ in page.addresses(world)][: len(VARIANTS.get(page.name, "1"))]
        seen.add(page.name)
    for url in administered(world):
        if (alike := re.sub("[0-9]+", "", url)) not in seen:
            seen.add(alike)
            yield url
    for name in _names(get_resolver().url_patterns):
        if name not in seen and not name.startswith(tuple(f"admin:{model}" for model in ADMINISTERED)):
            try:
                yield reverse(name)
            except NoReverseMatch:
                continue  # it is about something, and so in the table


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("role", ["security", None])
def test_it_fails_over_no_header(world, settings, role, case):
    settings.TRUSTED_PROXIES, settings.PROXY_ADDRESSES = 2, [ip_network("127.0.0.1"), ip_network("fe80::/10")]
    client = Client(raise_request_exception=False, enforce_csrf_checks=True, **HEADERS[case])  # so it changes nothing
    if role and "HTTP_COOKIE" not in HEADERS[case]:
        client.cookies = world.clients[role].cookies.copy()
    wrong, asked = [], 0
    for url in one_of_each(world):
        for method in METHODS if role else METHODS[:1]:
            cache.clear()
            status = getattr(client, method)(url).status_code
            asked += 1
            wrong += [f"{method} {url}: {status}"] if status not in ANSWERED else []
    assert asked > 90
    assert not wrong, "\n".join([f"{len(wrong)} of {asked}", *wrong[:40]])
