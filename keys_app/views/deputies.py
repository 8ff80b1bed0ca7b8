"""Naming somebody who decides in a lead's place for a while."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from keys_app.core.errors import InvalidInput, PortalError
from keys_app.forms import DeputyForm
from keys_app.organisation import access, delegations
from keys_app.views.http.access import note_page
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import post_or_go_back
from keys_app.views.http.drafts import given_back
from keys_app.views.http.fresh import require_fresh
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import SignedInRequest


@require_http_methods(["GET", "HEAD", "POST"])
def deputies(request: SignedInRequest) -> HttpResponse:
    """Show a lead's deputies and the form to name one. Raises `Http404` for who leads no team."""
    who = access.person(request.user)
    if not who.own_led_team_ids:
        note_page(request)
        raise Http404("leads no team")
    if request.method == "POST":
        require_fresh(request)
    form = DeputyForm(who, request.POST or None, initial=given_back(request, request.path).each())
    if request.method == "POST" and form.is_valid() and _name(request, form):
        messages.success(request, "Named. Until the last day your deputy decides as you would.")
        return redirect("portal:deputies")
    context = {"form": form, "delegations": access.delegations_given(who).filter(ends_at__gt=timezone.now())}
    return render(request, "portal/deputies.html", context, status=422 if form.errors else 200)


def _name(request: SignedInRequest, form: DeputyForm) -> bool:
    """Name the deputy; tell whether it was done, with the reason at its field if not."""
    starts_at, ends_at = form.period()
    try:
        delegations.name_deputy(
            team=form.teams[form.cleaned_data["team"]],
            deputy=form.people[form.cleaned_data["deputy"]],
            starts_at=starts_at,
            ends_at=ends_at,
            actor=actor_of(request),
        )
    except PortalError as error:
        form.add_error(error.field if isinstance(error, InvalidInput) else None, error.message)
        return False
    return True


@post_or_go_back
def deputy_end(request: SignedInRequest, delegation_id: int) -> HttpResponse:
    """End a delegation that this person gave."""
    who = access.person(request.user)
    ending = get_object_or_404(access.delegations_given(who), pk=delegation_id)
    try:
        delegations.end_delegation(delegation=ending, actor=actor_of(request))
    except PortalError as error:
        return problem(request, error, back_url=reverse("portal:deputies"), back_label="Back to the deputies")
    messages.success(request, "Ended.")
    return redirect("portal:deputies")
