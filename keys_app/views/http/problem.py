"""Turns what went wrong into a page, or into a dialog where htmx asked.

The title and status of each kind of error are here; its message and next step are written where it is raised.
"""

from django.http import HttpResponse
from django.shortcuts import render

from keys_app.core import errors
from keys_app.users.limits import TooMany

from .asked import button
from .signed_in import PortalRequest

_PAGES: list[tuple[type[errors.PortalError], int, str]] = [
    (errors.NotAllowed, 403, "You can’t do this"),
    (errors.SignInRefused, 403, "Sign-in refused"),
    (errors.SignInUnavailable, 503, "Not now"),
    (errors.AlreadyIssued, 409, "This key was issued already"),
    (errors.ApprovalNeeded, 409, "This request needs approval again"),
    (errors.Conflict, 409, "Not done"),
    (errors.TooLarge, 413, "Too large"),
    (errors.InvalidInput, 422, "Check what you entered"),
    (TooMany, 429, "Not now"),
    (errors.HashingBusy, 503, "Busy"),
    (errors.TwilioRefused, 502, "Twilio refused"),
    (errors.PortalBusy, 503, "Busy"),
    (errors.MarkNotKept, 503, "No key was made"),
    (errors.SecretWithheld, 503, "The secret is not shown"),
    (errors.TwilioUnavailable, 503, "Twilio did not take the request"),
    (errors.NotDeleted, 503, "Not deleted yet"),
    (errors.NotRecorded, 503, "Not recorded yet"),
    (errors.TwilioOutcomeUnknown, 504, "The outcome is unknown"),
    (errors.PolicyBreach, 502, "The key was withdrawn"),
    (errors.PortalError, 500, "The portal could not do this"),
]


def problem(request: PortalRequest, error: errors.PortalError, *, back_url: str, back_label: str) -> HttpResponse:
    """Say what went wrong and what can be done next."""
    status, title = next((status, title) for kind, status, title in _PAGES if isinstance(error, kind))
    context = {
        "title": title,
        "button": button(request),
        "message": error.message,
        "code": getattr(error, "code", None),
        "next_step": getattr(error, "next_step", ""),
        "back_url": back_url,
        "back_label": back_label,
    }
    template = "portal/partials/problem_dialog.html" if request.htmx else "portal/problem.html"
    return with_wait(render(request, template, context, status=status), error)


def with_wait(answer: HttpResponse, error: Exception | None) -> HttpResponse:
    """Return the answer to what was refused; where a limit refused it, it says so and how long to wait."""
    if isinstance(error, TooMany):
        answer.status_code = 429
        answer["Retry-After"] = error.retry_after
    return answer
