"""What Twilio shows of a key: the policy it has, that it is a Standard key, or a policy that cannot be read.

The one reader of the `policy` in Twilio's answers. What it cannot judge never passes for the policy that was approved.
"""

from collections.abc import Mapping
from enum import StrEnum

from .policy import Policy, permission_names


class NoPolicy(StrEnum):
    """What stands where a policy was expected. The value is what events and stored differences say."""

    STANDARD = "standard"
    """Null: a Standard key, with full access. A Main key looks the same."""
    UNREADABLE = "unreadable"
    """Something that is no policy, or one with more than the portal knows how to judge."""

    @property
    def words(self) -> str:
        """What lists and badges say."""
        return "Standard key, full access" if self is NoPolicy.STANDARD else "Policy cannot be read"


SeenPolicy = Policy | NoPolicy
"""What one look at a key showed."""

_STANDARD_FLAGS = frozenset({"rest_api", "signing"})


def read_policy(answer: object) -> SeenPolicy:
    """Read the `policy` of one of Twilio's answers.

    Twilio may add fields beside `allow`. One that says nothing (null, false, an empty text, list or object) changes
    nothing; any other may give or take something, so the policy cannot be judged.
    """
    if answer is None:
        return NoPolicy.STANDARD
    if not isinstance(answer, dict):
        return NoPolicy.UNREADABLE
    names = permission_names(answer.get("allow"))
    if names is None or not all(_says_nothing(value) for name, value in answer.items() if name != "allow"):
        return NoPolicy.UNREADABLE
    return Policy.of(names)


def _says_nothing(value: object) -> bool:
    """Tell whether a field is empty. A zero is not: it may be a limit."""
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


def tell_standard(flags: tuple[str, ...]) -> bool:
    """Tell whether the flags of a listed key say that it is a Standard one.

    Twilio lists Standard keys with exactly these two and restricted keys without any (a published test); what else
    it may come to list says nothing.
    """
    return frozenset(flags) == _STANDARD_FLAGS


def departure(seen: SeenPolicy, approved: Policy | None) -> dict[str, object]:
    """Return how what was seen differs from what was approved, as events tell it; empty if it does not.

    `policy` is one of `NoPolicy`, `added` and `removed` are permissions. `approved` is None for a key that was adopted
    as a Standard one.
    """
    if isinstance(seen, NoPolicy):
        return {} if approved is None and seen is NoPolicy.STANDARD else {"policy": seen.value}
    return seen.departure(approved or Policy(()))


def stands_for_no_policy(details: Mapping[str, object]) -> NoPolicy | None:
    """Return what an event's details, or a stored difference, say was there in place of a policy; None if they don't.

    Until 0.9.4 both were written as null, which stands for the worse one here.
    """
    if "policy" not in details:
        return None
    return NoPolicy.UNREADABLE if details["policy"] == NoPolicy.UNREADABLE else NoPolicy.STANDARD


def made_in_words(seen: SeenPolicy, wanted: str) -> str:
    """Return what Twilio made in place of the key `wanted`, such as “the approved one”, without a full stop."""
    if seen is NoPolicy.STANDARD:
        return f"Twilio made a Standard key, with full access, instead of {wanted}"
    if seen is NoPolicy.UNREADABLE:
        return "Twilio made a key whose policy cannot be read"
    return f"Twilio made a key with another policy than {wanted}"
