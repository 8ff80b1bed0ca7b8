"""The admin's list of the whole catalogue: what the portal knows by itself, and the operator's entries beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from keys_app.catalogue import current
from keys_app.catalogue.models import CataloguePermission
from keys_app.permissions.catalogue import PRODUCT_TITLES, Catalogue, Permission, catalogue
from keys_app.permissions.risk import VERBS, Risk, risk_of

PAGE_SIZE = 50
BUILT_IN, ADDED, REMOVED = "built-in", "added", "removed"
ORIGINS = {BUILT_IN: "Built in", ADDED: "Added here", REMOVED: "Removed here"}


@dataclass(frozen=True, slots=True)
class Line:
    """A permission as the list shows it. `page` is where its entry is changed, or one can be made."""

    name: str
    words: str
    product: str
    title: str
    risk: Risk
    origin: str
    notes: tuple[str, ...]
    is_entry: bool
    page: str

    @property
    def origin_words(self) -> str:
        return ORIGINS[self.origin]


def view(request: HttpRequest, admin: Any) -> HttpResponse:
    """Show the lines that fit what was searched for and chosen, a page at a time."""
    chosen = {name: request.GET.get(name, "").strip() for name in ("q", "product", "risk", "origin")}
    lines = _lines()
    found = [line for line in lines if _fits(line, chosen)]
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": admin.many,
        "what_for": admin.what_for,
        "page": page,
        "total": len(lines),
        "chosen": chosen,
        "products": sorted({(line.product, line.title) for line in lines}, key=lambda pair: pair[1]),
        "risks": list(Risk),
        "origins": ORIGINS.items(),
        "more": "".join(f"{urlencode({name: value})}&" for name, value in chosen.items() if value),
        "has_add_permission": admin.has_add_permission(request),
    }
    return TemplateResponse(request, "admin/keys_app/cataloguepermission/change_list.html", context)


def _fits(line: Line, chosen: dict[str, str]) -> bool:
    text = f"{line.name} {line.words} {line.title}".lower()
    exact = all(chosen[name] in ("", str(getattr(line, name))) for name in ("product", "risk", "origin"))
    return exact and all(word in text for word in chosen["q"].lower().split())


def _lines() -> list[Line]:
    """Return every permission there is, is added or was removed, by name."""
    entries = CataloguePermission.objects.in_bulk()
    known = current.current_catalogue()
    permissions = {item.name: item for source in (catalogue(), known) for item in source}
    removed = {name: item for name in entries if name not in permissions and (item := known.get(name))}
    return [_line(item, entries, known) for _, item in sorted((permissions | removed).items())]


def _line(item: Permission, entries: dict[str, CataloguePermission], known: Catalogue) -> Line:
    origin = BUILT_IN if item.name in catalogue() else ADDED
    entry = entries.get(item.name)
    add = reverse("admin:keys_app_cataloguepermission_add")
    return Line(
        name=item.name,
        words=f"{VERBS.get(item.action, item.action)} {known.subject(item.product, item.resource)}",
        product=item.product,
        title=PRODUCT_TITLES.get(item.product, item.product.replace("-", " ").capitalize()),
        risk=risk_of(item.name),
        origin=origin if item.name in known else REMOVED,
        notes=tuple(_notes(item, known)),
        is_entry=entry is not None,
        page=(
            reverse("admin:keys_app_cataloguepermission_change", args=[quote(item.name)])
            if entry
            else f"{add}?{urlencode({'name': item.name, 'removed': 'on'})}"
        ),
    )


def _notes(item: Permission, known: Catalogue) -> Iterable[str]:
    """Say what accounts answered to it."""
    now = known.get(item.name)
    if now and now.evidence == "refused":
        yield "An account refused it."
    elif now and now.evidence == "account":
        yield "An account accepted it."
