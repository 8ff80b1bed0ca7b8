"""The portal as a Django app."""

from typing import Any

from allauth.account.signals import password_changed, password_set
from allauth.account.signals import user_logged_in as library_user_logged_in
from django.apps import AppConfig, apps
from django.contrib.auth.signals import user_logged_in

from keys_app.core import db_file


class KeysAppConfig(AppConfig):
    """Connects the signals: a new session remembers what ended those before, a connection which file it has open."""

    name = "keys_app"
    verbose_name = "Twilio keys"

    def ready(self) -> None:
        db_file.watch()
        user_logged_in.connect(_begin_session, dispatch_uid="keys_app.begin_session")
        if apps.is_installed("allauth.usersessions"):  # the simulator's command needs none of it
            _note_sessions_here_alone()


def _begin_session(**signal: Any) -> None:
    from keys_app.users.auth_events import begin_session  # noqa: PLC0415 (a command without users needs none of it)

    begin_session(**signal)


def _note_sessions_here_alone() -> None:
    """Take the library's own signals off: `sessions.begin` notes each session, also where an address is unknown."""
    from allauth.usersessions import signals  # noqa: PLC0415 (it needs the models)

    for signal in (password_changed, password_set):
        signal.disconnect(signals.on_password_changed)
    library_user_logged_in.disconnect(signals.on_user_logged_in)
