"""Keys at Twilio that the portal never made: the inventory, and adopting one."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from keys_app.catalogue import current
from keys_app.core.actor import name_and_login
from keys_app.core.errors import InvalidInput, PortalError
from keys_app.forms import AdoptForm, ProposeForm
from keys_app.key_requests.models import Issuance
from keys_app.organisation import access
from keys_app.permissions.describe import summarize
from keys_app.reconcile.adopt import adopt_key, propose_team
from keys_app.reconcile.doubtful import delete_key, keep_key
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.queries import SHOWN, adopting_teams, is_shown, visible_unmanaged
from keys_app.views.http.access import require_approver, visible_or_404
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import post_or_go_back, security_only
from keys_app.views.http.drafts import given_back
from keys_app.views.http.fresh import needs_fresh
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import SignedInRequest
from keys_app.wording import history

from .lists import UNMANAGED


@require_safe
def unmanaged_list(request: SignedInRequest) -> HttpResponse:
    """For leads, of their teams' accounts; for Security, of all. Without `?show=` only those that exist."""
    who = require_approver(request)
    show = request.GET.get("show", "")
    keys = visible_unmanaged(who)
    listing = UNMANAGED.page(request, keys if show in SHOWN else keys.filter(is_shown("")), who, seen=keys)
    return render(request, "portal/unmanaged_list.html", {"listing": listing, "shows_all": show == "all"})


def _visible(request: SignedInRequest, sid: str) -> UnmanagedKey:
    """Return the entry if this person may see it. Raises `Http404` otherwise, and notes it."""
    return visible_or_404(request, visible_unmanaged(access.person(request.user)), sid)


@require_safe
def unmanaged_detail(request: SignedInRequest, sid: str) -> HttpResponse:
    """Show a key the portal did not make, and who may adopt it."""
    return _page(request, _visible(request, sid))


def _page(
    request: SignedInRequest,
    unmanaged: UnmanagedKey,
    *,
    adopt_form: AdoptForm | None = None,
    propose_form: ProposeForm | None = None,
    status: int = 200,
) -> HttpResponse:
    who = access.person(request.user)
    decided = unmanaged.gone_at or unmanaged.adopted_at or unmanaged.delete_since
    free = not (decided or unmanaged.is_in_doubt or unmanaged.is_the_portals)
    teams = adopting_teams(who, unmanaged)
    can_adopt = free and teams.exists()
    policy = unmanaged.policy
    adopting = given_back(request, reverse("portal:unmanaged_adopt", args=[unmanaged.pk])).each()
    proposing = given_back(request, reverse("portal:unmanaged_propose", args=[unmanaged.pk])).each()
    context = {
        "unmanaged": unmanaged,
        "policy": policy,
        "summary": summarize(policy, current.current_catalogue()) if policy is not None else None,
        "can_adopt": can_adopt,
        "can_propose": free and who.is_security,
        "can_decide": unmanaged.is_in_doubt and who.is_security,
        "attempt_known": Issuance.objects.filter(marker=unmanaged.marker).exists(),
        "adopt_form": adopt_form or AdoptForm(teams, initial={"team": unmanaged.proposed_team_id, **adopting}),
        "propose_form": propose_form or ProposeForm(unmanaged.account, initial=proposing),
        "timeline": history(key_sid=unmanaged.pk),
    }
    return render(request, "portal/unmanaged_detail.html", context, status=status)


@post_or_go_back
@needs_fresh
def adopt(request: SignedInRequest, sid: str) -> HttpResponse:
    """Adopt the key, as a lead of a team that has its account."""
    unmanaged = _visible(request, sid)
    form = AdoptForm(adopting_teams(access.person(request.user), unmanaged), request.POST)
    if not form.is_valid():
        return _page(request, unmanaged, adopt_form=form, status=422)
    try:
        key = adopt_key(unmanaged=unmanaged, actor=actor_of(request), **form.cleaned_data)
    except InvalidInput as error:
        form.add_error(error.field, error.message)
        return _page(request, unmanaged, adopt_form=form, status=422)
    except PortalError as error:
        return problem(request, error, back_url=unmanaged.get_absolute_url(), back_label="Back to the key")
    messages.success(request, "The key is adopted. The portal deletes it when it expires.")
    return redirect(key)


@post_or_go_back
@security_only
@needs_fresh
def keep(request: SignedInRequest, sid: str) -> HttpResponse:
    """Keep a key in doubt, for the user whose attempt it may be, as Security."""
    unmanaged = _visible(request, sid)
    try:
        key = keep_key(unmanaged, actor_of(request))
    except PortalError as error:
        return problem(request, error, back_url=unmanaged.get_absolute_url(), back_label="Back to the key")
    if key is None:
        messages.success(request, "The key stays. The portal does not know whose it is: let a lead adopt it.")
        return redirect(unmanaged)
    messages.success(
        request, f"The key stays, and is {name_and_login(key.owner)}’s. The portal deletes it when it expires."
    )
    return redirect(key)


@post_or_go_back
@security_only
@needs_fresh
def delete(request: SignedInRequest, sid: str) -> HttpResponse:
    """Have a key in doubt deleted, as Security."""
    unmanaged = _visible(request, sid)
    try:
        delete_key(unmanaged, actor_of(request))
    except PortalError as error:
        return problem(request, error, back_url=unmanaged.get_absolute_url(), back_label="Back to the key")
    messages.success(request, "The portal deletes the key in its next run.")
    return redirect(unmanaged)


@post_or_go_back
def propose(request: SignedInRequest, sid: str) -> HttpResponse:
    """Ask the leads of a team to adopt the key, as Security."""
    unmanaged = _visible(request, sid)
    form = ProposeForm(unmanaged.account, request.POST)
    if not form.is_valid():
        return _page(request, unmanaged, propose_form=form, status=422)
    try:
        propose_team(unmanaged=unmanaged, team=form.cleaned_data["team"], actor=actor_of(request))
    except PortalError as error:
        return problem(request, error, back_url=unmanaged.get_absolute_url(), back_label="Back to the key")
    messages.success(request, "The leads of the team are asked to adopt it.")
    return redirect(unmanaged)
