from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from keys_app.core.actor import name_and_login
from keys_app.management.accounts import recorded
from keys_app.organisation import access


class Command(createsuperuser.Command):
    """Django's own, with its event, and taking a login for taken whatever its case."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        with recorded("user.created", "createsuperuser"):
            return super().handle(*args, **options)

    def _validate_username(self, username: str, verbose_field_name: str, database: str) -> str | None:
        if twin := access.same_login(username):
            return f"Error: This login is taken: {name_and_login(twin)}. Case makes no difference."
        # Django has it, its stubs do not
        problem: str | None = super()._validate_username(username, verbose_field_name, database)  # type: ignore[misc]
        return problem
