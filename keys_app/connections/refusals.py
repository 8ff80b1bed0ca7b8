"""What an operator reads where an account is not connected, and what they read beside a connected one."""

from collections.abc import Collection, Iterable

from keys_app.core.errors import PortalError
from keys_app.core.text import joined
from keys_app.permissions.seen_policy import NoPolicy
from keys_app.twilio_errors.table import GREATER_PERMISSIONS, TOO_MANY_KEYS, WRONG_CREDENTIAL
from keys_app.twilio_iam.errors import NotProcessed, Rejected, TwilioError

from .proof import API_KEYS, USED, CredentialFindings

_UNSURE = "Authenticate"
_FIVE = f"{API_KEYS}… create, read, list, update and delete"
LESS_SUFFICES = (
    f"It can do everything on the account. A restricted key with {_FIVE} suffices for the portal, unless Twilio "
    "refuses it a key with other permissions than its own (70152)."
)


class NotConnected(PortalError):
    """A credential was not taken. `missing` are the permissions it lacks, as far as they are known."""

    def __init__(self, message: str, missing: Collection[str] = ()) -> None:
        super().__init__(message)
        self.missing = list(missing)


def lacking(sid: str, found: CredentialFindings) -> NotConnected:
    """Return the refusal of a credential that lacks permissions, with Twilio's words."""
    error = next(iter(found.refused.values()), None)
    said = f" Twilio said: {words(error)}." if error else ""
    if _may_be_wrong(found):
        needed = joined(API_KEYS + action for action in ((*found.refused,) if len(found.refused) == 1 else USED))
        what = f"Twilio did not list the keys of {sid}: {words(error)}." if error else ""
        return NotConnected(
            f"{what} The credential is wrong, or it lacks {needed}. Nothing was created.", found.missing
        )
    return lacks(found.missing, said)


def lacks(missing: Collection[str], said: str = "") -> NotConnected:
    """Return the refusal of a credential that Twilio knows, but that lacks these permissions."""
    return NotConnected(f"The credential lacks {joined(missing)}.{said} Nothing was created.", missing)


def _may_be_wrong(found: CredentialFindings) -> bool:
    """Tell whether the credential itself may be wrong: everything was refused, without naming a permission."""
    refused = found.refused.values()
    return not found.allowed and all(error.code == WRONG_CREDENTIAL and _UNSURE in error.message for error in refused)


def unanswered(sid: str, doing: str, error: TwilioError) -> NotConnected:
    """Return the refusal where Twilio did not list, read or delete, for another reason than a permission."""
    what = {
        "list": f"Twilio did not list the keys of {sid}",
        "read": f"Twilio did not show a key of {sid}",
        "delete": f"Twilio did not say whether this credential may delete keys of {sid}",
    }[doing]
    return NotConnected(f"{what}: {words(error)}. Nothing was created.")


def not_made(error: Rejected | NotProcessed) -> NotConnected:
    """Return the refusal where Twilio made no throwaway key."""
    if isinstance(error, Rejected) and error.code in (GREATER_PERMISSIONS, TOO_MANY_KEYS):
        after = {
            GREATER_PERMISSIONS: "So the portal can't issue keys with it.",
            TOO_MANY_KEYS: "Then run this again, or connect with --check listing, which makes none.",
        }[error.code]
        form = error.form
        return NotConnected(f"{form.means.words} Twilio said: {words(error)}. {form.mend} {after} Nothing was created.")
    return NotConnected(f"Twilio did not make a key to try the credential with: {words(error)}. Nothing was created.")


def words(error: TwilioError) -> str:
    """Return Twilio's words with its code, without the last full stop."""
    return error.said


def other_portals(sids: Iterable[str]) -> NotConnected:
    """Return the refusal of an account on which another portal makes keys."""
    sids = sorted(sids)
    shown = joined(sids[:5]) + (f" and {len(sids) - 5} more" if len(sids) > 5 else "")
    return NotConnected(
        f"Another portal made keys on this account in the last 7 days: {shown}. Their names end with a marker that is "
        "not this portal's. If both are meant to work on it, run this again with --shared. The portal never touches "
        "the other one's keys. Nothing was created."
    )


def about_credential(username: str, found: CredentialFindings) -> list[str]:
    """Return what to say of a credential that can do more than the portal needs, as far as Twilio shows it."""
    if username.startswith("AC"):
        return [f"This is the account's Auth Token. {LESS_SUFFICES}"]
    listed = found.listed.get(username)
    without_policy = found.own is not None and found.own.policy is NoPolicy.STANDARD
    if without_policy or (listed is not None and listed.is_standard):
        return [f"This is a Main key, as far as Twilio shows: it has no policy. {LESS_SUFFICES}"]
    return []
