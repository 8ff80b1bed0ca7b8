"""What a user typed into a form that could not be received, kept for an hour and for this user alone.

Which fields of which forms are kept, and how a form says whose it is: `views/http/drafts.py`.
"""

import json
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from keys_app.permissions.paste.credentials import drop_credentials

from .models import Draft

KEPT = timedelta(hours=1)
MOST = 64 * 1024
"""Characters of a draft. More is no form that was filled in by hand."""


class Fields(dict[str, list[str]]):
    """The values of fields by their names, as a form sends them."""

    def one(self, name: str) -> str:
        """Return the last value of a field; empty without one."""
        return "".join(self.get(name, [])[-1:])

    def each(self) -> dict[str, str | list[str]]:
        """Return the value of each field that has one, as a form takes it: a list where several were chosen."""
        return {name: values if len(values) > 1 else values[0] for name, values in self.items() if values}


def keep(*, user_id: int, path: str, fields: dict[str, list[str]]) -> bool:
    """Keep what was typed into the form that is sent to `path`, instead of an earlier draft of it.

    A field in which anything looks like a credential is left out. Returns whether there is a draft now.
    """
    clear_old()
    text = json.dumps({name: values for name, values in fields.items() if not any(map(_holds_a_secret, values))})
    if len(text) > MOST or not User.objects.filter(pk=user_id, is_active=True).exists():
        return False
    kept = {"fields_json": text, "made_at": timezone.now()}
    Draft.objects.update_or_create(user_id=user_id, path=path, defaults=kept)
    return True


def drafts_of(user: User) -> dict[str, tuple[Fields, datetime]]:
    """Return a user's drafts by where their forms are sent to, each with when it was kept. One query."""
    rows = Draft.objects.filter(user=user, made_at__gt=timezone.now() - KEPT)
    return {row.path: (Fields(json.loads(row.fields_json)), row.made_at) for row in rows}


def forget(*, user_id: int, path: str) -> None:
    """Forget the draft of a form that was received now."""
    Draft.objects.filter(user=user_id, path=path).delete()


def clear_old() -> None:
    """Forget the drafts of more than an hour ago."""
    Draft.objects.filter(made_at__lte=timezone.now() - KEPT).delete()


def _holds_a_secret(value: str) -> bool:
    return drop_credentials(value)[1]
