from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.users.emergency import make_link


class Command(BaseCommand):
    """For the time when the sign-in provider is gone and passwords are off."""

    help = (
        "Print a link that signs a user in once, within 15 minutes, without the sign-in provider. Security gets an "
        "alarm, and the audit an event."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("login")
        parser.add_argument("--reason", required=True, help="why it is needed; it is in the event and the alarm")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username__iexact=options["login"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['login']}.")
        try:
            token = make_link(user=user, reason=options["reason"], actor=Actor.operator("emergency_sign_in"))
        except PortalError as error:
            raise CommandError(error.message) from None
        path = reverse("emergency_sign_in", args=[token.reveal()])
        self.stdout.write(settings.BASE_URL.geturl() + path)
