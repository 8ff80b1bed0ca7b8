"""Quarterly access reviews, for Security and for the leads of teams."""

from collections.abc import Sequence

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from keys_app.core.errors import InvalidInput, PortalError
from keys_app.core.text import counted, joined
from keys_app.organisation import access
from keys_app.organisation.drafts import Fields
from keys_app.reports import access_reviews
from keys_app.reports.access_reviews import ReviewChoice, ReviewOutcome
from keys_app.reports.models import AccessReview, ReviewedKey
from keys_app.views.http.access import note_page
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import post_or_go_back
from keys_app.views.http.drafts import given_back
from keys_app.views.http.fresh import require_fresh
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import SignedInRequest

from .lists import REVIEWED

_MOST_AT_ONCE = 2 * REVIEWED.most
"""How many decisions one press takes: after a refusal the page has the rows that were refused, and its own."""


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
    who = _approver(request)
    typed = given_back(request, reverse("portal:review_decide", args=[quarter]))
    return _page(request, who, _review_or_404(quarter), typed)


def _review_or_404(quarter: str) -> AccessReview:
    return get_object_or_404(AccessReview.objects.select_related("opened_by", "closed_by"), quarter=quarter)


def _row_number(text: str) -> int | None:
    """Return the number of a row; None for what can be none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _page(
    request: SignedInRequest,
    who: access.Person,
    review: AccessReview,
    typed: Fields,
    outcome: Sequence[ReviewOutcome] = (),
) -> HttpResponse:
    """Show how far each team is, and the keys still to be decided or, with `?all`, every key.

    `typed` is what was typed and is not recorded; `outcome` says what is wrong with which rows. They come first.
    """
    keys = access_reviews.reviewed_keys(who, review)
    shows_all = "all" in request.GET or request.GET.get("show") == "all"
    wrong = {one.choice.reviewed.pk: one for one in outcome}
    some = keys if shows_all or review.closed_at else access_reviews.to_decide(keys)
    listing = REVIEWED.page(
        request,
        some.exclude(pk__in=wrong),
        who,
        seen=keys,
        path=review.get_absolute_url(),
        given={"show": "all" if shows_all and not review.closed_at else ""},
    )
    rows = [*keys.filter(pk__in=wrong), *listing.rows]
    for row in rows:
        _fill(row, who, typed, wrong.get(row.pk))
    context = {
        "review": review,
        "teams": access_reviews.progress(who, review),
        "keys": rows,
        "wrong": [row for row in rows if row.pk in wrong],
        "can_decide": any(not row.why_not for row in rows),
        "listing": listing,
        "everything": shows_all or review.closed_at is not None,
        "show_url": listing.address(show="" if shows_all else "all"),
        "note": typed.one("note"),
    }
    refused = any(not one.is_recorded for one in outcome)
    return render(request, "portal/review_detail.html", context, status=422 if refused else 200)


def _fill(row: ReviewedKey, who: access.Person, typed: Fields, wrong: ReviewOutcome | None = None) -> None:
    """Note with a row what its page shows beside it."""
    row.why_not = access_reviews.why_not_reviewable(who, row)
    row.mark = access_reviews.mark(row)
    row.typed, row.chosen = typed.one(f"note-{row.pk}"), typed.one(f"choice-{row.pk}")
    row.error = ""
    if wrong:
        row.error, row.is_recorded = wrong.words, wrong.is_recorded
        row.typed = row.typed or ("" if wrong.is_recorded else wrong.choice.note)


@post_or_go_back
def review_decide(request: SignedInRequest, quarter: str) -> HttpResponse:
    """Take decisions: on the row that `reviewed` names, or on each that has a `choice-…`; kept or revoked."""
    who = _approver(request)
    review = _review_or_404(quarter)
    choices = _choices(request, who, review)
    if any(choice.decision == ReviewedKey.Decision.REVOKED for choice in choices):
        require_fresh(request)
    outcome = access_reviews.decide_each(choices, actor=actor_of(request))
    if "reviewed" not in request.POST:
        return _answer_of_all(request, who, review, outcome)
    if request.htmx:
        return _row(request, who, review, outcome[0])
    return _answer_of_one(request, who, review, outcome[0])


def _choices(request: SignedInRequest, who: access.Person, review: AccessReview) -> list[ReviewChoice]:
    """Return what was chosen, and why. Raises `Http404` where none of it is this person's to decide, and notes it."""
    posted, is_one = request.POST, "reviewed" in request.POST
    chosen = {name.removeprefix("choice-"): posted[name] for name in posted if name.startswith("choice-")}
    chosen = {posted["reviewed"]: posted.get("decision", "")} if is_one else chosen
    numbers = {number: what for text, what in chosen.items() if what or is_one if (number := _row_number(text))}
    rows = list(access_reviews.reviewed_keys(who, review).filter(pk__in=list(numbers)[:_MOST_AT_ONCE]))
    if missing := len(numbers) - len(rows):
        note_page(request)
        messages.error(request, f"{counted(missing, 'decision')} not saved: no longer yours to decide.")
    if not rows and (is_one or missing):
        raise Http404("no such key in this review")
    return [_choice(posted, row, numbers[row.pk]) for row in rows]


def _choice(posted: QueryDict, row: ReviewedKey, decision: str) -> ReviewChoice:
    """Return what was chosen for a row, with its own note or else, to revoke, the one that stands for all."""
    for_all = "reviewed" in posted or decision == ReviewedKey.Decision.REVOKED
    note = posted.get(f"note-{row.pk}", "").strip() or (posted.get("note", "").strip() if for_all else "")
    return ReviewChoice(row, decision, note, posted.get(f"seen-{row.pk}"))


def _answer_of_all(
    request: SignedInRequest, who: access.Person, review: AccessReview, outcome: Sequence[ReviewOutcome]
) -> HttpResponse:
    """Say how many decisions are saved; of the others, why, at their rows."""
    saved = [one.choice.decision for one in outcome if one.is_recorded]
    parts = [f"{saved.count(what)} {what}" for what in ReviewedKey.Decision.values if what in saved]
    if parts:
        messages.success(request, f"Saved: {joined(parts)}.")
    if not outcome:
        messages.warning(request, "Nothing was chosen, so nothing was saved.")
    wrong = [one for one in outcome if one.error]
    if wrong:
        recorded = {f"{name}-{one.choice.reviewed.pk}" for one in outcome if one.is_recorded for name in _OF_A_ROW}
        left = {name: values for name, values in request.POST.lists() if name not in recorded}
        return _page(request, who, review, Fields(left), wrong)
    return redirect(_back(request, review))


_OF_A_ROW = ("choice", "note")


def _back(request: SignedInRequest, review: AccessReview) -> str:
    kept = request.GET.urlencode()
    return review.get_absolute_url() + (f"?{kept}" if kept else "")


def _row(request: SignedInRequest, who: access.Person, review: AccessReview, outcome: ReviewOutcome) -> HttpResponse:
    """Return the row as it is now, and how far the review is, for htmx to put into the page."""
    row = access_reviews.reviewed_keys(who, review).get(pk=outcome.choice.reviewed.pk)
    typed = Fields() if outcome.is_recorded else Fields({name: values for name, values in request.POST.lists()})
    _fill(row, who, typed, outcome if outcome.error else None)
    teams = access_reviews.progress(who, review)
    done = f"“{row.key.name}” is {outcome.choice.decision}. {sum(team.open for team in teams)} left to decide."
    context = {"item": row, "review": review, "teams": teams, "said": done if outcome.is_recorded else outcome.words}
    status = 200 if outcome.is_recorded else 422
    return render(request, "portal/partials/review_decided.html", context, status=status)


def _answer_of_one(
    request: SignedInRequest, who: access.Person, review: AccessReview, outcome: ReviewOutcome
) -> HttpResponse:
    if isinstance(outcome.error, InvalidInput):
        return _page(request, who, review, Fields(), [outcome])
    if outcome.error:
        return problem(request, outcome.error, back_url=review.get_absolute_url(), back_label="Back to the review")
    done = "kept" if outcome.choice.decision == ReviewedKey.Decision.KEPT else "revoked at Twilio"
    messages.success(request, f"“{outcome.choice.reviewed.key.name}” is {done}.")
    return redirect(_back(request, review))


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
