"""The rules of what may be deleted, held and believed, each taken out once, to see that the harness notices.

A rule is taken out in every process of the portal, from outside. Which cases have to find it is in `parts.py`.
"""

from collections.abc import Callable
from typing import Any


def _without_tests(*fits: str) -> Callable[[], None]:
    """Let a key pass these tests, whatever is so; each is named by what it says of a key that passes."""

    def install() -> None:
        from keys_app.reconcile.proof import Weighed

        test = Weighed.test

        def lenient(self: Any, holds: bool, fit: str, fail: str) -> bool:
            return test(self, holds or fit.endswith(fits), fit, fail)

        Weighed.test = lenient  # type: ignore[method-assign]

    return install


def _own_keys_are_strangers() -> None:
    from keys_app.reconcile.account_run import Visit

    Visit.strangers = property(lambda self: self.by_marker)  # type: ignore[assignment,method-assign]
    Visit.strangers_now = lambda self, marker: self.by_marker.get(marker, [])  # type: ignore[method-assign]


def _known_key() -> None:
    _own_keys_are_strangers()
    _without_tests("It is no key of the portal.")()


def _own_credential() -> None:
    from keys_app.twilio_iam.client import KEYS, TwilioIamClient

    def delete(self: Any, sid: str) -> None:
        self._call("DELETE", f"{KEYS}/{sid}", 204)

    TwilioIamClient.delete_key = delete  # type: ignore[method-assign]
    _without_tests("The portal does not work with it.")()


def _mark_never_raised() -> None:
    from keys_app.audit.incarnation import advance

    advance.raise_to = lambda new: None


def _any_ledger_goes_on() -> None:
    from keys_app.audit.incarnation import advance, check

    check.goes_on = advance.goes_on = lambda kept: True


def _never_held(job: str) -> Callable[[], None]:
    """Let one job go on while the portal is held."""

    def install() -> None:
        from keys_app.reconcile import run

        may_rely = run._may_rely_on_records

        def look(visits: list[Any], actor: Any) -> bool:
            if may_rely(visits, actor):
                return True
            accounts = [visit.account for visit in visits if visit.is_listed]
            if job == "ends":
                run.revoke_ended(accounts, actor)
            else:
                run.lapse_overdue(actor)
            return False

        run._may_rely_on_records = look

    return install


def _replacements_go_on() -> None:
    from keys_app.keys.models import ApiKey
    from keys_app.reconcile import holds

    holds.held_deletions = ApiKey.objects.none


def _any_marker_is_own() -> None:
    from keys_app.reconcile import holds

    holds.is_marker_of = lambda identity, marker: True


def _a_404_is_enough() -> None:
    from keys_app.reconcile import revocations
    from keys_app.twilio_iam import ensure_deleted

    ensure_deleted.require_gone = revocations.require_gone = lambda *_, **__: None


def _nothing_is_stuck() -> None:
    from keys_app.reconcile import run

    run.note_waiting = lambda said, actor: None


def _nothing_contradicts() -> None:
    from keys_app.reconcile import contradictions, run

    contradictions._see = lambda *_, **__: None
    run.settle_contradictions = lambda visit: None


def _listed_proof_is_ignored() -> None:
    from keys_app.reconcile import run

    run.holds.find_lost = lambda visit: None


def _delete_is_not_proved() -> None:
    from keys_app.connections import proof

    proof._delete_nothing = lambda client: None
    proof.CredentialFindings.missing = property(lambda self: [])  # type: ignore[assignment,method-assign]


def _silence_is_no_alarm() -> None:
    from keys_app.notifications import heartbeats

    heartbeats.silent = list


def _file_is_not_looked_at() -> None:
    from keys_app.core import db_file

    db_file.is_replaced = lambda: False


def _one_place_is_like_another() -> None:
    from keys_app.audit.incarnation import advance, check

    advance.identifiers = check.identifiers = lambda: "any"


def _leavers_dates_go_on() -> None:
    from keys_app.reconcile import holds

    holds.restart_clocks = list


RULES: dict[str, Callable[[], None]] = {
    "no-known-key": _known_key,
    "no-known-before": _without_tests("It was not known before."),
    "no-own-credential": _own_credential,
    "no-other-key": _without_tests("No other key has this marker."),
    "no-refusal": _without_tests("The attempt may have made a key."),
    "no-recent": _without_tests("The attempt is recent."),
    "no-window": _without_tests("during the attempt."),
    "no-incarnation": _without_tests("on this incarnation of the database.", "any loss of records that is known."),
    "no-mark": _mark_never_raised,
    "no-set-back": _any_ledger_goes_on,
    "no-lost-record": _listed_proof_is_ignored,
    "no-hold-of-ends": _never_held("ends"),
    "no-hold-of-lapses": _never_held("lapses"),
    "no-hold-of-replacements": _replacements_go_on,
    "no-keyed-hash": _any_marker_is_own,
    "no-listing-after-404": _a_404_is_enough,
    "no-stuck-alarm": _nothing_is_stuck,
    "no-proof-of-delete": _delete_is_not_proved,
    "no-contradiction": _nothing_contradicts,
    "no-heartbeat": _silence_is_no_alarm,
    "no-file-check": _file_is_not_looked_at,
    "no-identifiers": _one_place_is_like_another,
    "no-new-dates": _leavers_dates_go_on,
}
"""Each rule by the name of the part that runs without it."""
