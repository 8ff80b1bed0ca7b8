from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from keys_app.management.accounts import recorded


class Command(createsuperuser.Command):
    """Django's own, with its event."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        with recorded("user.created", "createsuperuser"):
            return super().handle(*args, **options)
