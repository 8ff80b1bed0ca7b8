import getpass
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.core.secret import Secret
from keys_app.organisation.connect_account import connect_account
from keys_app.organisation.models import Account, Team


class Command(BaseCommand):
    """Connect a Twilio account. The credential is never an argument: arguments show in process lists."""

    help = (
        "Connect a Twilio account, or replace its credential. The credential is read from TWILIO_API_KEY and "
        "TWILIO_API_SECRET, or asked for. It is checked by listing the account's keys and stored encrypted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sid", help="the account's SID, AC…")
        parser.add_argument("--name", required=True, help="what people call this account")
        parser.add_argument("--environment", required=True, choices=Account.Environment.values)
        parser.add_argument(
            "--team", action="append", default=[], help="a team that may ask for keys on it (repeatable)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        teams = list(Team.objects.filter(name__in=options["team"]))
        missing = set(options["team"]) - {team.name for team in teams}
        if missing:
            raise CommandError(f"No such team: {', '.join(sorted(missing))}. Add it in the admin first.")
        username, password = self._credential()
        try:
            account = connect_account(
                sid=options["sid"],
                name=options["name"],
                environment=options["environment"],
                username=username,
                password=password,
                teams=teams,
                actor=Actor.operator("connect_account"),
            )
        except PortalError as error:
            raise CommandError(error.message) from None
        except ValueError:
            raise CommandError("The credential does not look like one of Twilio's. Copy it again.") from None
        self.stdout.write(f"Connected {account.sid}. The portal can list its keys.")
        if not account.teams.exists():
            self.stdout.write("No team may ask for keys on it yet: give it teams in the admin, or use --team.")

    def _credential(self) -> tuple[str, Secret]:
        username, password = os.environ.get("TWILIO_API_KEY"), os.environ.get("TWILIO_API_SECRET")
        if not (username and password):
            if not sys.stdin.isatty():
                raise CommandError("Set TWILIO_API_KEY and TWILIO_API_SECRET, or run this at a terminal.")
            username = input("API key SID (SK…), or the account SID with its auth token: ").strip()
            password = getpass.getpass("Secret: ").strip()
        if not (username and password):
            raise CommandError("The credential is empty.")
        if not (username + password).isascii():
            raise CommandError("The credential has characters that none of Twilio's have. Copy it again.")
        return username, Secret(password)
