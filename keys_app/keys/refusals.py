"""What Twilio refuses the portal: whose turn it is then, and portal admins and Security told, once until it is over.

Of a refusal that only a portal admin can mend there is one trouble for each account and form of the error. One seen
while a key was made is over when a key is made on the account, or the account is connected anew: both are read from
what is recorded then, so that nothing more is done between Twilio's answer and the secret. One seen while a key was
deleted is over after a run of the reconciler without a problem.
"""

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from keys_app.core.actor import Actor
from keys_app.core.isolation import isolated
from keys_app.core.present import present
from keys_app.core.times import moment
from keys_app.key_requests.models import Issuance
from keys_app.key_requests.outcome import press_until
from keys_app.notifications import troubles
from keys_app.notifications.models import Trouble
from keys_app.organisation.models import Account
from keys_app.twilio_errors.lookup import form_of
from keys_app.twilio_errors.model import ErrorForm, Mender
from keys_app.twilio_errors.table import GREATER_PERMISSIONS
from keys_app.twilio_errors.words import causes_of, in_a_line
from keys_app.twilio_iam.errors import Rejected, TwilioError

from .models import ApiKey

MAKING, MANAGING = "make", "manage"
TELLING = "telling of what Twilio refuses"
_TITLES = {
    MAKING: "Twilio refuses to make keys on {}: a portal admin has to mend it",
    MANAGING: "Twilio refuses to let the portal manage the keys of {}: a portal admin has to mend it",
}
_AGAIN = {Mender.REQUESTER: "You can press “Issue key” again", Mender.TWILIO: "Press “Issue key” again"}
_WHOSE = {Mender.REQUESTER: "the requester's", Mender.SECURITY: "Security's", Mender.TWILIO: "Twilio's"}


def tell(account: Account, error: Rejected, doing: str, actor: Actor) -> None:
    """Tell portal admins and Security of what only they can mend, unless they know. `doing` is `MAKING` or `MANAGING`.

    Raises nothing: what fails is noted.
    """
    form = error.form
    if not form.only_an_admin_mends_it:
        return
    with isolated(TELLING, account.sid):
        end_over(account, actor)
        if told_of(account, form) is None:
            troubles.see(_seen(account, error, doing), actor)


def _seen(account: Account, error: Rejected, doing: str) -> troubles.Seen:
    form = error.form
    return troubles.Seen(
        _key(account, form, doing),
        troubles.REFUSED,
        _TITLES[doing].format(account),
        f"Twilio said: {error.said}. {in_a_line(form)}",
        timezone.now(),
        account=account,
        more=causes_of(form),
    )


def _key(account: Account, form: ErrorForm, doing: str) -> str:
    return f"{troubles.REFUSED}:{account.sid}:{doing}:{form.code or 0}.{form.name}"


def told_of(account: Account, form: ErrorForm) -> Trouble | None:
    """Return the trouble that portal admins and Security know of such a refusal on an account; None if it is over."""
    known = troubles.known().filter(key__in=_keys(account, form))
    return next((row for row in known if not _is_over(row)), None)


def _keys(account: Account, form: ErrorForm) -> list[str]:
    return [_key(account, form, doing) for doing in (MAKING, MANAGING)]


def end_over(account: Account, actor: Actor, *, is_well: bool = False) -> None:
    """End what was refused on an account and no longer is; with `is_well` also what was refused of keys that exist."""
    rows = troubles.open_troubles(troubles.REFUSED).filter(account=account)
    troubles.end([row for row in rows if _is_over(row) or (is_well and _is_managing(row))], actor)


def _is_managing(row: Trouble) -> bool:
    return f":{MANAGING}:" in row.key


def _is_over(row: Trouble) -> bool:
    """Tell whether it has worked since it was told: the account was connected anew, or a key was made on it."""
    if row.account is None or row.told_at is None:
        return False
    if row.account.connected_at > row.told_at:
        return True
    if _is_managing(row) or f":{GREATER_PERMISSIONS}." in row.key:  # which hangs on what a key is to be allowed
        return False
    made = Q(account=row.account_id, issuance__isnull=False, issued_at__gt=row.told_at)
    return ApiKey.objects.filter(made).exists()


def after_attempt(issuance: Issuance, form: ErrorForm) -> str:
    """Return what an attempt that Twilio refused means, whose turn it is, and what the requester can do."""
    key_request = issuance.request
    row = _latest(key_request.account, form)
    if row and _has_worked_since(row, issuance.finished_at):
        turn, again = "It was a portal admin's turn, and has worked since.", "Press “Issue key” again"
    else:
        turn, again = _turn(form, row), _AGAIN.get(form.turn, "When that is done, press “Issue key” again")
    if form.turn is Mender.REQUESTER and form.code:  # what was refused would be sent again
        return f"{form.means.words} {turn}{' The old key stays as it is.' if issuance.rotates_id else ''}"
    after = "The old key stays as it is, and can be rotated again."
    return f"{form.means.words} {turn} {after if issuance.rotates_id else press_until(key_request, again)}"


def busy(code: int | None, message: str) -> str:
    """Return what a refusal means that Twilio gave for want of time; empty where it said nothing."""
    form = form_of(code, message)
    return "" if form.code is None else f"{form.means.words} It's {_WHOSE[Mender.TWILIO]} turn. "


def after_deletion(account: Account, error: TwilioError) -> str:
    """Return what is said beside a deletion that Twilio did not carry out; empty where the portal alone goes on."""
    if not (isinstance(error, Rejected) and error.form.only_an_admin_mends_it):
        return ""
    return f" {error.form.means.words} {_turn(error.form, _latest(account, error.form))}"


def held_up(account: Account) -> str:
    """Return whose turn it is where the keys of an account can't be deleted; empty where nothing is known of it."""
    row = troubles.known().filter(kind=troubles.REFUSED, account=account, key__contains=f":{MANAGING}:").first()
    return f" {_told(row)}" if row and not _is_over(row) else ""


def _latest(account: Account, form: ErrorForm) -> Trouble | None:
    """Return what portal admins and Security were told last of such a refusal on an account, over or not."""
    return Trouble.objects.filter(key__in=_keys(account, form), told_at__isnull=False).order_by("-told_at").first()


def _has_worked_since(row: Trouble, refused_at: datetime | None) -> bool:
    """Tell whether a trouble is over that was open when Twilio refused an attempt."""
    if row.ended_at is None:
        return _is_over(row)
    return refused_at is not None and row.ended_at > refused_at


def _turn(form: ErrorForm, row: Trouble | None) -> str:
    """Return whose turn it is, with what was told of it."""
    if not form.only_an_admin_mends_it:
        return f"It's {_WHOSE[form.turn]} turn. {form.mend}"
    return _told(row) if row and row.ended_at is None else "It's a portal admin's turn. Tell one."


def _told(row: Trouble) -> str:
    told_at = moment(present(row.told_at))
    return f"It's a portal admin's turn. Portal admins and Security were told at {told_at}."
