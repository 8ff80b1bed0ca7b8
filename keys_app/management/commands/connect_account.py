import getpass
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys_app.connections.connect import Connected, CredentialCheck, connect_account
from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.core.secret import Secret
from keys_app.organisation.models import Account, Team


class Command(BaseCommand):
    """Connect a Twilio account. The credential is never an argument: arguments show in process lists."""

    help = (
        "Connect a Twilio account, or replace its credential. The credential is read from TWILIO_API_KEY and "
        "TWILIO_API_SECRET, or asked for. It is proved first: it has to list keys, read one, delete one that does not "
        "exist, and then make, read and delete a throwaway key. Until then an account that was connected before stays "
        "as it was. The credential is stored encrypted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sid", help="the account's SID, AC…")
        parser.add_argument("--name", help="what people call this account; a new account needs it")
        parser.add_argument(
            "--environment", choices=Account.Environment.values, help="what it is for; a new account needs it"
        )
        parser.add_argument(
            "--team", action="append", default=[], help="a team that may ask for keys on it (repeatable)"
        )
        parser.add_argument(
            "--check",
            choices=[check.value for check in CredentialCheck],
            default=CredentialCheck.FULL.value,
            help="listing: list the keys and make none; pages then say that the credential is unproved",
        )
        parser.add_argument(
            "--shared", action="store_true", help="another portal makes keys on this account too, and that is meant"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        teams = list(Team.objects.filter(name__in=options["team"]))
        missing = set(options["team"]) - {team.name for team in teams}
        if missing:
            raise CommandError(f"No such team: {', '.join(sorted(missing))}. Add it in the admin first.")
        username, password = self._credential()
        try:
            connected = connect_account(
                sid=options["sid"],
                name=options["name"],
                environment=options["environment"],
                username=username,
                password=password,
                teams=teams,
                check=CredentialCheck(options["check"]),
                shared=options["shared"],
                actor=Actor.operator("connect_account"),
            )
        except PortalError as error:
            raise CommandError(error.message) from None
        except ValueError:
            raise CommandError("The credential does not look like one of Twilio's. Copy it again.") from None
        self._report(connected)

    def _report(self, connected: Connected) -> None:
        account = connected.account
        may = (
            "The portal can list, read, make and delete its keys."
            if account.proved_at
            else "The portal can list its keys. Whether it can make and delete them was not tried: pages say that the "
            "credential is unproved. Run this again without --check listing to prove it."
        )
        for line in (f"Connected {account.sid}. {may}", *connected.notes):
            self.stdout.write(line)
        if not account.teams.exists():
            self.stdout.write("No team may ask for keys on it yet: give it teams in the admin, or use --team.")

    def _credential(self) -> tuple[str, Secret]:
        username, password = os.environ.get("TWILIO_API_KEY"), _secret_or_none(os.environ.get("TWILIO_API_SECRET"))
        if not (username and password):
            if not sys.stdin.isatty():
                raise CommandError("Set TWILIO_API_KEY and TWILIO_API_SECRET, or run this at a terminal.")
            username = input("API key SID (SK…), or the account SID with its auth token: ").strip()
            password = _secret_or_none(getpass.getpass("Secret: ").strip())
        if not username or password is None:
            raise CommandError("The credential is empty.")
        if not (username.isascii() and password.reveal().isascii()):
            raise CommandError("The credential has characters that none of Twilio's have. Copy it again.")
        return username, password


def _secret_or_none(typed: str | None) -> Secret | None:
    return Secret(typed) if typed else None
