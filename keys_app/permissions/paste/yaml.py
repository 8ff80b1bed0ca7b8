"""Requests in YAML: Ansible's `uri`, GitHub Actions, rest_command, OpenAPI. Its indentation alone is read."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from . import clients
from .calls import Call
from .tables import under_servers

_LINE = re.compile(
    r"^(?P<indent>[ \t]{0,60})(?P<dash>-[ \t]{1,9})?"
    r"[\"']?(?P<key>[\w/.{}:-]{1,200}?)[\"']?:(?:[ \t]+(?P<value>\S.*))?$",
    re.MULTILINE,
)
_METHODS = frozenset({"method", "requestmethod", "http_method", "verb"})
_URLS = frozenset({"url", "uri", "endpoint", "resource"})
_METHOD = re.compile(clients.METHODS, re.IGNORECASE)


@dataclass(slots=True)
class _Block:
    indent: int
    place: int
    path: str = ""
    keys: dict[str, tuple[str, int]] = field(default_factory=dict)


def read_yaml(text: str, fill: Callable[[str, int], str]) -> Iterator[Call]:
    """Yield each request of which method and address stand side by side, and each operation of an OpenAPI document."""
    blocks: list[_Block] = []
    servers = [
        fill(_plain(found), 0) for found in re.findall(r"^servers:[ \t]*\n[ \t]*-[ \t]*url:[ \t]*(\S+)", text, re.M)
    ]
    for match in _LINE.finditer(text):
        indent = len(match["indent"]) + len(match["dash"] or "")
        while blocks and (blocks[-1].indent > indent or (match["dash"] and blocks[-1].indent == indent)):
            yield from _closed(blocks.pop(), fill)
        if not blocks or blocks[-1].indent < indent:
            blocks.append(_Block(indent, match.start("key"), _parent_path(blocks)))
        key, value = match["key"], _plain(match["value"] or "")
        blocks[-1].keys[key.lower() if not key.startswith("/") else key] = (value, match.start("key"))
        if _METHOD.fullmatch(key) and not value and blocks[-1].path and (at := under_servers(blocks[-1].path, servers)):
            yield Call(key.upper(), at, match.start("key"))
    while blocks:
        yield from _closed(blocks.pop(), fill)


def _parent_path(blocks: list[_Block]) -> str:
    """Return the path that the last key was, if it was one of an OpenAPI document."""
    last = next(reversed(blocks[-1].keys), "") if blocks else ""
    return last if last.startswith("/") else ""


def _closed(block: _Block, fill: Callable[[str, int], str]) -> Iterator[Call]:
    method = next((value for key, (value, _) in block.keys.items() if key in _METHODS), "")
    url = next((value for key, (value, _) in block.keys.items() if key in _URLS), "")
    if url and _METHOD.fullmatch(method):
        yield Call(method.upper(), fill(url, block.place), block.place)


def _plain(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] in "\"'" and value.endswith(value[0]):
        return value[1:-1]
    return value.rstrip(",")
