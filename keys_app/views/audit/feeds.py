"""The audit for other systems: their tokens, and what they read."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from keys_app.audit import ledger
from keys_app.audit.export import formats
from keys_app.audit.search.engine import Search
from keys_app.audit.search.query import Query
from keys_app.core.errors import PortalError
from keys_app.users import feed_tokens
from keys_app.users.models import FeedToken
from keys_app.views.http.actor import actor_of, address_of
from keys_app.views.http.bearer import take_bearer
from keys_app.views.http.decorators import post_or_go_back, security_only
from keys_app.views.http.drafts import given_back
from keys_app.views.http.fresh import needs_fresh, require_fresh
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import SignedInRequest

MOST = 1000


@sensitive_variables("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@security_only
def audit_feeds(request: SignedInRequest) -> HttpResponse:
    """Show the tokens, and create one: it is shown in the answer to that POST and nowhere else."""
    if request.method == "POST":
        require_fresh(request)
    kept = given_back(request, request.path)
    typed = {"name": kept.one("name"), "lifetime_days": kept.one("lifetime_days") or str(feed_tokens.MAX_DAYS)}
    errors, secret, made = {}, None, None
    if request.method == "POST":
        sent = {name: request.POST.get(name, default)[:200] for name, default in typed.items()}
        days = sent["lifetime_days"].strip()
        number = int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0
        try:
            made, secret = feed_tokens.create_token(name=sent["name"], lifetime_days=number, actor=actor_of(request))
        except PortalError as wrong:
            typed, errors = sent, {getattr(wrong, "field", "name"): wrong.message}
    now = timezone.now()
    context = {
        "tokens": [(token, feed_tokens.why_over(token, now)) for token in feed_tokens.feed_tokens()],
        "typed": typed,
        "longest": feed_tokens.MAX_DAYS,
        "errors": errors,
        "secret": secret,
        "made": made,
        "feed_url": request.build_absolute_uri(reverse("portal:audit_feed")),
    }
    return render(request, "portal/audit_feeds.html", context, status=422 if errors else 200)


@post_or_go_back
@security_only
@needs_fresh
def feed_revoke(request: SignedInRequest) -> HttpResponse:
    """Revoke the token that `feed` numbers."""
    number = request.POST.get("feed", "")
    token = get_object_or_404(
        FeedToken, pk=int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0
    )
    try:
        feed_tokens.revoke_token(token=token, actor=actor_of(request))
    except PortalError as error:
        return problem(request, error, back_url=reverse("portal:audit_feeds"), back_label="Back to the feeds")
    return redirect("portal:audit_feeds")


@login_not_required
@require_GET
def audit_feed(request: HttpRequest) -> HttpResponse:
    """Return events after number `?after=`, oldest first, at most `?limit=`, as JSON.

    `next` is what to ask for after them; it does not move while there is nothing new.
    """
    presented = take_bearer(request)
    token = feed_tokens.token_for(presented) if presented else None
    if token is None:
        return JsonResponse({"error": "unauthorized"}, status=401, headers={"WWW-Authenticate": "Bearer"})
    try:
        after, limit = _number(request, "after", 0, 10**18), _number(request, "limit", 500, MOST)
    except ValueError as error:
        return JsonResponse({"error": str(error)}, status=400)
    feed_tokens.note_use(token=token, address=address_of(request), after=after)
    size = ledger.size()
    numbers = Search(Query(), upto=size).numbers(above=after, limit=limit)
    lines = ",\n".join(formats.event_line(*event) for event in formats.events_of(numbers))
    last = numbers[-1] if numbers else after
    body = f'{{"events":[{lines}],"next":{last},"size":{size}}}\n'
    return HttpResponse(body, content_type="application/json")


def _number(request: HttpRequest, name: str, default: int, most: int) -> int:
    text = request.GET.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most):
        raise ValueError(f"{name} is a whole number up to {most}")
    return int(text)
