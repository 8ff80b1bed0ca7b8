"""What must hold of keys after the database was set back, and wherever Twilio contradicts itself.

*In use* is what the simulator counts as delivered: its secret was in an answer to a person, or the key was made by
hand, and nobody has pressed a button to end it. What the portal believes does not count.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .compare import Difference, in_use_deleted
from .world import ALARMS_TO, World

HOLDS_BACK = "the portal holds back"
"""In the title of the alarm of a hold."""


@dataclass(frozen=True)
class Moment:
    """What was true when the database was set back: which keys existed, which requests had lapsed, the ledger's length.

    `lost` is how many events it lost by that.
    """

    existing: frozenset[str] = frozenset()
    lapsed: frozenset[str] = frozenset()
    ledger_size: int = 0
    lost: int = 0


def moment(world: World) -> Moment:
    """Return what is true now."""
    return Moment(frozenset(existing(world.standin.truth()["keys"])), frozenset(lapsed()), ledger_size())


def existing(made: Iterable[dict[str, Any]]) -> set[str]:
    return {key["sid"] for key in made if key["exists"]}


def ledger_size() -> int:
    from keys_app.audit import ledger

    return int(ledger.matching().count())


def while_held(world: World, before: Moment) -> Difference:
    """Return what is wrong after a restore and some runs of the reconciler, before a person has looked at it."""
    found = always(world)
    made = world.standin.truth()["keys"]
    here = existing(made)
    if before.lost:
        _require(is_held(), "the portal takes no notice of the restore", found.unalarmed)
        deleted = before.existing - here - world.ended - world.in_use()
        found.unaccounted += [f"{sid} was deleted before a person looked at it" for sid in sorted(deleted)]
        found.unaccounted += [f"request {one} lapsed before a person looked" for one in lapsed() - before.lapsed]
    for sid in sorted(here - known()):
        _require(sid in _before_a_person(), f"{sid} exists at Twilio, and stands nowhere", found.unaccounted)
    return found


def when_reviewed(world: World, deleted: set[str]) -> Difference:
    """Return what is wrong after the review, in which a person had the keys in `deleted` deleted."""
    found = always(world)
    here = existing(world.standin.truth()["keys"])
    _require(not is_held(), "it is still held after the review", found.unaccounted)
    found.unaccounted += [f"{sid} was to be deleted and exists" for sid in sorted(here & deleted)]
    for sid in sorted(here - known()):
        stands = sid in _before_a_person() and sid in world.in_use()
        _require(stands, f"{sid} exists at Twilio, and stands nowhere after the review", found.unaccounted)
    found.unsettled += [line for line, _, _ in waiting()]
    return found


def always(world: World) -> Difference:
    """Return what is wrong at any moment."""
    from keys_app.keys.models import ApiKey

    found = Difference()
    made = world.standin.truth()["keys"]
    here = existing(made)
    found.in_use_deleted += in_use_deleted(world, made)
    gone = ApiKey.objects.filter(state="revoked").values_list("sid", flat=True)
    contradicted = set(gone) & here
    found.believed_gone += [f"{sid} exists, and the portal says it was deleted" for sid in sorted(contradicted)]
    found.unalarmed += without_alarm()
    return found


def without_alarm() -> list[str]:
    """Return a line for each thing that waits for Twilio longer than it may and that no mail to Security names.

    While the portal is held, the alarm of that speaks for what it holds.
    """
    alarms = alarm_texts()
    if is_held():
        return [] if any(HOLDS_BACK in text for text in alarms) else ["a hold that no mail tells of"]
    late = [(line, names) for line, names, is_late in waiting() if is_late]
    return [line for line, names in late if not any(name in text for name in names for text in alarms)]


def alarm_texts() -> list[str]:
    """Return subject and text of each alarm that was queued for Security."""
    from post_office.models import PRIORITY, Email

    mails = Email.objects.filter(priority=PRIORITY.high, to__contains=ALARMS_TO)
    return [f"{mail.subject}\n{mail.message}" for mail in mails]


def waiting() -> list[tuple[str, set[str], bool]]:
    """Return what waits for Twilio: a line, the names by which an alarm may call it, and whether it is late."""
    from django.conf import settings
    from django.utils import timezone

    from keys_app.catalogue.models import Probe
    from keys_app.key_requests.models import Issuance
    from keys_app.keys.models import ApiKey

    stuck = getattr(settings, "STUCK_AFTER", timedelta(seconds=1))
    settled = timezone.now() - stuck - settings.RECONCILE_GRACE - timedelta(seconds=settings.TWILIO_DEADLINE + 1)
    found: list[tuple[str, set[str], bool]] = []
    for one in Issuance.objects.filter(state__in=("started", "unknown")):
        names = {one.marker, str(one.request_id), *_found_for(one.marker)}
        found.append((f"attempt {one.marker} is open", names, one.started_at < settled))
    for key in ApiKey.objects.filter(state="revoking"):
        since = getattr(key, "revoking_since", None) or key.issued_at
        found.append((f"{key.sid} is not deleted yet", {key.sid}, since < settled))
    for probe in Probe.objects.filter(finished_at=None):
        names = {probe.marker, probe.key_sid} - {""}
        found += [(f"probe {probe.marker} is open", names, probe.started_at < settled)]
    return found


def is_held() -> bool:
    """Tell whether the portal knows that its database was set back, and waits for a person."""
    from keys_app.audit.models import SetBack

    return bool(SetBack.objects.filter(ended_at=None).exists())


def known() -> set[str]:
    """Return the keys that the portal says live, or are being deleted."""
    from keys_app.keys.models import ApiKey

    return set(ApiKey.objects.exclude(state="revoked").values_list("sid", flat=True))


def lapsed() -> set[str]:
    """Return the requests whose approval nobody used in time."""
    from keys_app.key_requests.models import KeyRequest

    return {str(pk) for pk in KeyRequest.objects.filter(state="lapsed").values_list("pk", flat=True)}


def _found_for(marker: str) -> set[str]:
    """Return the keys before a person that may be an attempt's."""
    from keys_app.reconcile.models import UnmanagedKey

    return set(UnmanagedKey.objects.filter(marker=marker).values_list("sid", flat=True))


def in_doubt() -> set[str]:
    """Return the keys that a person has to keep or delete."""
    from keys_app.reconcile.models import UnmanagedKey

    waiting = UnmanagedKey.objects.filter(weighed__isnull=False, gone_at=None, adopted_at=None, delete_since=None)
    return set(waiting.values_list("sid", flat=True))


def _before_a_person() -> set[str]:
    """Return the keys that stand before a person, because the portal did not make them or can't prove it did."""
    from keys_app.reconcile.models import UnmanagedKey

    return set(UnmanagedKey.objects.filter(gone_at=None, adopted_at=None).values_list("sid", flat=True))


def _require(condition: bool, line: str, lines: list[str]) -> None:
    if not condition:
        lines.append(line)
