from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys_app.users.factors import encrypt_anew, unreadable_factors


class Command(BaseCommand):
    """For a change of the encryption key."""

    help = (
        "Encrypt the secrets of second factors with the first of PORTAL_ENCRYPTION_KEYS. Fails where no key reads one."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done, unread = encrypt_anew()
        self.stdout.write(f"Encrypted anew: {done}.")
        if unread:
            raise CommandError(f"No key reads {unread}, of {', '.join(unreadable_factors())}. They stay as they are.")
