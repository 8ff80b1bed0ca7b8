"""Users that the sign-in provider knows: found by issuer and subject, never by a name or a mail address."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.audit.throttle import note
from keys_app.core.actor import Actor
from keys_app.core.db import lock_row
from keys_app.core.errors import SignInRefused
from keys_app.core.typed import line_problem, mixed_words
from keys_app.organisation.access import same_login
from keys_app.organisation.recorded_state import rights_of

from . import account_changes
from .auth_events import UNKNOWN
from .limits import HOUR, Limit, take
from .models import Identity
from .password_tries import source_of

MAX_SUBJECT = 255
MOST_FROM_A_SOURCE = 200
"""So many sign-ins at the provider may be begun, and not finished, within an hour."""
OF_SOURCE = "unfinished sign-ins of a source"
_MAX_LOGIN, _MAX_NAME, _MAX_MAIL = 150, 150, 254
_NOT_IN_A_LOGIN = re.compile(r"[^\w.@+-]+")


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says of a person who signed in there, after its signature was checked.

    `every` are all claims; `signed_in_at` is when they proved who they are, in seconds since 1970.
    """

    issuer: str
    subject: str
    login: str = ""
    first_name: str = ""
    last_name: str = ""
    mail: str = ""
    signed_in_at: float | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    every: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def read(cls, claims: Mapping[str, object]) -> "Claims":
        """Return the claims of an ID token and of the user info, with what can't be a name or an address left out.

        Raises `SignInRefused` for a subject that is none.
        """
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or line_problem(subject, "subject"):
            raise SignInRefused("The provider did not say who you are in a form the portal can keep.")
        whole = _line(claims.get("name")).partition(" ")
        at, amr = claims.get("auth_time"), claims.get("amr")
        return cls(
            issuer=str(claims["iss"]),
            subject=subject,
            login=_line(claims.get("preferred_username")),
            first_name=(_line(claims.get("given_name")) or whole[0])[:_MAX_NAME],
            last_name=(_line(claims.get("family_name")) or whole[2])[:_MAX_NAME],
            mail=_mail(claims.get("email")),
            signed_in_at=float(at) if isinstance(at, int | float) and not isinstance(at, bool) else None,
            acr=_line(claims.get("acr")),
            amr=tuple(filter(None, map(_line, amr))) if isinstance(amr, list) else (),
            every=claims,
        )

    @property
    def recorded(self) -> dict[str, object]:
        """Return what an event says of who the provider says it was."""
        return {"issuer": self.issuer, "subject_there": self.subject}


def find(claims: Claims) -> User | None:
    """Return the user the provider knows by this subject. Raises `SignInRefused` if it is another issuer's."""
    known = Identity.objects.select_related("user").filter(subject=claims.subject).first()
    if known and known.issuer != claims.issuer:
        raise SignInRefused(
            "The portal knows this account from another provider. A portal admin has to look at that first."
        )
    return known.user if known else None


def create_user(*, claims: Claims, actor: Actor) -> User:
    """Create the user for someone whom the portal has never seen, in the running transaction: no password, no rights.

    Their login is a free one: no one is ever taken for another because the names are equal.
    """
    user = User(
        username=free_login(claims.login or claims.mail.partition("@")[0]),
        first_name=claims.first_name,
        last_name=claims.last_name,
        email=claims.mail,
    )
    user.set_unusable_password()
    user.save()
    _join(user, claims.issuer, claims.subject)
    details = {**claims.recorded, **rights_of(user)}
    record("user.created", actor, subject=user.get_username(), subject_id=str(user.pk), details=details)
    return user


def free_login(wanted: str) -> str:
    """Return a login that no one has, as near as can be to the one wanted."""
    base = _NOT_IN_A_LOGIN.sub("-", unicodedata.normalize("NFKC", wanted)).strip("-.")[: _MAX_LOGIN - 6]
    base = "user" if mixed_words(base) or not base else base  # letters of two scripts look like another's login
    login, number = base, 1
    while same_login(login):
        number += 1
        login = f"{base}-{number}"
    return login


def join(*, user: User, claims: Claims, actor: Actor) -> None:
    """Let a user sign in with the provider from now on. The user and Security are told. Raises `SignInRefused`."""
    with transaction.atomic(durable=True):
        lock_row(User, user.pk)
        _join(user, claims.issuer, claims.subject)
        account_changes.tell(user=user, actor=actor, what=f"signs in with the provider too, there as {claims.subject}")
        record("identity.created", actor, details={"user": user.get_username(), **claims.recorded})


def _join(user: User, issuer: str, subject: str) -> None:
    """Let the provider's subject be this user from now on. Raises `SignInRefused` if either is joined already."""
    if Identity.objects.filter(pk=user.pk).exists():
        raise SignInRefused("This user signs in with the provider already.")
    if Identity.objects.filter(subject=subject).exists():
        raise SignInRefused("The provider’s account belongs to another user already.")
    with transaction.atomic():
        Identity.objects.create(user=user, issuer=issuer, subject=subject, joined_at=timezone.now())


def count_start(*, address: str) -> list[int]:
    """Count a sign-in that is begun at the provider; return what to give back once it is finished. Raises `TooMany`."""
    words = "Too many sign-ins were begun from your network and not finished."
    with transaction.atomic(durable=True):
        return take(Limit(OF_SOURCE, source_of(address), MOST_FROM_A_SOURCE, words, HOUR))


def note_refused(*, why: str, address: str, user: User | None = None) -> None:
    """Record that someone who came from the provider was not let in: once within an hour, then counted."""
    who = Actor.of(user, address) if user else Actor(None, UNKNOWN, address)
    note("user.sign_in_failed", who, by="provider", why=why)


def _line(value: object) -> str:
    """Return a claim as one line of what can be seen; empty for anything else."""
    text = " ".join(value.split(" ")).strip() if isinstance(value, str) else ""
    return "" if line_problem(text, "claim") else text


def _mail(value: object) -> str:
    text = _line(value)
    try:
        validate_email(text)
    except ValidationError:
        return ""
    return text if len(text) <= _MAX_MAIL else ""
