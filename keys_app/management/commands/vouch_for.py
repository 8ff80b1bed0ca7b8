from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from keys_app.core.actor import Actor
from keys_app.core.db import locked
from keys_app.core.errors import InvalidInput
from keys_app.users.account_changes import vouch


class Command(BaseCommand):
    """For a portal that sends no mail, or a user whose mail address a portal admin changed."""

    help = (
        "Say that the password and mail address of a user are the user's own, after making sure of it: events no "
        "longer say who set them. Ends the user's sessions; the user and Security are told."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("login")
        parser.add_argument("--reason", required=True, help="how you made sure; it is in the event")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic(durable=True):
            user = locked(User.objects.filter(username__iexact=options["login"])).first()
            if user is None:
                raise CommandError(f"There is no user {options['login']}.")
            try:
                vouch(user=user, reason=options["reason"].strip(), actor=Actor.operator("vouch_for"))
            except InvalidInput as error:
                raise CommandError(error.message) from None
