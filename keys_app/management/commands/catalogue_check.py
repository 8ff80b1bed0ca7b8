import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys_app.catalogue.check import CRITICAL, CatalogueReport, check_catalogue, permissions_to_check
from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError, Problem
from keys_app.organisation.models import Account


class Command(BaseCommand):
    """Check the catalogue against a real account. It asks first: for a moment it makes keys there."""

    help = (
        "Find out which permissions a Twilio account accepts, by making throwaway restricted keys on it, each "
        "deleted at once. Their secrets are not kept. What was found shows beside each permission in the portal."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sid", help="the account's SID, AC…")
        parser.add_argument("--include-iam", action="store_true", help=f"also permissions under {CRITICAL}")
        parser.add_argument("--yes", action="store_true", help="do not ask; for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(sid=options["sid"]).first()
        if account is None:
            raise CommandError(f"No account {options['sid']} is connected. Use manage.py connect_account.")
        self._announce(account, options["include_iam"])
        if not options["yes"]:
            self._ask(account)
        found = self._check(account, options["include_iam"])
        self.stdout.write(
            f"{found.total} permissions checked on {account}: {found.accepted} accepted, "
            f"{len(found.refused)} refused. Keys made for it and deleted: {found.keys}."
        )
        for name in found.refused:
            self.stdout.write(f"refused: {name}")

    def _announce(self, account: Account, include_iam: bool) -> None:
        names = permissions_to_check(include_iam=include_iam)
        self.stdout.write(
            f"{len(names)} permissions will be asked for on {account}, {account.sid}, up to 100 with each throwaway "
            "key. Each key is deleted at once; no secret is kept."
        )
        left_out = len(permissions_to_check(include_iam=True)) - len(names)
        if left_out:
            self.stdout.write(
                f"Left out: {left_out} under {CRITICAL}, because a key that can make keys can do everything, even "
                "for a moment. --include-iam checks them too."
            )
        elif include_iam:
            self.stdout.write(f"Among them are those under {CRITICAL}: for a moment a key there can make keys.")

    def _ask(self, account: Account) -> None:
        if not sys.stdin.isatty():
            raise CommandError("Nothing was done: add --yes, or run this at a terminal.")
        try:
            typed = input("Type the account's name to go on: ")
        except EOFError:
            typed = ""
        if typed.strip() != account.name:
            raise CommandError("That is not the account's name. Nothing was done.")

    def _check(self, account: Account, include_iam: bool) -> CatalogueReport:
        try:
            return check_catalogue(
                account=account,
                include_iam=include_iam,
                actor=Actor.operator("catalogue_check"),
                progress=self._show,
            )
        except PortalError as error:
            next_step = f" {error.next_step}" if isinstance(error, Problem) else ""
            raise CommandError(f"{error.message}{next_step}") from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Run manage.py reconcile: it deletes a key that was left behind.") from None

    def _show(self, found: CatalogueReport) -> None:
        """Count on one line, where somebody watches."""
        if self.stdout.isatty():
            done = found.accepted + len(found.refused)
            self.stdout.write(f"\r{done} of {found.total}", ending="\n" if done == found.total else "")
            self.stdout.flush()
