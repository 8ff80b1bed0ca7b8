"""Revoking the keys of an owner, of a team or on an account together: what would be revoked first, then one reason."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys_app.catalogue import current
from keys_app.core.errors import InvalidInput
from keys_app.core.text import counted, joined
from keys_app.forms import ReasonForm
from keys_app.keys.models import ApiKey
from keys_app.keys.queries import revocable_keys, visible_keys
from keys_app.keys.revoke_several import Revocation, revoke_several
from keys_app.keys.states import KeyState
from keys_app.organisation import access
from keys_app.organisation.drafts import Fields
from keys_app.permissions.catalogue import Catalogue
from keys_app.permissions.risk import explain
from keys_app.views.http.access import note_page
from keys_app.views.http.actor import actor_of
from keys_app.views.http.drafts import given_back
from keys_app.views.http.filters import control
from keys_app.views.http.fresh import require_fresh
from keys_app.views.http.listing import ListLink, ListPage
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import SignedInRequest

from .lists import KEYS

MOST = 100
"""How many keys a page shows, which is also the most that one press revokes."""
NAMED = 5
SCOPES = {one.name: one for one in KEYS.filters if one.name in ("owner", "team", "account")}
"""What says whose keys: one of these filters of the list of keys, and no other."""
_SID = re.compile(r"SK[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class KeyScope:
    """Whose keys: the address's filter in words, and which keys it leaves."""

    name: str
    value: str
    label: str
    words: str
    condition: Q

    @property
    def query(self) -> str:
        return urlencode({self.name: self.value})

    @property
    def url(self) -> str:
        return f"{reverse('portal:key_revoke_several')}?{self.query}"

    @property
    def keys_url(self) -> str:
        return f"{reverse('portal:key_list')}?{self.query}"


@dataclass(frozen=True, slots=True)
class SentTicks:
    """What a page was sent with: the SIDs that were ticked, and those it had shown."""

    ticked: tuple[str, ...]
    seen: tuple[str, ...]
    reason: str

    @classmethod
    def of(cls, fields: Fields) -> "SentTicks":
        ticked = dict.fromkeys(sid for sid in fields.get("keys", []) if _SID.fullmatch(sid))
        return cls(tuple(ticked), tuple(_SID.findall(fields.one("seen"))[:MOST]), fields.one("reason"))

    @property
    def saw_all(self) -> bool:
        """Whether the page had room for more, so that what it did not show has appeared since."""
        return len(self.seen) < MOST


@dataclass(frozen=True, slots=True)
class RowToRevoke:
    """A key as the page shows it: what it may do in a line, and what is wrong with it."""

    key: ApiKey
    does: str
    more: int
    is_ticked: bool
    is_new: bool
    error: str = ""

    @property
    def is_active(self) -> bool:
        return self.key.state == KeyState.ACTIVE


def link_from(listing: ListPage, who: access.Person) -> ListLink | None:
    """Return the link to the page for what narrows a list of keys; None unless that is one scope with active keys."""
    active = [one for one in listing.controls if one.is_active]
    scopes = [one for one in active if one.name in SCOPES]
    if len(scopes) != 1 or not revocable_keys(who).filter(scopes[0].condition).exists():
        return None
    one = scopes[0]
    scope = KeyScope(one.name, one.value, one.label, one.words, one.condition)
    is_whole = len(active) == 1 and not listing.words
    return ListLink("Revoke these keys…" if is_whole else f"Revoke all keys of this {one.label.lower()}…", scope.url)


@require_http_methods(["GET", "HEAD", "POST"])
def key_revoke_several(request: SignedInRequest) -> HttpResponse:
    """Show which keys would be revoked, or revoke those that are ticked."""
    who = access.person(request.user)
    try:
        scope = _scope(request, who)
    except InvalidInput as error:
        return problem(request, error, back_url=reverse("portal:key_list"), back_label="Back to the keys")
    if request.method == "POST":
        return _revoke(request, who, scope)
    draft = given_back(request, request.path)
    is_of_this = draft.one("of") == scope.query
    form = ReasonForm(initial={"reason": draft.one("reason")} if is_of_this else {})
    return _page(request, who, scope, form, SentTicks.of(draft) if is_of_this else None)


def _scope(request: SignedInRequest, who: access.Person) -> KeyScope:
    """Return whose keys the address means.

    Raises `InvalidInput` unless it names one owner, team or account; `Http404`, and notes it, where this person sees
    no key of that.
    """
    asked = {name: value for name in SCOPES if (value := request.GET.get(name, "").strip())}
    if len(asked) != 1:
        raise InvalidInput(
            "scope",
            "This page needs one owner, one team or one account. Filter the list of keys by one of them, and follow "
            "“Revoke these keys…” there.",
        )
    [(name, value)] = asked.items()
    keys = visible_keys(who)
    found = control(SCOPES[name], value, keys, who)
    if not found.is_active or not keys.filter(found.condition).exists():
        note_page(request)
        raise Http404("no such keys")
    return KeyScope(name, found.value, found.label, found.words, found.condition)


def _page(
    request: SignedInRequest,
    who: access.Person,
    scope: KeyScope,
    form: ReasonForm,
    sent: SentTicks | None = None,
    *,
    outcome: Sequence[Revocation] = (),
    error: str = "",
) -> HttpResponse:
    """Show the keys, all ticked unless `sent` says which; those that `outcome` says something of come first."""
    wrong = {one.key.pk: one for one in outcome if one.error}
    live = revocable_keys(who).filter(scope.condition).exclude(pk__in=wrong)
    told = list(visible_keys(who).filter(pk__in=wrong)) if wrong else []
    keys = list(live[: MOST + 1])
    rows = _rows([*told, *keys[:MOST]], sent, wrong)
    context = {
        "scope": scope,
        "rows": rows,
        "wrong": [(row, wrong[row.key.pk].is_recorded) for row in rows if row.error],
        "revocable": [row for row in rows if row.is_active],
        "seen": " ".join(row.key.pk for row in rows if row.is_active),
        "total": live.count() if len(keys) > MOST else 0,
        "most": MOST,
        "form": form,
        "error": error,
    }
    refused = error or form.errors or any(not one.is_recorded for one in outcome)
    return render(request, "portal/revoke_several.html", context, status=422 if refused else 200)


def _rows(keys: Sequence[ApiKey], sent: SentTicks | None, wrong: Mapping[str, Revocation]) -> list[RowToRevoke]:
    known = current.current_catalogue()
    rows = []
    for key in keys:
        does, more = _what_it_may_do(key, known)
        is_new = sent is not None and sent.saw_all and key.pk not in sent.seen
        ticked = sent is None or key.pk in sent.ticked
        rows.append(RowToRevoke(key, does, more, ticked, is_new, wrong[key.pk].problem if key.pk in wrong else ""))
    return rows


def _what_it_may_do(key: ApiKey, known: Catalogue) -> tuple[str, int]:
    """Return the worst of what a key may do, in a sentence, and how much there is besides."""
    if not key.policy_json:
        return "It has no policy: it may do nearly everything on the account.", 0
    try:
        reasons = explain(key.policy, known)
    except ValueError:
        return "Its policy can’t be read: what it may do is not known.", 0
    return (reasons[0].sentence, len(reasons) - 1) if reasons else ("Nothing.", 0)


def _revoke(request: SignedInRequest, who: access.Person, scope: KeyScope) -> HttpResponse:
    """Revoke what is ticked of the scope's keys, and go to their list, or say at its row what was not."""
    sent, form = SentTicks.of(Fields({name: values for name, values in request.POST.lists()})), ReasonForm(request.POST)
    keys = list(visible_keys(who).filter(scope.condition, pk__in=sent.ticked[:MOST]))
    if any(key.owner_id != who.user.pk for key in keys):
        require_fresh(request)
    error = "" if sent.ticked else "Nothing was ticked, so nothing was revoked. Tick at least one key."
    if len(sent.ticked) > MOST:
        error = f"At most {MOST} keys are revoked together. Nothing was revoked."
    if not form.is_valid() or error:
        return _page(request, who, scope, form, sent, error=error)
    _tell_missing(request, who, scope, set(sent.ticked) - {key.pk for key in keys})
    if not keys:
        return _page(request, who, scope, form, sent, error="None of the ticked keys was revoked.")
    outcome = revoke_several(keys=keys, reason=form.cleaned_data["reason"], actor=actor_of(request))
    return _answer(request, who, scope, sent, outcome)


def _answer(
    request: SignedInRequest, who: access.Person, scope: KeyScope, sent: SentTicks, outcome: Sequence[Revocation]
) -> HttpResponse:
    if done := sum(one.error is None for one in outcome):
        messages.success(request, f"{counted(done, 'key')} revoked.")
    has_rest = _tell_untouched(request, who, scope, sent)
    if not done or done < len(outcome):
        return _page(request, who, scope, ReasonForm(request.POST), sent, outcome=outcome)
    return redirect(scope.url if has_rest else scope.keys_url)


def _tell_missing(request: SignedInRequest, who: access.Person, scope: KeyScope, missing: set[str]) -> None:
    """Say how many of the ticked keys are no longer the scope's; note it if this person may not see one."""
    if not missing:
        return
    if visible_keys(who).filter(pk__in=missing).count() < len(missing):
        note_page(request)
    what = f"{scope.label.lower()} “{scope.words}”"
    messages.error(request, f"{counted(len(missing), 'key')} not revoked: no longer of {what}, or not yours to revoke.")


def _tell_untouched(request: SignedInRequest, who: access.Person, scope: KeyScope, sent: SentTicks) -> bool:
    """Name the keys that the page did not show; return whether they are the rest of more than it had room for."""
    others = revocable_keys(who).filter(scope.condition).exclude(pk__in=[*sent.seen, *sent.ticked])
    some: list[Any] = list(others[: NAMED + 1])
    if not some:
        return False
    if not sent.saw_all:
        messages.info(request, f"{counted(others.count(), 'key')} left. The page had room for the first {MOST}.")
        return True
    names = [f"“{key.name or '(no name)'}” ({key.pk})" for key in some[:NAMED]]
    if len(some) > NAMED:
        names.append(counted(others.count() - NAMED, "other"))
    verb = "were" if len(names) > 1 else "was"
    messages.warning(request, f"Not on the page you opened, so {verb} not revoked: {joined(names)}.")
    return False
