"""Every operation of the official Python SDK that is installed, read from its source: domain, method and path."""

import re
from collections.abc import Iterator
from pathlib import Path

import twilio.rest

ROOT = Path(twilio.rest.__file__).parent
DOMAINS = sorted(path.parent.name for path in ROOT.glob("*/*Base.py"))
_CLASS = re.compile(r"^class \w+\(", re.MULTILINE)
_URI = re.compile(r"self\._uri = \(?\s*[\"']([^\"']*)[\"']")
_METHOD = re.compile(r"method=[\"']([A-Z]+)[\"']")


def host_of(domain: str) -> str:
    """Return the first label of a domain's host."""
    base = next((ROOT / domain).glob("*Base.py")).read_text()
    return re.findall(r"https://([a-z-]+)\.twilio\.com", base)[0]


def operations() -> Iterator[tuple[str, str, str]]:
    """Yield domain, HTTP method and path (with `X1` for each SID) of every resource class, each once."""
    found = set()
    for file in ROOT.rglob("*.py"):
        domain, version = (*file.relative_to(ROOT).parts, "", "")[:2]
        if not (ROOT / domain / version / "__init__.py").is_file():
            continue
        start = re.findall(
            r'super\(\).__init__\(domain, "(.*)"\)', (ROOT / domain / version / "__init__.py").read_text()
        )
        for body in _CLASS.split(file.read_text())[1:]:
            if uri := _URI.search(body):
                path = re.sub(r"\{[^}]*\}", "X1", f"/{start[0]}{uri[1]}")
                found |= {(domain, method, path) for method in _METHOD.findall(body)}
    yield from sorted(found)
