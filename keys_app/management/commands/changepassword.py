from typing import Any

from django.contrib.auth.management.commands import changepassword

from keys_app.management.accounts import recorded


class Command(changepassword.Command):
    """Django's own, with its event."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        with recorded("user.password_changed", "changepassword"):
            return super().handle(*args, **options)
