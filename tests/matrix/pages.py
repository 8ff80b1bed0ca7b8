"""Every address of the portal: who reads it, about what, and with which answer.

A page that a change of the portal brings needs a line here; `test_complete` says so. What must be true on it is in
`truths`, under the same name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.urls import reverse

from keys_app.audit import ledger
from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.notifications.models import Webhook
from keys_app.organisation.models import Delegation

from .world import Made, World

# `owner` is whose the key or request is, and `engineer` where the page is about none. A number is the answer to a GET;
# `back` leads back to a page that answers 200, as after signing in again on an address that takes a POST.
TABLE = """
page                             about      owner lead deputy security admin lead2 stranger
portal:home                      -          200   200  200    200      200   200   200
portal:request_list              -          200   200  200    200      200   200   200
portal:request_new               -          200   200  200    200      200   200   200
portal:request_detail            request    200   200  200    200      404   404   404
portal:request_issue             request    back  back back   back     -     -     -
portal:request_cancel            request    back  back back   back     -     -     -
portal:request_comment           request    back  back back   back     -     -     -
portal:request_nudge             request    back  back back   back     -     -     -
portal:deputies                  -          404   200  404    404      404   200   404
portal:deputy_end                deputy     -     back -      -        -     -     -
portal:key_list                  -          200   200  200    200      200   200   200
portal:key_detail                key        200   200  200    200      404   404   404
portal:key_confirm               key        back  back back   back     -     -     -
portal:key_replace               key        back  back back   back     -     -     -
portal:key_revoke                key        back  back back   back     -     -     -
portal:key_revoke_several        several    200  200  200    200      404   404   404
portal:key_rotate                key        back  back back   back     -     -     -
portal:key_take_over             key        back  back back   back     -     -     -
portal:key_left_list             -          403   200  200    200      403   200   403
portal:unmanaged_list            -          403   200  200    200      403   200   403
portal:unmanaged_detail          unmanaged  404   200  200    200      404   404   404
portal:unmanaged_adopt           unmanaged  -     back back   back     -     -     -
portal:unmanaged_propose         unmanaged  -     back back   back     -     -     -
portal:unmanaged_keep            unmanaged  -     back back   back     -     -     -
portal:unmanaged_delete          unmanaged  -     back back   back     -     -     -
portal:reconciliation            -          403   403  403    200      403   403   403
portal:reconciliation_resume     -          -     -    -      back     -     -     -
portal:audit_list                -          403   403  403    200      403   403   403
portal:audit_complete            -          403   403  403    200      403   403   403
portal:audit_event               event      403   403  403    200      403   403   403
portal:export_csv                -          403   403  403    200      403   403   403
portal:export_jsonl              -          403   403  403    200      403   403   403
portal:export_ocsf               -          403   403  403    200      403   403   403
portal:audit_feed                -          401   401  401    401      401   401   401
portal:audit_feeds               -          403   403  403    200      403   403   403
portal:feed_revoke               -          -     -    -      back     -     -     -
portal:audit_key                 key        403   403  403    200      403   403   403
portal:audit_reports             -          403   403  403    200      403   403   403
portal:audit_report_keys         -          403   403  403    200      403   403   403
portal:audit_report_decisions    -          403   403  403    200      403   403   403
portal:audit_report_about        subject    403   403  403    200      403   403   403
portal:review_list               -          404   200  200    200      404   200   404
portal:review_detail             review     404   200  200    200      404   200   404
portal:review_decide             review     -     back back   back     -     -     -
portal:review_close              review     -     back back   back     -     -     -
portal:audit_verify              -          403   403  403    200      403   403   403
portal:audit_verifier            -          403   403  403    200      403   403   403
admin:index                      -          302   200  200    200      200   200   302
admin:keys_app_keyrequest_changelist  -     302   200  200    200      403   200   302
admin:keys_app_keyrequest_change      request  302  200  200  200      404   404   302
admin:keys_app_keyrequest_several     -     302   200  200    200      403   200   302
admin:app_list                   app        302   200  200    200      200   200   302
"""
ROLES = TABLE.split("\n")[1].split()[2:]

# Pages that are not about keys, or not the product's own. What portal admins edit is read by them, in `administered`.
ELSEWHERE = {
    "portal:request_permissions": "a part of the form, the same for everyone: test_light_form",
    "account_login": "signing in: test_sign_in",
    "account_logout": "signing out: test_sign_in",
    "account_inactive": "signing in: test_sign_in",
    "account_signup": "says that it is closed: test_sign_in",
    "account_reauthenticate": "signing in: test_sign_in",
    "account_change_password": "signing in: test_sign_in",
    "oidc_login": "signing in elsewhere: test_sign_in_there",
    "oidc_again": "signing in elsewhere: test_step_up",
    "oidc_join": "signing in elsewhere: test_join",
    "emergency_sign_in": "signing in: test_local_sign_in",
    "invitation": "a first password: test_invitations",
    "admin:auth_user_invite": "users: test_invitations",
    "oidc_callback": "signing in elsewhere: test_sign_in_there",
    "account_profile": "a user's own: test_profile",
    "account_sessions": "a user's own: test_sessions",
    "account_session_end": "a user's own: test_sessions",
    "account_sessions_end_others": "a user's own: test_sessions",
    "account_sessions_end_all": "a user's own: test_sessions",
    "account_preferences": "a user's own: test_preferences",
    "account_theme": "a user's own: test_profile",
    "mfa_index": "second factors: test_factors, test_passkeys",
    "mfa_authenticate": "the second step of signing in: test_factors",
    "mfa_reauthenticate": "signing in again with a code: test_factors",
    "mfa_activate_totp": "an authenticator app: test_factors",
    "mfa_deactivate_totp": "an authenticator app: test_factors",
    "mfa_view_recovery_codes": "recovery codes, shown once: test_factors",
    "mfa_generate_recovery_codes": "recovery codes: test_factors",
    "mfa_add_webauthn": "a passkey: test_passkeys",
    "mfa_reauthenticate_webauthn": "signing in again with a passkey: test_passkeys",
    "mfa_remove_webauthn": "a passkey: test_passkeys",
    "mfa_edit_webauthn": "a passkey: test_passkeys",
    "admin:login": "leads to the portal's own",
    "admin:logout": "leads to the portal's own",
    "admin:autocomplete": "Django's own; no page asks it",
    "admin:jsi18n": "Django's script",
    "admin:auth_user_password_change": "a password: test_admin_records",
    "admin:keys_app_keyrequest_add": "refused: a request is sent on the form",
    "admin:keys_app_keyrequest_delete": "refused: nothing is deleted",
    "admin:keys_app_keyrequest_history": "refused: the request's page has its history",
}
ADMINISTERED = {
    "keys_app_cataloguepermission": "cataloguepermission",
    "keys_app_webhook": "webhook",
    "keys_app_team": "team",
    "keys_app_account": "account",
    "keys_app_approvalrule": "rule",
    "keys_app_providergroup": "providergroup",
    "keys_app_identity": "identity",
    "auth_user": "user",
    "auth_group": "group",
}
"""What portal admins edit: each has a list and pages to add, change and delete one. Its history is in the audit."""


@dataclass(frozen=True, slots=True)
class Page:
    name: str
    about: str
    answers: dict[str, str]

    def addresses(self, world: World) -> Iterator[tuple[str, str]]:
        """Return every address there is of this page, and the kind it is about; empty if about none."""
        yield from _ABOUT[self.about](self.name, world)


def _read(line: str) -> Page:
    name, about, *answers = line.split()
    return Page(name, about, {role: answer for role, answer in zip(ROLES, answers, strict=True) if answer != "-"})


def _alone(name: str, world: World) -> Iterator[tuple[str, str]]:
    for query in VARIANTS.get(name, ("",)):
        yield reverse(name) + query, ""


VARIANTS = {
    "portal:request_new": ("", "?all=1"),
    "portal:key_list": ("", "?state=live", "?state=expiring", "?state=revoked", "?q=adopted"),
    "portal:unmanaged_list": ("", "?show=all"),
    "portal:audit_list": ("", "?q=action:key.*", "?q=risk:critical", "?q=team:Payments+-action:request.*"),
    "portal:audit_complete": ("?q=key:SK", "?q=actor:", "?q=team:"),
    "portal:audit_report_keys": ("", "?days=7", "?days=90"),
    "portal:audit_report_decisions": ("", "?by=lead", "?by=deputy", "?by=rule:Usage+in+staging"),
    "admin:keys_app_keyrequest_changelist": ("", "?show=waiting", "?show=decided", "?show=all&q=glass"),
}


def _each(what: str, id_of: Callable[[Made], object]) -> Callable[[str, World], Iterator[tuple[str, str]]]:
    def addresses(name: str, world: World) -> Iterator[tuple[str, str]]:
        for kind, made in world.kinds.items():
            if getattr(made, what) is not None:
                yield reverse(name, args=[id_of(made)]), kind

    return addresses


def _subjects(name: str, world: World) -> Iterator[tuple[str, str]]:
    for kind, made in world.kinds.items():
        if made.key:
            yield f"{reverse(name)}?key={made.key.pk}", kind
    for role in world.cast.people:
        yield f"{reverse(name)}?person={role}", ""


def _events(name: str, world: World) -> Iterator[tuple[str, str]]:
    """Return the newest event of each action."""
    newest = dict(ledger.matching().order_by("sequence").values_list("action", "sequence"))
    for sequence in newest.values():
        yield reverse(name, args=[sequence]), ""


def _review(name: str, world: World) -> Iterator[tuple[str, str]]:
    for query in ("", "?all", f"?team={world.cast.team.pk}&all") if name.endswith("detail") else ("",):
        yield reverse(name, args=["2026-Q4"]) + query, ""


def _several(name: str, world: World) -> Iterator[tuple[str, str]]:
    """Return the page of each scope that has keys of the engineer, whom it is read by as their owner."""
    cast = world.cast
    for query in ("owner=engineer", f"team={cast.team.pk}", f"account={cast.account.sid}"):
        yield f"{reverse(name)}?{query}", ""


_ABOUT: dict[str, Callable[[str, World], Iterator[tuple[str, str]]]] = {
    "-": _alone,
    "request": _each("request", lambda made: made.request.pk),
    "key": _each("key", lambda made: made.key.pk),
    "unmanaged": _each("unmanaged", lambda made: made.unmanaged.pk),
    "event": _events,
    "subject": _subjects,
    "review": _review,
    "several": _several,
    "deputy": lambda name, world: (
        (reverse(name, args=[pk]), "") for pk in Delegation.objects.values_list("pk", flat=True)
    ),
    "app": lambda name, world: iter([(reverse(name, args=["keys_app"]), "")]),
}
PAGES = {page.name: page for page in map(_read, TABLE.strip().splitlines()[1:])}


def administered(world: World) -> Iterator[str]:
    """Return the addresses of what portal admins edit, with the objects of this world."""
    cast = world.cast
    objects: dict[str, list[object]] = {
        "webhook": list(Webhook.objects.values_list("pk", flat=True)),
        "team": [cast.team.pk, cast.other_team.pk],
        "account": [cast.account.pk, cast.other_account.pk],
        "rule": list(ApprovalRule.objects.values_list("pk", flat=True)),
        "user": [user.pk for user in cast.people.values()],
        "group": list(cast.people["engineer"].groups.values_list("pk", flat=True)),
    }
    for prefix, what in ADMINISTERED.items():
        yield reverse(f"admin:{prefix}_changelist")
        for pk in objects.get(what, []):
            yield reverse(f"admin:{prefix}_change", args=[pk])


def reader(role: str, kind: str, world: World) -> str:
    """Return the user name of who reads: for `owner`, whose the key or else the request is."""
    if role != "owner":
        return role
    made = world.kinds.get(kind, Made())
    owner = made.key.owner if made.key else made.request.requester if made.request else None
    return owner.get_username() if owner else "engineer"
