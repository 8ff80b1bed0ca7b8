"""The request form with its policy builder.

The ticked `permissions` are the policy; every other way of choosing (a task, levels, JSON, something pasted)
ends in ticks. Without JavaScript each way has a button that shows the form again with the new ticks. The page has
the resources of which something is chosen; the others come when they are looked for, see `catalogue`.
"""

from dataclasses import dataclass, field

from django.http import HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from keys_app.catalogue import current
from keys_app.core.errors import InvalidInput, NotAllowed, PortalError
from keys_app.forms import RequestForm
from keys_app.key_requests import submit
from keys_app.key_requests.approval_policy import ApprovalRequirement, glass_is_open
from keys_app.keys.models import ApiKey
from keys_app.keys.same_names import Twin, same_names
from keys_app.organisation import access
from keys_app.organisation.drafts import Fields
from keys_app.organisation.first_steps import why_no_request
from keys_app.permissions.catalogue import Catalogue, expand
from keys_app.permissions.describe import summarize
from keys_app.permissions.guardrails import GuardRails
from keys_app.permissions.levels import Level, level_of, permissions_at
from keys_app.permissions.naming import MAX_NAME
from keys_app.permissions.paste import read_paste
from keys_app.permissions.paste.model import Reading
from keys_app.permissions.policy import MAX_PERMISSIONS
from keys_app.permissions.policy_json import MAX_TEXT, PolicyTextError, parse_policy_text
from keys_app.permissions.products import answers_to
from keys_app.permissions.risk import policy_risk
from keys_app.users.limits import TooMany, count
from keys_app.views.http.actor import actor_of
from keys_app.views.http.drafts import given_back
from keys_app.views.http.fresh import require_fresh
from keys_app.views.http.kept import compressed
from keys_app.views.http.problem import with_wait
from keys_app.views.http.signed_in import SignedInRequest

from . import catalogue
from .picker import SEARCH_LIMIT, blocked_by, known_part, picker, unknown_names
from .prefill import Source, Start, earlier_policies, source_again, starting_point, template_of

WAYS = ("search_only", "all_only", "text_only", "template_only", "level_only", "paste_only")


@dataclass
class Selection:
    """What is chosen so far, and what the last way of choosing had to say."""

    permissions: list[str]
    template_slug: str = ""
    policy_text: str = ""
    policy_text_error: str = ""
    reading: Reading | None = None
    paste: str = field(default="", repr=False)
    paste_refused: str = ""
    search: str = ""
    opened: str = ""
    is_whole: bool = False
    source: Source | None = None
    changes_key: ApiKey | None = None


@sensitive_post_parameters("paste")
@sensitive_variables("text")
@require_http_methods(["GET", "HEAD", "POST"])
def request_new(request: SignedInRequest) -> HttpResponse:
    """Show the form; with a valid POST store the request and go to its page."""
    who = access.person(request.user)
    known = current.current_catalogue()
    if request.method != "POST":
        return _open(request, who, known)
    if "paste_only" in request.POST and request.htmx:
        return _read(request, known)
    if "summary_only" in request.POST:
        return _summary(request, who, known)
    if any(way in request.POST for way in WAYS):
        return _chosen(request, who, known)
    return _send(request, who, known)


@sensitive_variables()
def _read(request: SignedInRequest, known: Catalogue) -> HttpResponse:
    """Answer the builder with what was pasted needs; without a word of it where the limit of pastes is reached."""
    template = "portal/partials/builder_paste_result.html"
    try:
        count("pastes", actor_of(request))
    except TooMany as error:
        return with_wait(render(request, template, {"paste_refused": error.message}), error)
    return render(request, template, {"reading": read_paste(request.POST.get("paste", ""), known)})


@sensitive_variables()
def _chosen(request: SignedInRequest, who: access.Person, known: Catalogue) -> HttpResponse:
    """Show the form again after one of the ways to choose; as it was sent where the limit of pastes is reached."""
    posted, refused = request.POST, None
    if "paste_only" in posted:
        try:
            count("pastes", actor_of(request))
        except TooMany as error:
            refused = error
    selection = _choose(posted, known, who, reads=refused is None)
    if refused:
        selection.paste, selection.paste_refused = posted.get("paste", ""), refused.message
    form = RequestForm(who, known, initial={**posted.dict(), "permissions": selection.permissions})
    return with_wait(_page(request, form, selection, known), refused)


def _open(request: SignedInRequest, who: access.Person, known: Catalogue) -> HttpResponse:
    if "rails_only" in request.GET:
        return JsonResponse({"blocked": blocked_by(_rails(RequestForm(who, known, data=request.GET)), known)})
    if typed := given_back(request, request.path):
        return _as_typed(request, who, known, typed)
    start: Start = starting_point(request, who)
    slug = start.template.slug if start.template else ""
    changes_key = start.changes_key.pk if start.changes_key else ""
    form = RequestForm(who, known, initial={**start.initial, "template": slug, "changes_key": changes_key})
    if len(form.accounts) == 1:
        form.initial.setdefault("account", *form.accounts)
    selection = Selection(
        start.permissions,
        template_slug=slug,
        search=request.GET.get("search", "")[:SEARCH_LIMIT],
        is_whole="all" in request.GET,
        source=start.source,
        changes_key=start.changes_key,
    )
    page = _page(request, form, selection, known)
    return page if request.GET else compressed(request, page)


def _as_typed(request: SignedInRequest, who: access.Person, known: Catalogue, typed: Fields) -> HttpResponse:
    """Show the form as it was when it was sent and not received; whatever its address would start from."""
    form = RequestForm(who, known, initial={**typed.each(), "permissions": typed.get("permissions", [])})
    selection = Selection(
        typed.get("permissions", []),
        template_slug=typed.one("template"),
        policy_text=typed.one("policy_text")[: MAX_TEXT + 1],
        changes_key=form.key_to_change(),
    )
    return _page(request, form, selection, known)


def _send(request: SignedInRequest, who: access.Person, known: Catalogue) -> HttpResponse:
    refused: PortalError | None = None
    form = RequestForm(who, known, data=request.POST)
    if form.is_valid():
        values = dict(form.cleaned_data)
        if values.get("incident"):
            require_fresh(request)
        try:
            policy = values.pop("permissions")
            return redirect(submit.create_request(actor=actor_of(request), policy=policy, **values))
        except (InvalidInput, NotAllowed, TooMany) as error:
            refused = error
            form.add_error(getattr(error, "field", None), error.message)
    selection = Selection(
        request.POST.getlist("permissions"),
        template_slug=request.POST.get("template", ""),
        is_whole="all" in request.POST,
        changes_key=form.key_to_change(),
    )
    return with_wait(_page(request, form, selection, known, status=422), refused)


@sensitive_variables()
def _choose(posted: QueryDict, known: Catalogue, who: access.Person, *, reads: bool) -> Selection:
    """Return the selection after one of the ways that work without JavaScript."""
    form = RequestForm(who, known, data=posted)
    selection = Selection(
        posted.getlist("permissions"),
        template_slug=posted.get("template", ""),
        policy_text=posted.get("policy_text", "")[: MAX_TEXT + 1] if "text_only" in posted else "",
        search=posted.get("search", "")[:SEARCH_LIMIT] if "search_only" in posted else "",
        opened=posted.get("all_only", ""),
        is_whole="all" in posted or "all_only" in posted,
        changes_key=form.key_to_change(),
    )
    if "text_only" in posted:
        try:
            selection.permissions = list(parse_policy_text(selection.policy_text, known))
            selection.policy_text = ""
        except PolicyTextError as error:
            selection.policy_text_error = error.message
    elif "template_only" in posted:
        template = template_of(posted.get("template_only", ""))
        selection.permissions = list(template.permissions) if template else selection.permissions
        selection.template_slug = template.slug if template else ""
    elif "level_only" in posted:
        selection.permissions = _with_levels(posted, selection.permissions, known)
    elif "paste_only" in posted and reads:
        selection.reading = read_paste(posted.get("paste", ""), known)
    return selection


def _with_levels(posted: QueryDict, permissions: list[str], known: Catalogue) -> list[str]:
    """Apply the level selects that differ from what is ticked; single ticks stay where a select says custom."""
    ticked = {explicit for name in permissions for explicit in expand(name)}
    for product in known.products:
        for resource in product.resources:
            wanted = posted.get(f"level:{product.name}/{resource.name}", "")
            if wanted in (Level.NONE, Level.READ, Level.WRITE, Level.ALL) and wanted != level_of(resource, ticked):
                ticked -= {explicit for item in resource.permissions for explicit in expand(item.name)}
                ticked |= set(permissions_at(resource, Level(wanted)))
    return sorted(ticked)


def _rails(form: RequestForm) -> GuardRails:
    """Return the guardrails of what is chosen in the form so far; none while the account is open."""
    account, team = form.chosen_account_and_team()
    rails = account.guard_rails if account else GuardRails()
    return rails | team.guard_rails if team else rails


def _lifetime(form: RequestForm) -> int | None:
    value = str(form["lifetime_days"].value() or "")
    return int(value) if value.isdecimal() and len(value) < 6 else None


def _summary(request: SignedInRequest, who: access.Person, known: Catalogue) -> HttpResponse:
    """Answer the builder's question what the present selection means."""
    form = RequestForm(who, known, data=request.POST)
    policy = known_part(known, request.POST.getlist("permissions"))
    context = {
        "summary": summarize(policy, known),
        "requirement": ApprovalRequirement.of(policy_risk(policy), form.chosen_account_and_team()[0]),
        "problems": _rails(form).problems(policy, _lifetime(form)),
        "selected_count": len(policy),
        "max_permissions": MAX_PERMISSIONS,
        "twins": _twins(form),
        "is_answer": True,
    }
    return render(request, "portal/partials/builder_summary.html", context)


def _twins(form: RequestForm) -> list[Twin]:
    """Return what has the name in the form already, as far as account and team are chosen."""
    account, team = form.chosen_account_and_team()
    if account is None or team is None:
        return []
    name, changes = str(form["friendly_name"].value() or ""), form.key_to_change()
    return same_names(name=name, account_id=account.pk, team_id=team.pk, changes=changes.pk if changes else "")


def _page(
    request: SignedInRequest, form: RequestForm, selection: Selection, known: Catalogue, status: int = 200
) -> HttpResponse:
    policy = known_part(known, selection.permissions)
    rails = _rails(form)
    context = {
        "form": form,
        "picker": picker(known, selection.permissions, rails, search=selection.search, whole=selection.is_whole),
        "has_rails": rails.blocks_any,
        "catalogue_url": catalogue.address(known),
        "is_whole": selection.is_whole,
        "opened": selection.opened,
        "unknown": unknown_names(known, selection.permissions),
        "search": selection.search,
        "answers": answers_to(selection.search, known),
        "selected_count": len(policy),
        "max_permissions": MAX_PERMISSIONS,
        "name_max": MAX_NAME,
        "policy_json": policy.pretty_json() if len(policy) else "",
        "cards": catalogue.cards(known, selection.template_slug),
        "template_slug": selection.template_slug,
        "policy_text": selection.policy_text,
        "policy_text_error": selection.policy_text_error,
        "reading": selection.reading,
        "paste": selection.paste,
        "paste_refused": selection.paste_refused,
        "summary": summarize(policy, known),
        "requirement": ApprovalRequirement.of(policy_risk(policy), form.chosen_account_and_team()[0]),
        "problems": rails.problems(policy, _lifetime(form)),
        "glass_is_open": form.who.may_break_glass and glass_is_open(form.who.user),
        "source": selection.source or source_again(request, form.who),
        "twins": _twins(form),
        "changes_key": selection.changes_key,
        "diff": policy.since(selection.changes_key.policy) if selection.changes_key else None,
        "earlier": earlier_policies(form.who),
        "why_no_request": "" if form.accounts else why_no_request(form.who),
    }
    return render(request, "portal/request_form.html", context, status=status)
