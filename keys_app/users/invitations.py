"""Invitations: a user is made without a password, and sets one with a link that works once, for seven days.

The link is signed, names the user, and holds as long as what is stored instead of a password: setting one ends it, and
so does the next invitation. It is kept nowhere: a mail with one is written as it is sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.db import lock_row
from keys_app.core.errors import Conflict, SignInRefused
from keys_app.core.times import moment

from . import account_changes
from .models import Identity, PasswordReset

VALID_FOR = timedelta(days=7)
_SALT = "portal.invitation"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What became of one: `link` is empty where it was mailed, otherwise for the admin to pass on."""

    user: User
    link: str = ""


def why_not(user: User) -> str:
    """Say why a user can't be invited; empty if they can."""
    if not settings.LOCAL_SIGN_IN:
        return "Passwords are off here: users come with the sign-in provider."
    if not user.is_active:
        return f"{name_and_login(user)} is not active."
    if user.has_usable_password():
        return f"{name_and_login(user)} has a password already."
    if Identity.objects.filter(pk=user.pk).exists():
        return f"{name_and_login(user)} signs in with the provider."
    return ""


def invite(users: Iterable[User], *, actor: Actor) -> list[Invitation]:
    """Invite users, all or none, by mail or, where none can be sent, with a link to pass on; earlier links end.

    Each is an event. Raises `Conflict` for one who can't be invited.
    """
    with transaction.atomic():
        return [_invite(lock_row(User, user.pk), actor) for user in users]


def _invite(user: User, actor: Actor) -> Invitation:
    if why := why_not(user):
        raise Conflict(f"{why} No one was invited.")
    user.set_unusable_password()
    user.save(update_fields=["password"])
    mailed = bool(settings.SENDS_MAIL and user.email)
    if mailed:
        now = timezone.now()
        PasswordReset.objects.create(address=user.email, invites=user, asked_at=now, due_at=now)
    by = f"a mail to {user.email}" if mailed else "a link the admin passes on"
    record("user.invited", actor, subject=user.get_username(), subject_id=str(user.pk), details={"by": by})
    return Invitation(user, "" if mailed else _link(user, shown_to=actor.label))


def send(user: User, address: str) -> None:
    """Mail a user their link, unless that became pointless or their address another. Raises what the sender raises."""
    user.refresh_from_db()
    if why_not(user) or user.email != address:
        return
    lines = [
        f"There is an account for you in the key portal. Your login is {user.get_username()}.",
        f"Set your password here until {moment(timezone.now() + VALID_FOR)}. The link works once.",
        _link(user),
        "If you did not expect this, tell Security.",
    ]
    EmailMessage(
        subject="[Key portal] Your account in the key portal",
        body="\n\n".join(lines) + "\n",
        to=[address],
        headers={"Auto-Submitted": "auto-generated"},
    ).send()


def user_of(token: str) -> User:
    """Return whom a link invites. Raises `SignInRefused` for one that is none, or not any more."""
    return _read(token)[0]


def accept(token: str) -> User:
    """Return whom a link invites, locked, and keep who saw the link; what sets the password then ends it.

    Runs in the transaction that sets the password. Raises `SignInRefused` as `user_of` does.
    """
    user = _read(token)[0]
    lock_row(User, user.pk)
    user, shown_to = _read(token)
    account_changes.password_set_by_invitation(user=user, shown_to=shown_to)
    return user


def _link(user: User, shown_to: str = "") -> str:
    said = {"user": user.pk, "state": _state(user), "by": shown_to}
    token = signing.dumps(said, salt=_SALT, compress=True)
    return str(settings.BASE_URL.geturl() + reverse("invitation", args=[token]))


def _read(token: str) -> tuple[User, str]:
    ask = "Ask a portal admin for a new one."
    try:
        said = signing.loads(token, salt=_SALT, max_age=VALID_FOR)
    except signing.SignatureExpired:
        raise SignInRefused(f"This invitation is older than {VALID_FOR.days} days. {ask}") from None
    except signing.BadSignature:
        raise SignInRefused(f"This is not the whole link of an invitation. Copy all of it. {ask}") from None
    user = User.objects.filter(pk=said["user"], is_active=True).first()
    if user is None or not constant_time_compare(said["state"], _state(user)):
        raise SignInRefused(f"This invitation was used, or a later one took its place. {ask}")
    return user, said["by"]


def _state(user: User) -> str:
    """Return what changes whenever the user's password, or what is stored instead of one, does."""
    return salted_hmac(_SALT, user.password, algorithm="sha256").hexdigest()[:32]
