"""Second factors: what is kept of them, a code that is tried, and who takes them away.

The sign-in library has the tables and the arithmetic. Here is what it leaves to the memory of one process or to no one:
a code counts once, whichever process is asked; tries are counted; each act is an event, and a mail to its user.
"""

from collections.abc import Iterable, Mapping

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse

from keys_app.audit.record import record
from keys_app.audit.throttle import note
from keys_app.core.actor import Actor
from keys_app.core.db import in_batches, lock_row, locked
from keys_app.core.secret import Secret
from keys_app.notifications import notify
from keys_app.organisation import access
from keys_app.organisation.credentials import decrypt, encrypt

from . import account_changes, limits, password_tries

ADMINS = "admins"
"""The word of `PORTAL_REQUIRE_MFA` for portal admins, who are in no group by that."""
MOST_WRONG = 10
"""Wrong codes of a user within an hour: of the million codes there are, three fit at any time."""

KINDS = {"totp": "authenticator app", "webauthn": "passkey", "recovery_codes": "recovery codes"}
_SECRETS = {"totp": "secret", "recovery_codes": "seed"}
_LAST_COUNTER = "last_counter"
_ADVICE = "If that wasn’t you, tell Security and set a new password."


def kind_of(factor: Authenticator) -> str:
    """Return what a factor is, in words."""
    return KINDS[factor.type]


def factors_of(user: User) -> list[Authenticator]:
    """Return what a user has that proves more than a password, the oldest first. Recovery codes alone are nothing."""
    found = Authenticator.objects.filter(user_id=user.pk).order_by("created_at", "pk")
    return [one for one in found if one.type != Authenticator.Type.RECOVERY_CODES]


def is_required_of(user: User, wanted: Iterable[str]) -> bool:
    """Tell whether a user is in one of these groups, or a portal admin where `admins` is among them."""
    named = frozenset(wanted)
    return (user.is_superuser and ADMINS in named) or bool(named & access.person(user).groups)


def use_code(*, user: User, code: str, address: str) -> Authenticator | None:
    """Return the factor whose code this is, which counts once; None if it is no one's.

    A try counts before it is looked at; one that was right is given back. Raises `TooMany`, and tries nothing.
    """
    words = "Too many wrong codes were tried for this account."
    sources = "Too many wrong tries came from your network."
    wrong = limits.Limit("wrong codes", str(user.pk), MOST_WRONG, words)
    of_source = limits.Limit(
        "wrong codes of a source", password_tries.source_of(address), password_tries.MOST_FROM_A_SOURCE, sources
    )
    with transaction.atomic(durable=True):
        uses = limits.take(wrong, of_source)
    with transaction.atomic(durable=True):
        found = _used(user, code)
        if found:
            limits.give_back(uses)
            if found.type == Authenticator.Type.RECOVERY_CODES:
                _tell(user, f"A recovery code of yours was used. {codes_left(found)} are left.")
                record("factor.code_used", Actor.of(user, address), left=codes_left(found))
    if not found:
        note("factor.failed", Actor.of(user, address))
    return found


def _used(user: User, code: str) -> Authenticator | None:
    """Take a code of an app, or a recovery code, if it fits and wasn't used before. Locks the user's factors."""
    for factor in locked(Authenticator.objects.filter(user_id=user.pk).order_by("pk")):
        if factor.type == Authenticator.Type.TOTP and _take_counter(factor, code):
            return factor
        if (
            factor.type == Authenticator.Type.RECOVERY_CODES
            and _readable(factor.type, factor.data)
            and factor.wrap().validate_code(code)
        ):
            factor.refresh_from_db()
            return factor
    return None


def _take_counter(factor: Authenticator, code: str) -> bool:
    """Take the code of a moment later than that of the last one taken; its row is locked."""
    secret = decrypt(factor.data["secret"])
    counter = secret and counter_of(secret, code)
    if counter is None or counter <= factor.data.get(_LAST_COUNTER, 0):
        return False
    factor.data[_LAST_COUNTER] = counter
    factor.save(update_fields=["data"])
    return True


def counter_of(secret: Secret, code: str) -> int | None:
    """Return for which span of 30 seconds a code is the one of this secret: this, the last or the next; or None."""
    for counter in yield_hotp_counters_from_time():
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret.reveal(), counter))):
            return int(counter)
    return None


def codes_left(factor: Authenticator) -> int:
    """Return how many recovery codes are unused. It needs no secret."""
    from allauth.mfa import app_settings  # noqa: PLC0415

    return int(app_settings.RECOVERY_CODE_COUNT) - bin(factor.data["used_mask"]).count("1")


def added(*, factor: Authenticator, actor: Actor, code: str = "") -> None:
    """Record and tell that a user added a factor, in its transaction. The `code` it was proved with is used by that."""
    if code and (secret := decrypt(factor.data["secret"])) and (counter := counter_of(secret, code)):
        factor.data[_LAST_COUNTER] = counter
        factor.save(update_fields=["data"])
    _tell(actor.signed_in, f"You added a second factor: {_named(factor)}.")
    record("factor.added", actor, kind=kind_of(factor), name=_name_of(factor))


def codes_made(*, actor: Actor) -> None:
    """Record and tell that a user got new recovery codes, in their transaction. Those before are void."""
    _tell(actor.signed_in, "New recovery codes were made for your account. Those before no longer work.")
    record("factor.codes_made", actor)


def removed(*, factor: Authenticator, actor: Actor) -> None:
    """Record and tell that a user removed a factor, in its transaction; with the last one the recovery codes go."""
    left = len(factors_of(actor.signed_in))
    _tell(actor.signed_in, f"You removed a second factor: {_named(factor)}.")
    record("factor.removed", actor, kind=kind_of(factor), name=_name_of(factor), left=left)


def renamed(*, factor: Authenticator, before: str, actor: Actor) -> None:
    """Record that a user gave a passkey another name."""
    record("factor.renamed", actor, kind=kind_of(factor), name=_name_of(factor), before=before)


def reset(*, user: User, actor: Actor) -> list[str]:
    """Take all factors of a user away, and end their sessions; return what they were. The user and Security are told.

    It is what an admin or operator does for a user who lost them: the next sign-in is with the password alone.
    """
    lock_row(User, user.pk)
    there = list(locked(Authenticator.objects.filter(user_id=user.pk).order_by("pk")))
    were = [_named(factor) for factor in there]
    if not were:
        return []
    Authenticator.objects.filter(pk__in=[factor.pk for factor in there]).delete()
    account_changes.end_sessions(user)
    what = f"second factors taken away: {', '.join(were)}; the password alone signs in until new ones are set up"
    account_changes.tell(user=user, actor=actor, what=what)
    record("factor.reset", actor, subject=user.get_username(), subject_id=str(user.pk), factors=were)
    return were


def encrypt_anew() -> tuple[int, int]:
    """Encrypt the secret of each factor with the newest key; return of how many, and how many no key reads."""
    done = unread = 0
    for pk in Authenticator.objects.filter(type__in=_SECRETS).order_by("pk").values_list("pk", flat=True):
        with transaction.atomic(durable=True):
            factor = locked(Authenticator.objects.filter(pk=pk)).first()
            if factor is None:
                continue
            name = _SECRETS[factor.type]
            secret = decrypt(factor.data[name])
            if secret is None:
                unread += 1
                continue
            factor.data[name] = encrypt(secret)
            factor.save(update_fields=["data"])
            done += 1
    return done, unread


def unreadable_factors() -> list[str]:
    """Return the logins of those who have a factor whose secret no encryption key reads."""
    stored = in_batches(Authenticator.objects.filter(type__in=_SECRETS), "user__username", "type", "data")
    return sorted({login for login, kind, data in stored if not _readable(kind, data)})


def _readable(kind: str, data: Mapping[str, str]) -> bool:
    return decrypt(data[_SECRETS[kind]]) is not None


def _name_of(factor: Authenticator) -> str:
    return str(factor.data.get("name", "")) if factor.type == Authenticator.Type.WEBAUTHN else ""


def _named(factor: Authenticator) -> str:
    name = _name_of(factor)
    return f"{kind_of(factor)} “{name}”" if name else kind_of(factor)


def _tell(user: User, what: str) -> None:
    notify.notify(
        "factor.changed",
        title=what,
        text=f"{what}\n\n{_ADVICE}",
        path=reverse("mfa_index"),
        people=[user],
        to_webhooks=False,
    )
