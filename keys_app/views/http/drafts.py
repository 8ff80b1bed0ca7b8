"""Gives back what was typed into a form whose session had ended, or whose page was older than the last sign-in.

An ended session mostly says no more whose it was. So the page signs into each of these forms for which user it was
shown and where it is sent to, and what comes without a session, or with a token of an earlier one, is kept by that. No
other site and no other user can sign it, so neither can put words into a user's form; a page that its user left open
keeps what is typed there for that user alone. It works without JavaScript, and the browser stores nothing for it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from django.core import signing
from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils.crypto import salted_hmac
from django.utils.html import format_html
from django.utils.safestring import SafeString

from keys_app.organisation import drafts
from keys_app.organisation.drafts import Fields

from .moments import element
from .signed_in import signed_in

FIELD = "draft_of"
SIGNED_FOR = 7 * 24 * 60 * 60
"""Seconds for which an open page can be sent: a page of Friday is still there on Monday."""

KEPT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "portal:request_new": (
        *("account", "team", "friendly_name", "purpose", "ticket_url", "lifetime_days", "incident"),
        *("permissions", "policy_text", "template", "changes_key"),
    ),
    "portal:request_comment": ("comment",),
    "portal:key_revoke": ("reason",),
    "portal:key_revoke_several": ("keys", "reason", "seen", "of"),
    "portal:key_rotate": ("overlap_hours",),
    "portal:deputies": ("team", "deputy", "since", "until"),
    "portal:review_list": ("quarter",),
    "portal:review_decide": ("reviewed", "note", "note-*", "choice-*"),
    "portal:unmanaged_adopt": ("team", "owner", "lifetime_days"),
    "portal:unmanaged_propose": ("team",),
    "portal:audit_feeds": ("name", "lifetime_days"),
    "admin:keys_app_keyrequest_change": ("reason", "question", "keep", "lifetime_days"),
    "account_preferences": ("time_zone", "shortcuts", "to_decide", "own", "keys", "reviews", "waiting"),
    "admin:auth_user_add": ("username", "first_name", "last_name", "email", "groups"),
    "admin:auth_user_invite": ("lines",),
    "admin:keys_app_team_add": (
        *("name", "notice_email", "max_lifetime_days", "max_risk", "allowed_products", "forbidden_permissions"),
    ),
    "admin:keys_app_approvalrule_add": ("name", "template", "team", "environment", "max_lifetime_days", "is_active"),
    "admin:keys_app_providergroup_add": ("name", "group", "teams", "lead", "admin"),
    "admin:keys_app_identity_add": ("user", "subject"),
    "admin:keys_app_cataloguepermission_add": ("name", "meaning"),
    "admin:keys_app_webhook_add": ("name", "kind", "team", "event_kinds"),
}
"""What is kept of each form, by the page it is sent to. What is not named here is never stored.

A `*` at the end stands for the number of a row.
"""


def keep(request: HttpRequest) -> bool:
    """Keep what was typed into a form that is not received; tell whether anything is.

    Nothing is kept for a form that doesn't say whose it is, nor for one whose session is by now another user's.
    """
    user_id = _shown_to(request)
    fields = _fields_at(request.path)
    if user_id is None or not fields or (request.user.is_authenticated and request.user.pk != user_id):
        return False
    typed = {name: request.POST.getlist(name) for name in request.POST if _is_kept(name, fields)}
    return drafts.keep(user_id=user_id, path=request.path, fields=typed)


def received(request: HttpRequest) -> None:
    """Forget the draft of a form that its user sends now."""
    user_id = _shown_to(request)
    if user_id is not None and user_id == request.user.pk:
        drafts.forget(user_id=user_id, path=request.path)


def given_back(request: HttpRequest, path: str) -> Fields:
    """Return what this user typed into the form that is sent to `path`; empty where nothing is kept of it."""
    found = _drafts(request).get(path)
    return found[0] if found else Fields()


def hidden_field(request: HttpRequest, path: str, is_shown: bool = True) -> SafeString:
    """Return what makes a form that is sent to `path` one that can be kept.

    Where a draft of it `is_shown`, it says so.
    """
    user_id = signed_in(request).pk
    field = format_html(
        '<input type="hidden" name="{}" value="{}" data-user="{}" data-fields="{}" data-method="{}">',
        FIELD,
        signing.dumps([user_id, path], salt=__name__),
        salted_hmac(__name__, str(user_id), algorithm="sha256").hexdigest()[:16],
        " ".join(_fields_at(path)),
        request.method,
    )
    found = _drafts(request).get(path) if is_shown else None
    if found is None:
        return field
    note = "Not sent: you had to sign in again first. What you typed at {} is here again. Check and send it."
    return field + format_html(f'<p class="notice warn" role="status">{note}</p>', element(found[1]))


def _shown_to(request: HttpRequest) -> int | None:
    """Return the id of the user for whom a form was signed; None without one, or for another form's."""
    try:
        user_id, path = signing.loads(request.POST.get(FIELD, ""), salt=__name__, max_age=SIGNED_FOR)
    except signing.BadSignature:
        return None
    return int(user_id) if path == request.path else None


def _is_kept(name: str, fields: tuple[str, ...]) -> bool:
    stem, _, number = name.rpartition("-")
    return name in fields or (f"{stem}-*" in fields and number.isascii() and number.isdecimal())


def _fields_at(path: str) -> tuple[str, ...]:
    try:
        return KEPT_FIELDS.get(resolve(path).view_name, ())
    except Resolver404:
        return ()


def _drafts(request: HttpRequest) -> dict[str, tuple[Fields, datetime]]:
    """Return this user's drafts, read once for a page; none for the answer to a form that was received."""
    if request.method != "GET":
        return {}
    if not hasattr(request, "drafts"):
        request.drafts = drafts.drafts_of(signed_in(request))  # type: ignore[attr-defined]
    return cast(dict[str, tuple[Fields, datetime]], request.drafts)  # type: ignore[attr-defined]
