"""Connecting a Twilio account: its credential is proved, in an order that leaves nothing, and only then trusted.

List, read one listed key, delete a key that does not exist; then make a throwaway key, read it, delete it. As with
issuing, each step is committed before what it is about happens at Twilio: whatever a command that dies leaves behind,
`reconcile/connections.py` finds and deletes. An account that was connected before stays as it was until all is proved.
"""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.core.isolation import isolated
from keys_app.core.secret import Secret
from keys_app.organisation.credentials import open_client
from keys_app.organisation.models import Account, Team
from keys_app.permissions.naming import marked_name
from keys_app.permissions.seen_policy import SeenPolicy, made_in_words
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.ensure_deleted import delete_at_twilio
from keys_app.twilio_iam.errors import NotProcessed, Rejected, TwilioError
from keys_app.twilio_iam.retry import Patience

from . import attempt, refusals, store
from .models import CHECKED_WITH, Connection
from .others import recent_of_others
from .proof import API_KEYS, CredentialFindings, fetch_if_there, lacks_permission, look

log = logging.getLogger(__name__)

KEY_NAME = "connection check"
DELETING_SECONDS = 20.0
"""How long the command keeps trying to delete the throwaway key before it leaves that to the reconciler."""
RUN_RECONCILE = "The reconciler looks for it and deletes it; run manage.py reconcile to do so now."


class CredentialCheck(StrEnum):
    """How a credential is checked: proved in full, or only by listing, which writes nothing at Twilio."""

    FULL = "full"
    LISTING = "listing"


@dataclass(frozen=True, slots=True)
class Connected:
    """An account that is connected, and what the operator should know about its credential."""

    account: Account
    notes: list[str] = field(default_factory=list)


@sensitive_variables()
def connect_account(
    *,
    sid: str,
    username: str,
    password: Secret,
    actor: Actor,
    name: str | None = None,
    environment: str | None = None,
    teams: Collection[Team] = (),
    check: CredentialCheck = CredentialCheck.FULL,
    shared: bool = False,
    wait: Callable[[float], object] = time.sleep,
) -> Connected:
    """Prove a credential and store the account with it, encrypted. Of one connected before, change what is given.

    A new account needs `name` and `environment`; teams are added. With `CredentialCheck.LISTING` its keys are listed
    and nothing more, and the credential counts as unproved. `shared` says that another portal may make keys there too.
    `wait` gets the seconds to pause before deleting is tried again.

    Raises `InvalidInput` for a bad value and `PortalError` for a credential that is not taken, with what it lacks.
    The account is then as it was before.
    """
    wish = store.Wish(sid, username, password, name, environment, list(teams))
    store.require_valid(wish)
    given = {"check": check.value, "shared": shared}
    with open_client(username, password) as client:
        connection = attempt.begin(sid=sid, username=username, password=password, actor=actor, **given)
        prover = _Prover(connection, password, actor, wait)
        try:
            notes = prover.prove(client, check, shared)
            account = store.store(wish, connection, actor, proved=prover.deleted)
        except BaseException as error:  # also for Ctrl-C: nobody waits any more, so the reconciler may act now
            prover.note_failure(error)
            raise
    return Connected(account, notes)


@dataclass
class _Prover:
    """Asks Twilio, and knows what may be left there. `deleted`: the throwaway key was made and is gone."""

    connection: Connection
    password: Secret
    actor: Actor
    wait: Callable[[float], object]
    may_be_left: bool = False
    deleted: bool = False

    def prove(self, client: TwilioIamClient, check: CredentialCheck, shared: bool) -> list[str]:
        """Find out what the credential may do; return what to say of it. Raises `PortalError` if it lacks something."""
        found = self._look(client, listing_only=check is CredentialCheck.LISTING)
        others = recent_of_others(found.listed.values(), timezone.now())
        if others and not shared:
            raise refusals.other_portals(others)
        if found.missing:
            raise refusals.lacking(self.connection.account_sid, found)
        if check is CredentialCheck.FULL:
            self._try_a_key(client)
        return refusals.about_credential(self.connection.credential_user, found)

    def note_failure(self, error: BaseException) -> None:
        """Commit that the account was not connected, with why. If that fails too, the reconciler finds out."""
        message = error.message if isinstance(error, PortalError) else f"It broke off ({type(error).__name__})."
        missing = error.missing if isinstance(error, refusals.NotConnected) else ()
        with isolated("recording that an account was not connected", self.connection.account_sid):
            attempt.fail(
                self.connection,
                message,
                self.actor,
                may_be_left=self.may_be_left,
                deleted=self.deleted,
                missing=missing,
            )

    def _look(self, client: TwilioIamClient, *, listing_only: bool) -> CredentialFindings:
        found, sid, username = CredentialFindings(), self.connection.account_sid, self.connection.credential_user
        try:
            look(client, found, account_sid=sid, username=username, listing_only=listing_only)
        except TwilioError as error:
            raise refusals.unanswered(sid, found.doing, error) from None
        return found

    def _try_a_key(self, client: TwilioIamClient) -> None:
        """Make a throwaway key, read it and delete it, whatever reading it showed."""
        sid, answered = self._make(client)
        try:
            attempt.note_key(self.connection, sid, self.actor)
        except BaseException:
            log.exception("key %s of a connection check could not be recorded", sid)
            self._delete(sid)
            raise
        problem = _problem_of(client, sid, answered)
        self._delete(sid)
        if problem:
            raise problem

    @sensitive_variables()
    def _make(self, client: TwilioIamClient) -> tuple[str, SeenPolicy]:
        """Ask Twilio once. Return SID and policy of the key; its secret ends with this call."""
        attempt.intend_key(self.connection, self.actor)
        name = marked_name(KEY_NAME, self.connection.marker)
        self.may_be_left = True
        try:
            created = client.create_restricted_key(
                account_sid=self.connection.account_sid, friendly_name=name, policy=CHECKED_WITH
            )
        except (Rejected, NotProcessed) as error:
            self.may_be_left = False
            if isinstance(error, Rejected) and lacks_permission(error):
                raise refusals.lacks([API_KEYS + "create"], f" Twilio said: {refusals.words(error)}.") from None
            raise refusals.not_made(error) from None
        except TwilioError as error:
            raise refusals.NotConnected(
                f"It is not known whether Twilio made a key to try the credential with: {refusals.words(error)}. "
                f"{RUN_RECONCILE} Then run this again."
            ) from None
        return created.sid, created.policy

    def _delete(self, sid: str) -> None:
        """Delete the key, patiently. Raises `PortalError`, after an alarm, if it may still be there."""
        account_sid = self.connection.account_sid
        try:
            patience = Patience(self.wait, left=DELETING_SECONDS)
            with open_client(self.connection.credential_user, self.password, patience=patience) as client:
                delete_at_twilio(client, account_sid=account_sid, key_sid=sid)
        except TwilioError as error:
            said = refusals.words(error)
            with isolated("alarming of a key that could not be deleted", sid):
                attempt.tell_left(self.connection, said, self.actor)
            missing = [API_KEYS + "delete"] if isinstance(error, Rejected) and lacks_permission(error) else []
            lacks = f"The credential lacks {missing[0]}. " if missing else ""
            raise refusals.NotConnected(
                f"{lacks}Key {sid}, made to try the credential with, could not be deleted: {said}. {RUN_RECONCILE}",
                missing,
            ) from None
        self.may_be_left, self.deleted = False, True


def _problem_of(client: TwilioIamClient, sid: str, answered: SeenPolicy) -> refusals.NotConnected | None:
    """Read a throwaway key; return why the credential can't be used for issuing, None if it can."""
    try:
        detail = fetch_if_there(client, sid)  # a new key may be missing for a moment, which is no refusal
    except Rejected as error:
        if lacks_permission(error):
            return refusals.NotConnected(
                f"The credential lacks {API_KEYS}read. Twilio said: {refusals.words(error)}.", [API_KEYS + "read"]
            )
        return _unread(error)
    except TwilioError as error:
        return _unread(error)
    seen = [answered] if detail is None else [answered, detail.policy]
    wrong = next((one for one in seen if one != CHECKED_WITH), None)
    if wrong is None:
        return None
    made = made_in_words(wrong, "the one it was asked for")
    return refusals.NotConnected(f"{made}, so none would be issued. It was deleted.")


def _unread(error: TwilioError) -> refusals.NotConnected:
    return refusals.NotConnected(f"Twilio did not show the key it had just made: {refusals.words(error)}.")
