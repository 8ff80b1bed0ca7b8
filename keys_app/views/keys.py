"""Keys: the list, one key, and what its owner or Security can do with it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from .. import selectors
from ..domain.errors import PortalError
from ..domain.states import KeyState
from ..domain.summary import summarize
from ..forms import ReasonForm
from ..models import ApiKey
from ..services import lifecycle
from ..services.actors import actor_of
from ..status import history, key_status
from .pages import newest_first, post_or_go_back
from .problems import problem
from .refusals import visible_or_404


@require_safe
def key_list(request: HttpRequest) -> HttpResponse:
    who = selectors.person(request.user)
    rows, next_url = newest_first(request, selectors.visible_keys(who), "issued_at")
    return render(
        request, "portal/key_list.html", {"keys": rows, "next_url": next_url, "shows_others": who.is_approver}
    )


def _visible(request: HttpRequest, sid: str) -> ApiKey:
    """Return the key if this person may see it. Raises `Http404` otherwise."""
    return visible_or_404(request, selectors.visible_keys(selectors.person(request.user)), sid)


@require_safe
def key_detail(request: HttpRequest, sid: str) -> HttpResponse:
    return _key_page(request, _visible(request, sid), ReasonForm())


def _key_page(request: HttpRequest, key: ApiKey, form: ReasonForm, status: int = 200) -> HttpResponse:
    who = selectors.person(request.user)
    unconfirmed = key.owner_id == request.user.pk and key.state == KeyState.ACTIVE and not key.confirmed_at
    context = {
        "key": key,
        "status": key_status(key),
        "summary": summarize(key.policy, selectors.current_catalogue()),
        "timeline": history(key_sid=key.pk),
        "form": form,
        "can_confirm": unconfirmed,
        "can_change": key.owner_id == request.user.pk and key.state == KeyState.ACTIVE,
        "can_replace": unconfirmed and selectors.replacements_left(key.request) > 0,
        "can_revoke": key.state == KeyState.ACTIVE and selectors.can_revoke(who, key),
    }
    return render(request, "portal/key_detail.html", context, status=status)


def _act(
    request: HttpRequest, key: ApiKey, action: Callable[[], None], done: str, then: object | None = None
) -> HttpResponse:
    """Do something to a key and go to its page, or say why not."""
    try:
        action()
    except PortalError as error:
        return problem(request, error, back_url=key.get_absolute_url(), back_label="Back to the key")
    messages.success(request, done)
    return redirect(then or key)


@post_or_go_back
def key_confirm(request: HttpRequest, sid: str) -> HttpResponse:
    key = _visible(request, sid)
    done = "Noted: the secret is stored."
    return _act(request, key, lambda: lifecycle.confirm_key(key=key, actor=actor_of(request)), done)


@post_or_go_back
def key_replace(request: HttpRequest, sid: str) -> HttpResponse:
    key = _visible(request, sid)
    done = "The lost key was deleted at Twilio. Press “Issue key” for a new one."
    return _act(request, key, lambda: lifecycle.replace_key(key=key, actor=actor_of(request)), done, then=key.request)


@post_or_go_back
def key_revoke(request: HttpRequest, sid: str) -> HttpResponse:
    key = _visible(request, sid)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _key_page(request, key, form, status=422)
    reason = form.cleaned_data["reason"]
    done = "The key was deleted at Twilio. It no longer works."
    return _act(request, key, lambda: lifecycle.revoke_key(key=key, reason=reason, actor=actor_of(request)), done)
