"""Telling keys of another portal, which may work on the same account, from this portal's."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from keys_app.audit.installation import identity
from keys_app.catalogue.models import Probe
from keys_app.key_requests.models import Issuance
from keys_app.organisation.credentials import is_credential
from keys_app.permissions.naming import find_marker, is_marker_of
from keys_app.twilio_iam.types import KeySummary

from .models import Connection

RECENT = timedelta(days=7)


def recent_of_others(listed: Iterable[KeySummary], now: datetime) -> list[str]:
    """Return the SIDs of the keys with a marker of another installation, made in the last 7 days.

    A marker is this portal's if its database knows it, or its last characters are its own keyed hash of the others: a
    database may have lost the attempt. A key without a time that can be read counts as recent.
    """
    marked = {
        key.sid: marker
        for key in listed
        if (marker := find_marker(key.friendly_name)) and (key.date_created is None or key.date_created > now - RECENT)
    }
    ours, mine = known_markers(marked.values()), identity()
    return sorted(sid for sid, marker in marked.items() if marker not in ours and not is_marker_of(mine, marker))


def known_markers(markers: Iterable[str]) -> set[str]:
    """Return which of these markers are those of an attempt of this portal."""
    wanted = sorted(set(markers))
    known: set[str] = set()
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        for model in (Issuance, Probe, Connection):
            known |= set(model._base_manager.filter(marker__in=part).values_list("marker", flat=True))
    return known


def is_the_portals_own(key_sid: str) -> bool:
    """Tell whether the portal works with this key itself, or it is the credential of an attempt that is not over."""
    being_connected = Connection.objects.filter(settled_at=None, credential_user=key_sid)
    return is_credential(key_sid) or being_connected.exists()
