"""The portal as a Django app."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in

from keys_app.core import db_file


class KeysAppConfig(AppConfig):
    """Connects the signals: a new session remembers what ended those before, a connection which file it has open."""

    name = "keys_app"
    verbose_name = "Twilio keys"

    def ready(self) -> None:
        db_file.watch()
        user_logged_in.connect(_begin_session, dispatch_uid="keys_app.begin_session")


def _begin_session(**signal: Any) -> None:
    from keys_app.users.auth_events import begin_session  # noqa: PLC0415 (a command without users needs none of it)

    begin_session(**signal)
