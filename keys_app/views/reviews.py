"""Quarterly access reviews, for Security and for the leads of teams."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from keys_app.core.errors import InvalidInput, PortalError
from keys_app.organisation import access
from keys_app.reports import access_reviews
from keys_app.reports.models import AccessReview
from keys_app.views.http.access import note_page
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import post_or_go_back
from keys_app.views.http.drafts import given_back
from keys_app.views.http.fresh import require_fresh
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import SignedInRequest

SHOWN = 100


def _approver(request: SignedInRequest) -> access.Person:
    """Return the person if reviews are any of their business. Raises `Http404` otherwise, and notes it."""
    who = access.person(request.user)
    if not who.is_approver:
        note_page(request)
        raise Http404("no reviews")
    return who


@require_http_methods(["GET", "HEAD", "POST"])
def review_list(request: SignedInRequest) -> HttpResponse:
    """Show the reviews; Security opens one here."""
    who, error, today = _approver(request), "", timezone.now()
    quarter = given_back(request, request.path).one("quarter") or f"{today.year}-Q{(today.month + 2) // 3}"
    if request.method == "POST":
        quarter = request.POST.get("quarter", "").strip()[:20]
        try:
            return redirect(access_reviews.open_review(quarter=quarter, actor=actor_of(request)))
        except PortalError as wrong:
            error = wrong.message
    context = {
        "reviews": [(review, access_reviews.progress(who, review)) for review in AccessReview.objects.all()[:8]],
        "quarter": quarter,
        "error": error,
    }
    return render(request, "portal/review_list.html", context, status=422 if error else 200)


@require_safe
def review_detail(request: SignedInRequest, quarter: str) -> HttpResponse:
    """Show how far a review is, and the keys to decide."""
    typed = given_back(request, reverse("portal:review_decide", args=[quarter]))
    return _page(request, quarter, of=_row_number(typed.one("reviewed")) or 0, note=typed.one("note"))


def _row_number(text: str) -> int | None:
    """Return the number of a row; None for what can be none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _page(request: SignedInRequest, quarter: str, *, of: int = 0, error: str = "", note: str = "") -> HttpResponse:
    """Show how far each team is, and the keys still to be decided or, with `?all`, every key.

    `note` was typed for row `of`, which `error` says what is wrong with.
    """
    who = _approver(request)
    review = get_object_or_404(AccessReview.objects.select_related("opened_by", "closed_by"), quarter=quarter)
    keys = access_reviews.reviewed_keys(who, review)
    team = request.GET.get("team", "")
    if team.isascii() and team.isdecimal() and len(team) < 10:
        keys = keys.filter(team=int(team))
    everything = "all" in request.GET or review.closed_at is not None
    rows = list((keys if everything else access_reviews.to_decide(keys))[: SHOWN + 1])
    for row in rows:
        row.why_not = access_reviews.why_not_reviewable(who, row)
        if row.pk == of:
            row.error, row.typed = error, note
    context = {
        "review": review,
        "teams": access_reviews.progress(who, review),
        "keys": rows[:SHOWN],
        "more": len(rows) > SHOWN,
        "everything": everything,
        "team": team,
    }
    return render(request, "portal/review_detail.html", context, status=422 if error else 200)


@post_or_go_back
def review_decide(request: SignedInRequest, quarter: str) -> HttpResponse:
    """Take one decision: `reviewed` names the row, `decision` is kept or revoked."""
    who = _approver(request)
    review = get_object_or_404(AccessReview, quarter=quarter)
    number = _row_number(request.POST.get("reviewed", ""))
    if number is None:
        raise Http404("no such key in this review")
    reviewed = access_reviews.reviewed_keys(who, review).filter(pk=number).first()
    if reviewed is None:
        note_page(request)
        raise Http404("no such key in this review")
    if request.POST.get("decision") == "revoked":
        require_fresh(request)
    decide = {"kept": access_reviews.keep, "revoked": access_reviews.revoke}.get(request.POST.get("decision", ""))
    note = request.POST.get("note", "").strip()
    try:
        if decide is None:
            raise InvalidInput("decision", "Press Keep or Revoke.")
        decide(reviewed=reviewed, note=note, actor=actor_of(request))
    except InvalidInput as error:
        return _page(request, quarter, of=reviewed.pk, error=error.message, note=note)
    except PortalError as error:
        return problem(request, error, back_url=review.get_absolute_url(), back_label="Back to the review")
    done = "kept" if decide is access_reviews.keep else "revoked at Twilio"
    messages.success(request, f"“{reviewed.key.name}” is {done}.")
    kept = request.GET.urlencode()
    return redirect(review.get_absolute_url() + (f"?{kept}" if kept else ""))


@post_or_go_back
def review_close(request: SignedInRequest, quarter: str) -> HttpResponse:
    """Close a review, as Security."""
    _approver(request)
    review = get_object_or_404(AccessReview, quarter=quarter)
    try:
        access_reviews.close_review(review=review, actor=actor_of(request))
    except PortalError as error:
        return problem(request, error, back_url=review.get_absolute_url(), back_label="Back to the review")
    messages.success(request, f"The review of {review} is closed.")
    return redirect(reverse("portal:review_list"))
