"""Links that set a password, sent by mail after the answer to the request: a new one, or an invited user's first.

The answer is the same for every address, and takes the same work: no one is looked up until the sender's next run.
An address that is no one's gets no mail.
"""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

from allauth.account.forms import ResetPasswordForm
from allauth.core.context import request_context
from django.conf import settings
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIRequest
from django.db.models import Q, QuerySet
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.notifications.outbox import Failure, Outbox, Sent

from . import invitations
from .models import Identity, PasswordReset

WORTH_SENDING = timedelta(hours=1)
"""Who has waited longer has asked again."""
INVITATION_WORTH_SENDING = timedelta(days=2)
_BATCH = 100


def ask(*, address: str) -> None:
    """Queue a link for the user who has this mail address."""
    now = timezone.now()
    PasswordReset.objects.create(address=address, asked_at=now, due_at=now)


def send_links(stopping: Callable[[], bool] = lambda: False) -> Sent:
    """Mail the links that were asked for, and forget the addresses; `stopping` ends it early."""
    sent = ResetOutbox().run(stopping)
    PasswordReset.objects.filter(address="").delete()
    return sent


class ResetOutbox(Outbox[PasswordReset]):
    """The links that wait. The token in one is made as it is sent, so none is ever stored."""

    due_at = "due_at"
    attempts = "attempts"
    waiting = ~Q(address="")

    def in_turn(self) -> QuerySet[PasswordReset]:
        due = PasswordReset.objects.filter(self.waiting, due_at__lte=timezone.now()).select_related("invites")
        return due.order_by("asked_at", "pk")[:_BATCH]

    def target(self, row: PasswordReset) -> str:
        return row.address

    def in_the_log(self, row: PasswordReset) -> str:
        return f"the link of password reset {row.pk} was not sent"

    def deliver(self, row: PasswordReset) -> Failure | None:
        worth = INVITATION_WORTH_SENDING if row.invites else WORTH_SENDING
        try:
            if row.invites:
                invitations.send(row.invites, row.address)
            else:
                _send_reset(row.address)
        except Exception as error:  # noqa: BLE001 whatever it is, the other mails must still go out
            return Failure(type(error).__name__, row.asked_at < timezone.now() - worth)
        return None

    def when_sent(self) -> dict[str, Any]:
        return {"address": ""}

    def when_given_up(self, failure: Failure) -> dict[str, Any]:
        return {"address": ""}

    def record_given_up(self, row: PasswordReset, failure: Failure) -> None:
        title = f"Invitation of {row.invites.get_username()}" if row.invites else "Password reset"
        record("mail.gave_up", Actor.system("notices"), mail=row.pk, title=title, error=failure.why)


def _send_reset(address: str) -> None:
    request = _request()
    with request_context(request):
        form = _Form({"email": address})
        if form.is_valid():
            form.save(request)


class _Form(ResetPasswordForm):  # type: ignore[misc]  # a class without types
    """Gives no password to those who sign in with the provider and have none: the provider decides on them."""

    users: list[User]

    def clean_email(self) -> str:
        address = str(super().clean_email())
        elsewhere = set(Identity.objects.filter(user__in=self.users).values_list("user_id", flat=True))
        may = [user for user in self.users if user.has_usable_password() or user.pk not in elsewhere]
        self.users = may if settings.LOCAL_SIGN_IN else []
        return address


def _request() -> WSGIRequest:
    """Return what the sign-in library takes the portal's own address from: a request there would have been."""
    base = settings.BASE_URL
    port = str(base.port or (443 if base.scheme == "https" else 80))
    environ = {"REQUEST_METHOD": "POST", "wsgi.input": BytesIO(), "wsgi.url_scheme": base.scheme}
    request = WSGIRequest({**environ, "SERVER_NAME": base.hostname, "SERVER_PORT": port})
    request.get_host = lambda: str(base.netloc)  # type: ignore[method-assign]  # which no request named
    return request
