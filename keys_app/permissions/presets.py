"""Templates: common tasks, each with a name and the fewest permissions that do it."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from keys_app.core.errors import InvalidInput

from .catalogue import Catalogue
from .naming import MAX_NAME
from .policy import Policy

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TEXTS = ("slug", "title", "description", "group", "name")
_FIELDS = {*_TEXTS, "permissions"}
_SHIPPED = "templates.toml"


@dataclass(frozen=True, slots=True)
class Template:
    """A task a key is made for. `permissions` are explicit and sorted, `name` is the suggested name of the key."""

    slug: str
    title: str
    description: str
    group: str
    permissions: tuple[str, ...]
    name: str


def templates(extra: Path | None = None, known: Catalogue | None = None) -> tuple[Template, ...]:
    """Return the shipped templates and those of an operator's file.

    A template in `extra` replaces the shipped one of the same slug, in its place; others follow at the end.
    The file is read at each call, so that a change needs no restart. Its permissions are looked up in `known`
    (the shipped catalogue if left out).

    Raises `ValueError`, naming file and slug, if a file cannot be read or a template in it is malformed or
    asks for a permission that does not exist.
    """
    found = {template.slug: template for template in _shipped()}
    if extra is not None:
        try:
            text = extra.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{extra}: cannot be read: {error}") from error
        found.update((template.slug, template) for template in _read(text, str(extra), known))
    return tuple(found.values())


def find_template(slug: str, extra: Path | None = None, known: Catalogue | None = None) -> Template | None:
    """Return the template of this slug, or None. Raises as `templates` does."""
    return next((template for template in templates(extra, known) if template.slug == slug), None)


@cache
def _shipped() -> tuple[Template, ...]:
    text = resources.files(__package__).joinpath("data", _SHIPPED).read_text(encoding="utf-8")
    return _read(text, _SHIPPED, None)


def _read(text: str, file: str, known: Catalogue | None) -> tuple[Template, ...]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: not TOML: {error}") from error
    entries = document.pop("template", [])
    if document:
        raise ValueError(f"{file}: only [[template]] belongs here, not {', '.join(sorted(document))}")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{file}: templates are written as [[template]]")
    found: dict[str, Template] = {}
    for number, entry in enumerate(entries, start=1):
        where = f"{file}, template {entry.get('slug') or number}"
        template = _template(entry, where, known)
        if template.slug in found:
            raise ValueError(f"{where}: this slug is used twice")
        found[template.slug] = template
    return tuple(found.values())


def _template(entry: dict[str, object], where: str, known: Catalogue | None) -> Template:
    if set(entry) != _FIELDS:
        raise ValueError(f"{where}: missing or not expected: {', '.join(sorted(set(entry) ^ _FIELDS))}")
    texts: dict[str, str] = {}
    for name in _TEXTS:
        value = entry[name]
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{where}: {name} must be a text")
        texts[name] = value.strip()
    if not _SLUG.fullmatch(texts["slug"]):
        raise ValueError(f"{where}: a slug is made of a-z, 0-9 and single hyphens")
    if len(texts["name"]) > MAX_NAME:
        raise ValueError(f"{where}: name is longer than {MAX_NAME} characters")
    return Template(permissions=_permissions(entry["permissions"], where, known), **texts)


def _permissions(value: object, where: str, known: Catalogue | None) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{where}: permissions must be a list of texts")
    try:
        return Policy.parse(value, known).allow
    except InvalidInput as error:
        raise ValueError(f"{where}: {error.message}") from error
