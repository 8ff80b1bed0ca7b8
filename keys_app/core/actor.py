"""Who does something, as the ledger records it."""

import getpass
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .present import present

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def with_login(name: str, login: str) -> str:
    """Return a user's name with the login behind it, which no other user has: “Erin Engineer (engineer)”."""
    return f"{name} ({login})" if login and login != name else name


def display_name(user: "User") -> str:
    """Return a user's full name, or the login where there is none."""
    return user.get_full_name() or user.get_username()


def name_and_login(user: "User") -> str:
    """Return how approvers and auditors see a user: two may have one name, and none the same login."""
    return with_login(display_name(user), user.get_username())


_NAMED = 4


def name_list(users: "Sequence[User]", last: str = "or") -> str:
    """Return “Lena Lead or Sam Security”; of more than four users the first ones, and how many others there are.

    `last` stands before the last of them. Only where two have one name, the login tells which is meant.
    """
    shown = len(users) if len(users) <= _NAMED else min(_NAMED, len(users) - 2)
    of_a_name = Counter(map(display_name, users))
    names = [display_name(user) if of_a_name[display_name(user)] == 1 else name_and_login(user) for user in users]
    others = f"{'one of ' if last == 'or' else ''}{len(users) - shown} others"
    *firsts, final = names[:shown] + [others] * (shown < len(users))
    return f"{', '.join(firsts)} {last} {final}" if firsts else final


MAX_NAME = 320
"""The longest name of an actor that the ledger keeps. A user's has at most 301 characters."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user with the address they come from, or a part of the portal itself (no user).

    `id` and `login` are what the ledger copies of the user; they outlive the user. `once` is the token of the form they
    sent, empty without one.
    """

    user: "User | None"
    name: str
    address: str = ""
    id: str = ""
    login: str = ""
    once: str = ""

    @property
    def label(self) -> str:
        """Return the name as approvers and auditors see it: with the login behind it."""
        return with_login(self.name, self.login)

    @property
    def signed_in(self) -> "User":
        """Return the user, for what only a user does. Raises `TypeError` for a part of the portal."""
        return present(self.user)

    @property
    def password_set_by(self) -> str:
        """Return who set the password the user signs in with, if someone else did; see `users.account_changes`."""
        return getattr(getattr(self.user, "sign_in", None), "password_set_by", "")

    @classmethod
    def of(cls, user: "User", address: str = "", once: str = "") -> "Actor":
        return cls(user, display_name(user), address, str(user.pk), user.get_username(), once)

    @classmethod
    def operator(cls, command: str) -> "Actor":
        """Return whoever runs a management command, by the operating system's name for them."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            name = "an operator"
        return cls(None, f"{command} by {name}"[:MAX_NAME])

    @classmethod
    def system(cls, name: str) -> "Actor":
        return cls(None, name)
