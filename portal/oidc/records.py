"""With what the user of a session signed in, as the sign-in library's records have it: by the provider, or not."""

from typing import Any

from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from django.contrib.auth.models import User
from django.http import HttpRequest

from keys_app.users import factors
from keys_app.users.identities import Claims

EMERGENCY = "emergency link"
_BY_PROVIDER = "socialaccount"
_SECOND = "mfa"


def note(request: HttpRequest, user: User, claims: Claims) -> None:
    """Record in the session that the provider says it is this user. No token is in it."""
    said = {"acr": claims.acr, "amr": list(claims.amr), "auth_time": claims.signed_in_at}
    record_authentication(request, user, _BY_PROVIDER, issuer=claims.issuer, subject=claims.subject, **said)


def by_provider(request: HttpRequest, user: User) -> dict[str, Any] | None:
    """Return what the provider said when the session's user signed in (`issuer`, `subject`, `acr`, `amr`).

    None if they signed in with something else. A second factor does not count here.
    """
    first = [one for one in get_authentication_records(request, user) if one["method"] != _SECOND]
    return first[-1] if first and first[-1]["method"] == _BY_PROVIDER else None


def recorded(request: HttpRequest, user: User) -> dict[str, object]:
    """Return what the event of a sign-in says of how it was done; nothing for a password alone."""
    records = get_authentication_records(request, user)
    if records and records[-1]["method"] == EMERGENCY:
        return {"by": EMERGENCY}
    said, shown = by_provider(request, user), [one["type"] for one in records if one["method"] == _SECOND]
    by = {"by": "provider", "issuer": said["issuer"], "subject_there": said["subject"]} if said else {}
    return {**by, "factor": factors.KINDS[shown[-1]]} if shown else by
