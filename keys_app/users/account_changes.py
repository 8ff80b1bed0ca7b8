"""What somebody else does to a user's account: told to that user and to Security, with its effects.

Whoever sets another's password could sign in as them. So the portal keeps who did, and each event of that user says
so, until they have set one themselves.
"""

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import User
from django.db.models import F
from django.urls import reverse

from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.text import counted, require_reason
from keys_app.notifications import notify
from keys_app.organisation.models import Team

from . import feed_tokens
from .models import SignIn

MAX_BY = 400
"""What is kept of who set a password or an address: names and logins together may have more characters."""

_WORDS = {"mail": "mail address", "active": "may sign in", "superuser": "portal admin"}
_ADVICE = "If you did not expect this, tell Security."
_SET_YOUR_OWN = (
    "The audit marks what you do with that password as such. To end that, set your own with the link that “Forgot "
    "your password?” mails you."
)


def account_changed(*, user: User, changed: Mapping[str, object], actor: Actor) -> None:
    """Do what follows from a change that somebody made to a user, in its transaction and before its event.

    `changed` says from what to what, by `login`, `name`, `mail`, `password`, `groups`, `superuser` and `active`.
    """
    if not changed:
        return
    _mark(user, changed, actor)
    mails = [user.email, str(_part(changed, "mail", "from") or "")]
    lines = [f"{_WORDS.get(name, name)}: {_from_to(change)}" for name, change in changed.items()]
    _tell(actor, user, lines, mails, _SET_YOUR_OWN if "password" in changed else "")
    if _part(changed, "active", "from") is True:
        feed_tokens.revoke_tokens_of(maker=user, actor=actor)  # a trigger ends the sessions


def members_changed(*, team: Team, changed: Mapping[str, object], actor: Actor) -> None:
    """Tell each user whose membership of a team changed, and Security once of all of them."""
    named = []
    for user in User.objects.filter(username__in=changed).order_by("username"):
        line = f"team {team}: {_from_to(changed[user.get_username()])}"
        _tell_user(actor, [user.email], [line])
        named.append(f"{name_and_login(user)}, {line}")
    if named:
        _tell_security(f"{actor.label} changed who is in team {team}", named, "team")


def set_on_command_line(*, user: User, created: bool, actor: Actor) -> None:
    """Mark and tell of a password that an operator set, in its transaction."""
    changed: dict[str, object] = {"password": "set"}
    if created:
        changed |= {"login": {"from": None, "to": user.get_username()}, "superuser": {"from": None, "to": True}}
    account_changed(user=user, changed=changed, actor=actor)


def password_set_by_mail(*, user: User) -> None:
    """Take the mark off a password that was set with a mailed link, unless somebody else changed the address."""
    by = known_of(user).mail_set_by
    _keep(user, password_set_by=by and f"whoever reads the mail address that {by} set")


def password_set_by_invitation(*, user: User, shown_to: str) -> None:
    """Keep who else could have set the password: the admin who was shown the link, where it was not mailed."""
    _keep(user, password_set_by=shown_to and f"whoever had the link that {shown_to} was shown")


def vouch(*, user: User, reason: str, actor: Actor) -> None:
    """Take the marks off a user's password and mail address on an operator's word, and end all their sessions.

    Raises `InvalidInput` without a reason.
    """
    reason = require_reason(reason)
    end_sessions(user)
    _keep(user, password_set_by="", mail_set_by="")
    line = "the password and mail address count as the user’s own again"
    _tell(actor, user, [line], [user.email])
    record("user.vouched_for", actor, subject=user.get_username(), subject_id=str(user.pk), reason=reason)


def tell(*, user: User, actor: Actor, what: str) -> None:
    """Tell a user, and Security, of one change of how the user signs in, in its transaction."""
    _tell(actor, user, [what], [user.email])


def tell_of_invited(*, users: list[User], actor: Actor) -> None:
    """Tell Security once of all who were invited together, and as what; they themselves get the invitation."""
    lines = [
        f"{name_and_login(user)}: {', '.join([*_rights_of(user), user.email or 'no mail address'])}" for user in users
    ]
    _tell_security(f"{actor.label} invited {counted(len(users), 'user')}", lines, "user")


def _rights_of(user: User) -> list[str]:
    roles = list(user.groups.order_by("name").values_list("name", flat=True)) or ["no role"]
    teams = user.memberships.select_related("team").order_by("team__name")
    return [*roles, *(f"team {one.team}{' as its lead' if one.is_lead else ''}" for one in teams)]


def end_sessions(user: User) -> None:
    """Let every session of a user that began until now have no user any more, in the running transaction."""
    _keep(user)
    SignIn.objects.filter(pk=user.pk).update(sessions_ended=F("sessions_ended") + 1)
    user.sign_in.refresh_from_db()


def known_of(user: User) -> SignIn:
    """Return what is known of how a user signs in, as it is now; for most, that nothing happened."""
    return SignIn.objects.filter(pk=user.pk).first() or SignIn(user_id=user.pk)


def _mark(user: User, changed: Mapping[str, object], actor: Actor) -> None:
    """Keep who set the password, and who changed the address a link for a new one goes to.

    The first address of an account nobody has used is not a change. A user's own change is as good as their password.
    """
    own = actor.user is not None and actor.user.pk == user.pk
    by = known_of(user).password_set_by if own else actor.label
    marks = {}
    if "password" in changed and by:
        marks["password_set_by"] = by if user.has_usable_password() else ""
    if "mail" in changed and by and (_part(changed, "mail", "from") or user.last_login):
        marks["mail_set_by"] = by
    if marks:
        _keep(user, **marks)


def _keep(user: User, **values: object) -> None:
    cut = {name: value[:MAX_BY] if isinstance(value, str) else value for name, value in values.items()}
    user.sign_in, _ = SignIn.objects.update_or_create(user_id=user.pk, defaults=cut)


def _tell(actor: Actor, user: User, lines: list[str], addresses: Iterable[str], advice: str = "") -> None:
    _tell_user(actor, addresses, lines, advice)
    _tell_security(f"{actor.label} changed the account of {name_and_login(user)}", lines, "user")


def _tell_user(actor: Actor, addresses: Iterable[str], lines: list[str], advice: str = "") -> None:
    """Mail a user, also one who cannot sign in any more, and also to the address they had before."""
    parts = [f"{actor.label} changed your account in the key portal:", _listed(lines), advice, _ADVICE]
    notify.notify(
        "user.changed",
        title=f"{actor.label} changed your account",
        text="\n\n".join(part for part in parts if part),
        path=reverse("portal:home"),
        addresses=[address for address in addresses if address],
        to_webhooks=False,
    )


def _tell_security(title: str, lines: list[str], subject: str) -> None:
    notify.notify("alarm.rights_changed", title=title, text=_listed(lines), path=f"/audit/?q=action:{subject}.*")


def _listed(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _from_to(change: object) -> str:
    return f"{_said(change['from'])} → {_said(change['to'])}" if isinstance(change, dict) else str(change)


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (", ".join(value) if isinstance(value, list) else str(value or "")) or "none"


def _part(changed: Mapping[str, object], name: str, part: str) -> object:
    change = changed.get(name)
    return change.get(part) if isinstance(change, dict) else None


def sign_in_of(user: User) -> SignIn:
    """Return what is known of how a user signs in; for most, that nothing happened."""
    try:
        return user.sign_in
    except SignIn.DoesNotExist:
        return SignIn(user_id=user.pk)
