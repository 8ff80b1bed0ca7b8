from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from keys_app.core.actor import Actor
from keys_app.users.factors import reset


class Command(BaseCommand):
    """For portal admins who lost theirs; others are helped on the page of users in the admin."""

    help = "Take all second factors of a user away. Ends the user's sessions; the user and Security are told."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("login")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username__iexact=options["login"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['login']}.")
        with transaction.atomic(durable=True):
            were = reset(user=user, actor=Actor.operator("reset_factors"))
        self.stdout.write(f"Taken away: {', '.join(were)}." if were else "The user has no second factor.")
