"""What nobody who means well sends: headers, methods and values, and every address they are tried at."""

import re
from collections.abc import Iterator
from urllib.parse import quote, urlencode

from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from tests.forms import Form, forms_of

from .pages import PAGES, administered
from .test_complete import _names
from .world import World

METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ANSWERED = {200, 302, 400, 401, 403, 404, 405, 409, 413, 422, 429, 503}
HX = {"HTTP_HX_REQUEST": "true"}
LONG = "x" * 5000
HEADERS: dict[str, dict[str, str]] = {
    "none": {},
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
    "another method": {"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE", "HTTP_X_METHOD_OVERRIDE": "PUT"},
    "htmx": HX,
    "htmx stands nowhere": {**HX, "HTTP_HX_CURRENT_URL": "http://[::1"},
    "htmx stands elsewhere": {**HX, "HTTP_HX_CURRENT_URL": "http://testserver//evil.example/"},
    "htmx stands at a NUL": {**HX, "HTTP_HX_CURRENT_URL": "http://testserver/%00",
                             "HTTP_HX_CURRENT_URL_URI_AUTOENCODED": "true"},
    "htmx is asked much": {**HX, "HTTP_HX_TARGET": LONG, "HTTP_HX_TRIGGER": "\xff", "HTTP_TRIGGERING_EVENT": "{"},
    "cookies with a NUL": {"HTTP_COOKIE": 'sessionid="\\000"; csrftoken="\\000"; messages="\\000"'},
    "cookies of nonsense": {"HTTP_COOKIE": f'sessionid={LONG}; =; ;; messages=[["x"; csrftoken="\\777'},
    "origin and referer": {"HTTP_ORIGIN": "http://[::1", "HTTP_REFERER": "https://[::1"},
    "a type of nonsense": {"HTTP_ACCEPT": "\xff;q=x", "HTTP_CONTENT_ENCODING": "gzip"},
    "a token": {"HTTP_AUTHORIZATION": "Bearer \xff\xfe", "HTTP_RANGE": "bytes=9-1", "HTTP_IF_MODIFIED_SINCE": "never"},
    "languages": {"HTTP_ACCEPT_LANGUAGE": LONG, "HTTP_ACCEPT_ENCODING": "\xff", "HTTP_USER_AGENT": LONG},
}  # fmt: skip

VALUES: dict[str, str] = {
    "nothing": "",
    "a NUL": "a\0b",
    "digits of another alphabet": "١٢٣",
    "a superscript": "²",
    "a number too great": "9" * 400,
    "beyond the database's numbers": str(2**63),
    "a negative number": "-1",
    "no number": "NaN",
    "infinity": "1e309",
    "a day that isn't": "0000-00-00",
    "a day too late": "99999-12-31T25:61",
    "a path": "../../../etc/passwd",
    "markup": "<script>alert(1)</script>{{7*7}}{% now %}",
    "SQL": "' OR 1=1; --",
    "a format": "%s%n{0.__class__}",
    "a header": "a\r\nSet-Cookie: x=1",
    "a letter that can't be seen": "\u3164\u202e",
    "half a letter": "\\ud83d",
    "a long text": LONG,
    "nobody's number": "00000000-0000-0000-0000-000000000000",
    "nobody's key": "SK" + "0" * 32,
    "another address": "//evil.example/",
    "a list in JSON": "[[[{}]]]",
}
BODIES: dict[str, tuple[str, bytes]] = {
    "JSON": ("application/json", b'{"a":' + b"[" * 2000),
    "XML": ("text/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    "no type": ("", b"a=b"),
    "not UTF-8": ("application/x-www-form-urlencoded", b"%ff=%ed%a0%80&q=%ff&decision=%fe"),
    "another alphabet": ("application/x-www-form-urlencoded; charset=utf-7", b"q=+AAA-"),
    "an alphabet that isn't": ("application/x-www-form-urlencoded; charset=nonsense", b"q=a"),
    "parts that don't end": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="q"'),
    "parts without a boundary": ("multipart/form-data; boundary=\xff", b"--x--"),
    "a thousand fields": ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(1100))),
}
TYPES = [*VALUES, "each name twice", "files", *BODIES]
"""What is sent in place of what a field takes: a value in all of them, or a body of another kind."""

_BOUNDARY = "between"


def body(kind: str, names: list[str]) -> tuple[str, bytes]:
    """Return the content type and the body that send `kind` in each of these fields."""
    if kind in BODIES:
        return BODIES[kind]
    if kind == "files":
        part = '--{0}\r\nContent-Disposition: form-data; name="{1}"; filename="a\0.txt"\r\n\r\n\x7fELF\r\n'
        whole = "".join(part.format(_BOUNDARY, name) for name in names) + f"--{_BOUNDARY}--\r\n"
        return f"multipart/form-data; boundary={_BOUNDARY}", whole.encode()
    return "application/x-www-form-urlencoded", query(kind, names).encode()


def query(kind: str, names: list[str]) -> str:
    """Return the same as the query of an address, or the body of a form."""
    if kind in BODIES:
        return BODIES["not UTF-8"][1].decode()
    if kind in VALUES:
        fit = 30_000 // (len(VALUES[kind]) + 30)  # so that it is read, and not refused for its size
        return urlencode([(name, VALUES[kind]) for name in names[:fit]])
    return urlencode([(name, value) for name in names for value in ("a", "b")])


OF_ONES_OWN = {"account_session_end": [1], "mfa_edit_webauthn": [1], "mfa_remove_webauthn": [1]}
"""Pages about what a user has for themselves, which no kind of key has."""


def one_of_each(world: World) -> Iterator[str]:
    """Return an address of each page, about the first kind it has, and of each page that is about none."""
    seen: set[str] = set()
    for page in PAGES.values():
        yield next(url for url, _ in page.addresses(world))
        seen.add(page.name)
    for url in administered(world):
        if (alike := re.sub("[0-9]+", "", url)) not in seen:
            seen.add(alike)
            yield url
    for name in _names(get_resolver().url_patterns):
        if name not in seen:
            try:
                yield reverse(name, args=OF_ONES_OWN.get(name))
            except NoReverseMatch:
                if name.startswith("admin:") and name != "admin:view_on_site":
                    yield _left(name, world)


def _left(name: str, world: World) -> str:
    """Return the address of an admin's page that no table has an object for."""
    about = {"auth_user": world.cast.people["engineer"].pk, "keys_app_keyrequest": world.kinds["pending"].request.pk}
    pk = next((pk for model, pk in about.items() if model in name), "1")
    return reverse(name, args=[pk])


def nowhere(world: World) -> Iterator[str]:
    """Return addresses whose parts are of a wrong type."""
    for url in {re.sub(r"\?.*", "", url) for url in one_of_each(world)}:
        for part in re.findall(r"(?<=/)(?:\d+|SK\w{32}|[0-9a-f-]{36}|\d{4}-Q\d)(?=/)", url):
            for kind in ("a NUL", "digits of another alphabet", "beyond the database's numbers", "SQL", "a long text"):
                yield url.replace(part, quote(VALUES[kind], safe=""))
            yield url.replace(part, "%ff%ed%a0%80")


def kinds_of_fields(form: Form) -> list[str]:
    """Return the names of a form's fields and buttons; of rows that are alike, those of the first."""
    names = [*form.fields, *(name for name, _ in form.buttons if name)]
    first = {re.sub(r"-\d+-", "-", name): name for name in reversed(names)}
    return sorted(first.values())


def shown(client: Client, urls: list[str]) -> Iterator[tuple[str, Form]]:
    """Return every form of these pages with the address it goes to, each kind of form once."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for url in urls:
        answer = client.get(url)
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        for form in forms_of(answer):
            to = form.action or url
            alike = (re.sub(r"\d+|SK\w{32}|[0-9a-f-]{36}", "", to), tuple(form.fields))
            if alike not in seen:
                seen.add(alike)
                yield to, form
