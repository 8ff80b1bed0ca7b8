"""The portal as a Django app."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class KeysAppConfig(AppConfig):
    """Connects the signal with which each new session remembers what ended the sessions before."""

    name = "keys_app"
    verbose_name = "Twilio keys"

    def ready(self) -> None:
        user_logged_in.connect(_begin_session, dispatch_uid="keys_app.begin_session")


def _begin_session(**signal: Any) -> None:
    from keys_app.users.auth_events import begin_session  # noqa: PLC0415 (a command without users needs none of it)

    begin_session(**signal)
