"""What needs a fresh sign-in: each press as it is done for real, and the addresses that need none, with the reason."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from keys_app.audit.ledger import matching
from keys_app.organisation.models import Team
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.reports.models import ReviewedKey
from keys_app.users.models import FeedToken
from tests.cast import READ_MESSAGES, READ_USAGE, Cast
from tests.forms import forms_of

NOTED = "portal.authenticated_at"
LOW, HIGH = READ_USAGE, READ_MESSAGES


@dataclass(frozen=True)
class Press:
    """A form that is sent, or a file that is asked for: by whom, to which address, and from which page."""

    role: str
    url: str
    page: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    method: str = "post"

    def by(self, client: Client, **headers: str) -> Any:
        given = {"Referer": f"http://testserver{self.page}"} if self.page else {}
        return getattr(client, self.method)(self.url, self.data, headers={**given, **headers})


def stale(cast: Cast, role: str, ago: float = 901) -> Client:
    """Return a browser whose user signed in too long ago."""
    client = cast.client(role)
    session = client.session
    session[NOTED] = time.time() - ago
    session.save()
    return client


def _key(cast: Cast) -> str:
    return f"/keys/{cast.issued()[0].keys.get().sid}/"


def _on_key(action: str, role: str = "engineer", **data: Any) -> Callable[..., Press]:
    def press(cast: Cast, standin: Any) -> Press:
        page = _key(cast)
        return Press(role, f"{page}{action}/", page, data)

    return press


def _issue(cast: Cast, standin: Any) -> Press:
    page = f"/requests/{cast.approved().pk}/"
    return Press("engineer", f"{page}issue/", page)


def _take_over(cast: Cast, standin: Any) -> Press:
    page = _key(cast)
    cast.people["engineer"].is_active = False
    cast.people["engineer"].save()
    return Press("lead", f"{page}take-over/", "/keys/left/")


def _ask(**changes: Any) -> Callable[..., Press]:
    def press(cast: Cast, standin: Any) -> Press:
        cast.let_break_glass()
        return Press("engineer", "/requests/new/", "/requests/new/", cast.form(**changes))

    return press


def _decide(decision: str, policy: list[str], **data: Any) -> Callable[..., Press]:
    def press(cast: Cast, standin: Any) -> Press:
        asked = cast.ask(permissions=policy)
        page = f"/admin/keys_app/keyrequest/{asked.pk}/change/"
        return Press("lead", page, page, {"decision": decision, "digest": asked.content_digest, **data})

    return press


def _several(cast: Cast, standin: Any) -> Press:
    asked = cast.ask()
    page = f"/admin/keys_app/keyrequest/several/?id={asked.pk}"
    return Press("lead", page, page, {"approve": [asked.pk], f"digest-{asked.pk}": asked.content_digest})


def _deputy(cast: Cast, standin: Any) -> Press:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    deputy = {"team": cast.team.pk, "deputy": cast.people["colleague"].pk, "since": day, "until": day}
    return Press("lead", "/deputies/", "/deputies/", deputy)


def _feed_revoke(cast: Cast, standin: Any) -> Press:
    cast.client("security").post("/audit/feeds/", {"name": "SIEM", "lifetime_days": "7"})
    return Press("security", "/audit/feeds/revoke/", "/audit/feeds/", {"feed": FeedToken.objects.get().pk})


def _review(decision: str) -> Callable[..., Press]:
    def press(cast: Cast, standin: Any) -> Press:
        cast.issued()
        cast.client("security").post("/reviews/", {"quarter": "2026-Q4"})
        row = {"reviewed": ReviewedKey.objects.get().pk, "decision": decision, "note": "As agreed."}
        return Press("lead", "/reviews/2026-Q4/decide/", "/reviews/2026-Q4/", row)

    return press


def _together(role: str) -> Callable[..., Press]:
    def press(cast: Cast, standin: Any) -> Press:
        sid = cast.issued()[0].keys.get().sid
        page = "/keys/revoke/?owner=engineer"
        return Press(role, page, page, {"keys": [sid], "seen": sid, "reason": "Leaked."})

    return press


def _adopt(cast: Cast, standin: Any) -> Press:
    with standin.client() as client:
        client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(READ_USAGE)
        )
    reconcile()
    page = f"/keys/unmanaged/{UnmanagedKey.objects.get().sid}/"
    adopting = {"team": cast.team.pk, "owner": cast.people["engineer"].pk, "lifetime_days": "12"}
    return Press("lead", f"{page}adopt/", page, adopting)


def _file(url: str, page: str) -> Callable[..., Press]:
    def press(cast: Cast, standin: Any) -> Press:
        cast.issued()
        return Press("security", url, page, method="get")

    return press


def _admin(url: str, **data: Any) -> Callable[..., Press]:
    return lambda cast, standin: Press("admin", url, url, data)


def _team(cast: Cast, standin: Any) -> Press:
    url = f"/admin/keys_app/team/{Team.objects.get(name='Payments').pk}/change/"
    form = next(form for form in forms_of(cast.client("admin").get(url)) if "_save" in dict(form.buttons))
    return Press("admin", url, url, form.sent(name="Payments and refunds"))


NEED: dict[str, tuple[str, Callable[..., Press]]] = {
    "issue": ("portal:request_issue", _issue),
    "rotate": ("portal:key_rotate", _on_key("rotate", overlap_hours="24")),
    "replace": ("portal:key_replace", _on_key("replace")),
    "revoke another's key": ("portal:key_revoke", _on_key("revoke", "security", reason="Leaked.")),
    "revoke several of another": ("portal:key_revoke_several", _together("lead")),
    "take over": ("portal:key_take_over", _take_over),
    "break glass": ("portal:request_new", _ask(incident="INC-1234", lifetime_days="1")),
    "approve high risk": ("admin:keys_app_keyrequest_change", _decide("approve", HIGH)),
    "narrow high risk": (
        "admin:keys_app_keyrequest_change",
        _decide("narrow", [*LOW, *HIGH], keep=HIGH, lifetime_days="9", reason="Less is enough."),
    ),
    "name a deputy": ("portal:deputies", _deputy),
    "make a feed's token": (
        "portal:audit_feeds",
        lambda cast, standin: Press("security", "/audit/feeds/", "/audit/feeds/", {"name": "A", "lifetime_days": "7"}),
    ),
    "revoke a feed's token": ("portal:feed_revoke", _feed_revoke),
    "revoke in a review": ("portal:review_decide", _review("revoked")),
    "adopt": ("portal:unmanaged_adopt", _adopt),
    "export csv": ("portal:export_csv", _file("/audit/export.csv?q=key", "/audit/?q=key")),
    "export json": ("portal:export_jsonl", _file("/audit/export.jsonl?q=key", "/audit/?q=key")),
    "export ocsf": ("portal:export_ocsf", _file("/audit/export.ocsf.jsonl?q=key", "/audit/?q=key")),
    "one person's file": (
        "portal:audit_report_about",
        _file("/audit/reports/about.jsonl?person=engineer", "/audit/reports/?person=engineer"),
    ),
    "change a team": ("admin:keys_app_team_change", _team),
    "add a permission": (
        "admin:keys_app_cataloguepermission_add",
        _admin("/admin/keys_app/cataloguepermission/add/", name="/twilio/fax/faxes/read", meaning="faxes"),
    ),
    "add a group's member": ("admin:auth_user_change", lambda cast, standin: _person(cast)),
}
"""What a stale session doesn't do, by the name of its address."""


def _person(cast: Cast) -> Press:
    url = f"/admin/auth/user/{cast.people['stranger'].pk}/change/"
    fields = {"username": "stranger", "first_name": "Known", "is_active": "on", "date_joined_0": "2026-01-01"}
    return Press("admin", url, url, {**fields, "date_joined_1": "00:00:00"})


FREE: dict[str, tuple[str, Callable[..., Press]]] = {
    "ask": ("portal:request_new", _ask()),
    "revoke one's own key": ("portal:key_revoke", _on_key("revoke", reason="Leaked.")),
    "revoke several of one's own": ("portal:key_revoke_several", _together("engineer")),
    "confirm": ("portal:key_confirm", _on_key("confirm")),
    "approve low risk": ("admin:keys_app_keyrequest_change", _decide("approve", LOW)),
    "approve several": ("admin:keys_app_keyrequest_several", _several),
    "reject": ("admin:keys_app_keyrequest_change", _decide("reject", HIGH, reason="No.")),
    "ask the requester": ("admin:keys_app_keyrequest_change", _decide("ask", HIGH, question="Why?")),
    "keep in a review": ("portal:review_decide", _review("kept")),
}
"""What one does as before, at an address that needs a fresh sign-in for something else or is like one that does."""

NEED_ALIKE = {
    *("portal:unmanaged_keep", "portal:unmanaged_delete", "portal:reconciliation_resume"),
    *("mfa_activate_totp", "mfa_deactivate_totp", "mfa_generate_recovery_codes", "mfa_view_recovery_codes"),
    *("mfa_add_webauthn", "mfa_remove_webauthn", "mfa_edit_webauthn"),
}
"""Need one as well: Security's decisions, which stand on rows of `test_orphan_proof` and `test_holds`, and factors."""

NONE_NEEDED = {
    "account_login": "is the sign-in",
    "account_logout": "ends the session",
    "account_inactive": "says something",
    "account_signup": "is closed",
    "account_reauthenticate": "is what makes it fresh",
    "account_change_password": "asks for the password itself",
    "account_profile": "says something",
    "account_sessions": "says something",
    "account_session_end": "ends a session",
    "account_sessions_end_others": "ends sessions",
    "account_sessions_end_all": "ends sessions",
    "account_preferences": "changes how pages look, and when mails come",
    "account_theme": "changes how pages look",
    "mfa_index": "shows what one has",
    "mfa_authenticate": "is the second step of a sign-in",
    "mfa_reauthenticate": "is what makes it fresh",
    "mfa_reauthenticate_webauthn": "is what makes it fresh",
    "oidc_login": "is a sign-in",
    "oidc_callback": "is a sign-in",
    "oidc_again": "is a sign-in",
    "oidc_join": "asks for a fresh one itself",
    "emergency_sign_in": "is a sign-in",
    "invitation": "is for who is not signed in",
    "admin:logout": "ends the session",
    "admin:login": "leads to the portal's own",
    "admin:keys_app_keyrequest_changelist": "leads to the page of several",
    "admin:keys_app_keyrequest_several": "approves low risk alone",
    "portal:request_cancel": "gives up one's own request",
    "portal:request_comment": "is a question or an answer",
    "portal:request_nudge": "reminds those who decide",
    "portal:deputy_end": "takes a right away",
    "portal:key_confirm": "says that a secret is stored",
    "portal:unmanaged_propose": "asks a lead",
    "portal:review_list": "opens a list",
    "portal:review_close": "ends a list",
    "portal:audit_verify": "reads the ledger",
}
"""Take a form without one."""


def events() -> int:
    return matching().count()
