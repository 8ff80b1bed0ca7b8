"""`manage.py twilio_sandbox`: runs the local simulator of Twilio's Key resource."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys_app.twilio_sandbox.run import add_arguments, run


class Command(BaseCommand):
    """Prints the base URL and the credential it accepts, then serves on 127.0.0.1 until SIGTERM or SIGINT."""

    help = "Run a local simulator of Twilio's Key resource. Its keys open nothing."
    requires_system_checks: list[str] = []  # no database is needed

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run(port=options["port"], state=options["state"], stop_on_eof=options["stop_on_eof"])
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from None
