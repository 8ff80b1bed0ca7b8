"""Reads the forms of a page as a browser does, so that a test presses what is really there."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any


@dataclass
class Form:
    """One form: where it goes, what it would send as it stands, and its buttons with their name and value."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    required: list[str] = field(default_factory=list)

    def sent(self, **changes: Any) -> dict[str, Any]:
        """Return what is sent after `changes` were typed; None leaves a field out, as an empty box does."""
        return {name: value for name, value in {**self.fields, **changes}.items() if value is not None}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = self._area = ""
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "button" and given.get("type", "submit") == "submit":
            self._form.buttons.append((name, value))
        elif tag == "input":
            self._input(given.get("type", "text"), name, value, given)
        elif tag == "select":
            self._select = name
            self._note_required(name, given)
        elif tag == "option" and self._select and "selected" in given:
            self._form.fields.setdefault(self._select, []).append(value)
        elif tag == "textarea":
            self._area, self._text = name, []
            self._note_required(name, given)

    def _input(self, kind: str, name: str, value: str, given: dict[str, str]) -> None:
        assert self._form is not None
        if kind == "submit":
            self._form.buttons.append((name, value))
        elif name and (kind not in ("checkbox", "radio") or "checked" in given):
            if kind in ("checkbox", "radio"):
                value = given.get("value", "on")
            self._form.fields.setdefault(name, []).append(value)
        self._note_required(name, given)

    def _note_required(self, name: str, given: dict[str, str]) -> None:
        if "required" in given and self._form is not None:
            self._form.required.append(name)

    def handle_data(self, data: str) -> None:
        if self._area:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea" and self._form is not None:
            self._form.fields[self._area] = ["".join(self._text).removeprefix("\n")]
            self._area = ""


def forms_of(answer: Any) -> list[Form]:
    """Return the forms of a page, in order."""
    reader = _Reader()
    reader.feed(answer.content.decode())
    return reader.forms


def send_shown(client: Any, url: str, **changes: Any) -> Any:
    """Open a page of the admin and save it as it is shown, but for `changes`."""
    form = next(form for form in forms_of(client.get(url)) if "_save" in dict(form.buttons))
    return client.post(url, {**form.sent(**changes), "_save": "Save"})
