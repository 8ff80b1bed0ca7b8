"""What every page needs to know."""

from django.conf import settings
from django.http import HttpRequest

from .. import selectors


def portal(request: HttpRequest) -> dict[str, object]:
    """Context processor: the person, what waits for them, and whether Twilio is a stand-in."""
    context: dict[str, object] = {
        "standin": settings.TWILIO_IS_STANDIN,
        "twilio_base_url": settings.TWILIO_IAM_BASE_URL.geturl(),
    }
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        who = selectors.person(user)
        context["person"] = who
        context["waiting_count"] = selectors.waiting_count(who) if who.is_approver else 0
    return context
