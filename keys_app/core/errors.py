"""What can go wrong, in words the person at the screen can act on.

Every error carries a `message` that is safe to show. Views map the class to a page; nothing below them does.
"""


class PortalError(Exception):
    """Base of all errors that a person is shown."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotAllowed(PortalError):
    """The rules do not let this person do this."""


class SignInRefused(PortalError):
    """Who came from the sign-in provider is not let in."""


class SignInUnavailable(PortalError):
    """The sign-in provider does not answer, or not as one does. No one can sign in with it now."""


class Conflict(PortalError):
    """Another user or the portal was first, or the object is no longer in a state that allows it."""


class AlreadyIssued(Conflict):
    """The key of this request exists. No second one was made."""


class ApprovalNeeded(Conflict):
    """What was approved no longer suffices. No key was made, and the request is pending again."""


class InvalidInput(PortalError):
    """A value was refused. `field` names the form field it belongs to."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TooLarge(PortalError):
    """What was sent is larger than the page reads, so nothing of it was read."""


class HashingBusy(PortalError):
    """Too many passwords are being hashed in this process. None was tried."""


class Problem(PortalError):
    """Twilio did not do what was asked.

    `code` is Twilio's own error code where there is one, `next_step` what the person can do now.
    """

    def __init__(self, message: str, *, next_step: str, code: int | None = None) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.code = code


class TwilioRefused(Problem):
    """Twilio answered that it will not do this. Nothing was created."""


class TwilioUnavailable(Problem):
    """Twilio did not process the request. Nothing was created; trying again later is safe."""


class PortalBusy(TwilioUnavailable):
    """Too many calls to Twilio are running, so it was not even asked. Nothing was started."""


class MarkNotKept(TwilioUnavailable):
    """How far the ledger is could not be kept outside the database, so Twilio was not asked. Nothing was created."""

    def __init__(self, message: str) -> None:
        self.why = message
        super().__init__(
            f"{message} Without it the portal makes no key. Nothing was created.",
            next_step="Tell a portal admin. The portal's log says more.",
        )


class SecretWithheld(Problem):
    """A key was made and recorded, but what protects it could not be written. Its secret is not shown."""


class NotDeleted(Problem):
    """Twilio has not deleted a key yet. It is tried again."""


class NotRecorded(Problem):
    """Twilio has deleted a key, and that could not be written. It is tried again."""


class TwilioOutcomeUnknown(Problem):
    """Twilio may or may not have done it. The reconciler finds out."""


class PolicyBreach(Problem):
    """Twilio answered with another policy than the approved one. The secret was never shown."""


class NotConfigured(PortalError):
    """The portal lacks a setting for this. The message names it."""


class HistoryReplaced(PortalError):
    """The ledger is not what was signed before. Nothing is signed until a person has looked."""


class CheckpointNotKept(PortalError):
    """A checkpoint could not be written outside the database. It is tried again."""
