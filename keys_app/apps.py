from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class KeysAppConfig(AppConfig):
    name = "keys_app"
    verbose_name = "Twilio keys"

    def ready(self) -> None:
        from .services.signing_in import begin_session  # noqa: PLC0415 (models are loaded by now, not before)

        user_logged_in.connect(begin_session, dispatch_uid="keys_app.begin_session")
