"""What the admin's templates need besides Django's own tags."""

from collections.abc import Iterable
from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

register = template.Library()


@register.filter
def labelled(cells: Iterable[str], headers: Iterable[dict[str, Any]]) -> list[SafeString]:
    """Return the cells of a row of a list, each with its column's name, which a narrow screen shows beside it."""
    return [_labelled(str(cell), header) for cell, header in zip(cells, headers, strict=False)]


def _labelled(cell: str, header: dict[str, Any]) -> SafeString:
    tag, rest = cell[:3], cell[3:]
    role = "rowheader" if tag == "<th" else "cell"
    is_box = "action-checkbox" in cell
    label = "" if is_box else f' data-label="{conditional_escape(capfirst(header["text"]))}"'
    scope = ' scope="row"' if tag == "<th" else ""
    return mark_safe(f'{tag}{scope} role="{role}"{label}{rest}')  # noqa: S308 what Django wrote, with an escaped label


@register.filter
def is_group(field: BoundField) -> bool:
    """Tell whether a field is several boxes, so that its name is a legend and no label."""
    return isinstance(field.field.widget, forms.RadioSelect)  # boxes to tick are a kind of it


@register.filter
def initially(field: BoundField) -> SafeString | str:
    """Return the hidden field that says what the page showed, for a form that compares with it."""
    return field.as_hidden(only_initial=True) if field.field.show_hidden_initial else ""
