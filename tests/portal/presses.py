"""Each form of the portal as it is sent, with those of `tests/users/stale.py`; and which are not, with the reason."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group, User
from django.utils import timezone

from keys_app.audit.incarnation import set_backs
from keys_app.catalogue.models import CataloguePermission
from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.key_requests.models import KeyRequest
from keys_app.notifications.models import Webhook
from keys_app.organisation.models import Delegation, ProviderGroup
from keys_app.permissions.policy import Policy
from keys_app.reconcile.holds import keys_in_doubt
from keys_app.reconcile.run import reconcile
from keys_app.users.invitation_list import HEADER
from keys_app.users.models import Identity
from tests.cast import MAKE_KEYS, READ_MESSAGES, READ_USAGE, Cast, time_passes
from tests.forms import forms_of
from tests.users.stale import FREE, NEED, Press

Make = Callable[[Cast, Any], Press]
LATER, QUARTER = timedelta(hours=1), "2026-Q4"
APPROVAL = "admin:keys_app_keyrequest_change"


def _approval_page(key_request: KeyRequest) -> str:
    return f"/admin/keys_app/keyrequest/{key_request.pk}/change/"


def _decide(decision: str, role: str = "lead", policy: list[str] = READ_USAGE, **data: Any) -> Make:
    def press(cast: Cast, standin: Any) -> Press:
        return _button(cast.ask(permissions=policy), decision, role, **data)

    return press


def _button(asked: KeyRequest, decision: str, role: str = "lead", **data: Any) -> Press:
    page = _approval_page(asked)
    return Press(role, page, page, {"decision": decision, "digest": asked.content_digest, **data})


def _second(cast: Cast, standin: Any) -> Press:
    asked = cast.ask(permissions=MAKE_KEYS)
    assert cast.decide("lead", asked, "approve").status_code == 302
    return _button(asked, "approve", "security")


def _one_of_two(cast: Cast, standin: Any) -> Press:
    type(cast.account).objects.update(leads_required=2)
    return _button(cast.ask(), "approve")


def _as_deputy(cast: Cast, standin: Any) -> Press:
    assert cast.delegate("lead", "colleague").status_code == 302
    return _button(cast.ask(), "approve", "colleague")


def _with_more_to_decide(cast: Cast, standin: Any) -> Press:
    cast.ask(friendly_name="another")
    return _button(cast.ask(), "approve")


def _withdraw(cast: Cast, standin: Any) -> Press:
    return _button(cast.approved(), "withdraw", reason="It is the wrong account.")


def _refused(cast: Cast, standin: Any) -> Press:
    return _button(cast.ask("lead"), "approve")


def _glass(cast: Cast, standin: Any) -> KeyRequest:
    cast.let_break_glass()
    return cast.ask(incident="INC-1", lifetime_days="1", permissions=READ_MESSAGES)


def _review_glass(cast: Cast, standin: Any) -> Press:
    return _button(_glass(cast, standin), "review", reason="The log says the same.")


def _on_request(action: str, **data: Any) -> Make:
    def press(cast: Cast, standin: Any) -> Press:
        page = f"/requests/{cast.ask().pk}/"
        return Press("engineer", f"{page}{action}/", page, data)

    return press


def _answer(cast: Cast, standin: Any) -> Press:
    asked = cast.ask()
    assert cast.decide("lead", asked, "ask", question="Which system?").status_code == 302
    page = f"/requests/{asked.pk}/"
    return Press("engineer", f"{page}comment/", page, {"comment": "The archive."})


def _answer_after_glass(cast: Cast, standin: Any) -> Press:
    page = f"/requests/{_glass(cast, standin).pk}/"
    return Press("engineer", f"{page}comment/", page, {"comment": "The archive."})


def _issue_void(cast: Cast, standin: Any) -> Press:
    """Issue what was approved by someone who may not any more, so that it goes back to those who decide."""
    asked = cast.approved(by="colead")
    User.objects.filter(username="colead").update(is_active=False)
    page = f"/requests/{asked.pk}/"
    return Press("engineer", f"{page}issue/", page)


def _refused_by_twilio(cast: Cast, standin: Any) -> Press:
    asked = cast.approved()
    standin.fault("refuse")
    page = f"/requests/{asked.pk}/"
    return Press("engineer", f"{page}issue/", page)


def _form(**changes: Any) -> Make:
    return lambda cast, standin: Press("engineer", "/requests/new/", "/requests/new/", cast.form(**changes))


def _by_rule(cast: Cast, standin: Any) -> Press:
    rule = {"template": "read-usage", "environment": "staging", "max_lifetime_days": 60}
    ApprovalRule.objects.create(name="Usage in staging", is_active=True, **rule)
    return _form()(cast, standin)


def _change_of_a_key(cast: Cast, standin: Any) -> Press:
    key = cast.issued()[0].keys.get()
    return _form(changes_key=key.sid, permissions=READ_MESSAGES)(cast, standin)


def _deputy_end(cast: Cast, standin: Any) -> Press:
    assert cast.delegate("lead", "colleague").status_code == 302
    return Press("lead", f"/deputies/{Delegation.objects.latest('pk').pk}/end/", "/deputies/")


def _by_hand(standin: Any) -> str:
    with standin.client() as client:
        made = client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(READ_USAGE)
        )
    reconcile()
    return made.sid


def _propose(cast: Cast, standin: Any) -> Press:
    page = f"/keys/unmanaged/{_by_hand(standin)}/"
    return Press("security", f"{page}propose/", page, {"team": cast.team.pk})


def _in_doubt(verb: str) -> Make:
    def press(cast: Cast, standin: Any) -> Press:
        asked = cast.approved()
        standin.fault("drop_after")
        cast.issue(asked)
        time_passes(standin)
        set_backs.enter("test:1", "A test says so.")
        reconcile()
        page = f"/keys/unmanaged/{keys_in_doubt().get().pk}/"
        return Press("security", f"{page}{verb}/", page)

    return press


def _resume(cast: Cast, standin: Any) -> Press:
    set_backs.enter("test:1", "A test says so.")
    return Press("security", "/reconciliation/resume/", "/reconciliation/")


def _open_review(cast: Cast, standin: Any) -> Press:
    cast.issued()
    return Press("security", "/reviews/", "/reviews/", {"quarter": QUARTER})


def _close_review(cast: Cast, standin: Any) -> Press:
    assert cast.client("security").post("/reviews/", {"quarter": QUARTER}).status_code == 302
    return Press("security", f"/reviews/{QUARTER}/close/", f"/reviews/{QUARTER}/")


def _own(url: str, /, **data: Any) -> Make:
    return lambda cast, standin: Press("engineer", url, url, data)


def _end_session(cast: Cast, standin: Any) -> Press:
    cast.client("engineer")
    session = UserSession.objects.filter(user=cast.people["engineer"]).latest("pk")
    return Press("engineer", f"/accounts/sessions/{session.pk}/end/", "/accounts/sessions/")


def _new_password(cast: Cast, standin: Any) -> Press:
    cast.people["engineer"].set_password("a-long-enough-passphrase")
    cast.people["engineer"].save()
    url = "/accounts/password/change/"
    new = {"password1": "another-long-passphrase", "password2": "another-long-passphrase"}
    return Press("engineer", url, url, {"oldpassword": "a-long-enough-passphrase", **new})


def _sign_in_again(cast: Cast, standin: Any) -> Press:
    cast.people["engineer"].set_password("a-long-enough-passphrase")
    cast.people["engineer"].save()
    url = "/accounts/reauthenticate/"
    return Press("engineer", url, url, {"password": "a-long-enough-passphrase"})


def _preferences(cast: Cast, standin: Any) -> Press:
    chosen = {"to_decide": "each", "own": "daily", "keys": "each", "reviews": "each", "waiting": "daily"}
    return _own("/accounts/preferences/", time_zone="Europe/Berlin", **chosen)(cast, standin)


# The admin


def _saved(url: str, /, **changes: Any) -> Press:
    return Press("admin", url, url, changes)


def _save(of: Callable[[Cast], str], **changes: Any) -> Make:
    """Return a press of “Save” on a page of the admin as it is shown, but for `changes`."""

    def press(cast: Cast, standin: Any) -> Press:
        url = f"/admin/{of(cast)}"
        form = next(form for form in forms_of(cast.client("admin").get(url)) if "_save" in dict(form.buttons))
        return Press("admin", url, url, {**form.sent(**changes), "_save": "Save"})

    return press


def _delete(of: Callable[[Cast], str]) -> Make:
    def press(cast: Cast, standin: Any) -> Press:
        url = f"/admin/{of(cast)}delete/"
        return Press("admin", url, url, {"post": "yes"})

    return press


def _user(cast: Cast) -> str:
    return f"auth/user/{cast.people['stranger'].pk}/change/"


def _account(cast: Cast) -> str:
    return f"keys_app/account/{cast.account.pk}/"


def _payments(cast: Cast) -> str:
    return f"keys_app/team/{cast.team.pk}/change/"


def _made(model: Any, page: str, /, **values: Any) -> Callable[[Cast], str]:
    """Return what makes a row and says where the admin has it."""

    def of(cast: Cast) -> str:
        given = {name: value(cast) if callable(value) else value for name, value in values.items()}
        return f"{page}/{model.objects.get_or_create(**given)[0].pk}/"

    return of


def _webhook(cast: Cast) -> str:
    cast.client("admin").post("/admin/keys_app/webhook/add/", _WEBHOOK_FORM)
    return f"keys_app/webhook/{Webhook.objects.get().pk}/"


_RULE = _made(
    ApprovalRule,
    "keys_app/approvalrule",
    name="Usage",
    template="read-usage",
    environment="staging",
    max_lifetime_days=60,
)
_GROUP = _made(ProviderGroup, "keys_app/providergroup", name="engineers")
_IDENTITY = _made(
    Identity,
    "keys_app/identity",
    user=lambda cast: cast.people["stranger"],
    issuer="https://provider.example",
    subject="st-1",
    joined_at=timezone.now(),
)
_PERMISSION = "/admin/keys_app/cataloguepermission/"


def _add(url: str, /, **data: Any) -> Make:
    return lambda cast, standin: _saved(f"/admin/{url}add/", **data)


def _change(of: Callable[[Cast], str], **changes: Any) -> Make:
    return _save(lambda cast: f"{of(cast)}change/", **changes)


def _permission(cast: Cast) -> str:
    added = {"name": "/twilio/fax/faxes/read", "meaning": "faxes"}
    cast.client("admin").post(f"{_PERMISSION}add/", added)
    return f"keys_app/cataloguepermission/{CataloguePermission.objects.get().pk}/"


def _team_of_no_one(cast: Cast) -> str:
    return f"keys_app/team/{type(cast.team).objects.get_or_create(name='Of no one')[0].pk}/"


def _action(action: str, role: str = "stranger") -> Make:
    def press(cast: Cast, standin: Any) -> Press:
        url = "/admin/auth/user/"
        return Press("admin", url, url, {"action": action, "_selected_action": [cast.people[role].pk]})

    return press


def _set_password(cast: Cast, standin: Any) -> Press:
    cast.people["lead"].set_password("a-long-enough-passphrase")
    cast.people["lead"].save()
    url = f"/admin/auth/user/{cast.people['lead'].pk}/password/"
    new = {"password1": "another-long-passphrase", "password2": "another-long-passphrase"}
    return _saved(url, **new)


def _add_member(cast: Cast, standin: Any) -> Press:
    row = f"memberships-{cast.team.memberships.count()}-user"
    return _save(_payments, **{row: cast.people["stranger"].pk})(cast, standin)


def _make_security(cast: Cast, standin: Any) -> Press:
    return _save(_user, groups=[Group.objects.get(name="Security").pk])(cast, standin)


def _in_a_leads_place(cast: Cast, standin: Any) -> Press:
    return _button(cast.ask("lead"), "approve", "security")


def _verify(cast: Cast, standin: Any) -> Press:
    return Press("security", "/audit/verify/", "/audit/verify/")


_WEBHOOK_FORM = {"name": "chat", "kind": "slack", "url": "https://example.org/hook", "is_active": "on"}
_RULE_FORM = {"name": "Usage", "template": "read-usage", "environment": "staging", "max_lifetime_days": "60"}
_LIST = f"{HEADER}\nada,Ada,ada@example.test,Engineers,,"

MORE: dict[str, tuple[str, Make]] = {
    "ask for what is critical": ("portal:request_new", _form(permissions=MAKE_KEYS)),
    "ask for what a rule approves": ("portal:request_new", _by_rule),
    "ask for a change of a key": ("portal:request_new", _change_of_a_key),
    "ask for nothing": ("portal:request_new", _form(permissions=[])),
    "ask what it means": ("portal:request_new", _form(summary_only="1")),
    "paste": ("portal:request_new", _form(paste_only="1", paste="client.messages.list()")),
    "approve critical, first": (APPROVAL, _decide("approve", policy=MAKE_KEYS)),
    "approve critical, last": (APPROVAL, _second),
    "approve as one of two leads": (APPROVAL, _one_of_two),
    "approve as a deputy": (APPROVAL, _as_deputy),
    "approve as Security, in a lead's place": (APPROVAL, _in_a_leads_place),
    "approve, with more to decide": (APPROVAL, _with_more_to_decide),
    "approve one's own": (APPROVAL, _refused),
    "withdraw": (APPROVAL, _withdraw),
    "review glass": (APPROVAL, _review_glass),
    "answer": ("portal:request_comment", _answer),
    "comment": ("portal:request_comment", _on_request("comment", comment="It is urgent.")),
    "comment after glass": ("portal:request_comment", _answer_after_glass),
    "nudge": ("portal:request_nudge", _on_request("nudge")),
    "cancel": ("portal:request_cancel", _on_request("cancel")),
    "issue what is void": ("portal:request_issue", _issue_void),
    "issue, refused by Twilio": ("portal:request_issue", _refused_by_twilio),
    "end a deputyship": ("portal:deputy_end", _deputy_end),
    "propose a team": ("portal:unmanaged_propose", _propose),
    "keep a key in doubt": ("portal:unmanaged_keep", _in_doubt("keep")),
    "delete a key in doubt": ("portal:unmanaged_delete", _in_doubt("delete")),
    "end a hold": ("portal:reconciliation_resume", _resume),
    "open a review": ("portal:review_list", _open_review),
    "close a review": ("portal:review_close", _close_review),
    "verify the audit": ("portal:audit_verify", _verify),
    "choose a theme": ("account_theme", _own("/accounts/theme/", theme="dark")),
    "choose preferences": ("account_preferences", _preferences),
    "end a session": ("account_session_end", _end_session),
    "end other sessions": ("account_sessions_end_others", _own("/accounts/sessions/end-others/")),
    "end all sessions": ("account_sessions_end_all", _own("/accounts/sessions/end-all/")),
    "sign out": ("account_logout", _own("/accounts/logout/")),
    "change one's password": ("account_change_password", _new_password),
    "sign in again": ("account_reauthenticate", _sign_in_again),
    "add a team": ("admin:keys_app_team_add", _save(lambda cast: "keys_app/team/add/", name="New")),
    "add a member": ("admin:keys_app_team_change", _add_member),
    "delete a team": ("admin:keys_app_team_delete", _delete(_team_of_no_one)),
    "change an account": (
        "admin:keys_app_account_change",
        _change(_account, leads_required="2"),
    ),
    "deactivate a user": ("admin:auth_user_change", _save(_user, is_active=None)),
    "make a user Security": ("admin:auth_user_change", _make_security),
    "add a user": ("admin:auth_user_add", _add("auth/user/", username="ada", email="ada@example.test")),
    "delete a user": ("admin:auth_user_delete", _delete(_made(User, "auth/user", username="of-no-use"))),
    "invite several": ("admin:auth_user_invite", lambda cast, standin: _saved("/admin/auth/user/invite/", lines=_LIST)),
    "invite again": ("admin:auth_user_changelist", _action("invite")),
    "take factors away": ("admin:auth_user_changelist", _action("take_factors_away")),
    "set another's password": ("admin:auth_user_password_change", _set_password),
    "add a webhook": ("admin:keys_app_webhook_add", _add("keys_app/webhook/", **_WEBHOOK_FORM)),
    "change a webhook": ("admin:keys_app_webhook_change", _change(_webhook, name="talk", url=_WEBHOOK_FORM["url"])),
    "delete a webhook": ("admin:keys_app_webhook_delete", _delete(_webhook)),
    "add a rule": ("admin:keys_app_approvalrule_add", _add("keys_app/approvalrule/", **_RULE_FORM)),
    "change a rule": ("admin:keys_app_approvalrule_change", _change(_RULE, max_lifetime_days="30")),
    "delete a rule": ("admin:keys_app_approvalrule_delete", _delete(_RULE)),
    "add a group": ("admin:keys_app_providergroup_add", _add("keys_app/providergroup/", name="engineers", lead="")),
    "change a group": ("admin:keys_app_providergroup_change", _change(_GROUP, name="all engineers")),
    "delete a group": ("admin:keys_app_providergroup_delete", _delete(_GROUP)),
    "delete an identity": ("admin:keys_app_identity_delete", _delete(_IDENTITY)),
    "delete an account": (
        "admin:keys_app_account_delete",
        _delete(lambda cast: f"keys_app/account/{cast.account.pk}/"),
    ),
    "change a permission": ("admin:keys_app_cataloguepermission_change", _change(_permission, meaning="sent faxes")),
    "delete a permission": ("admin:keys_app_cataloguepermission_delete", _delete(_permission)),
}


_FILES = ("export csv", "export json", "export ocsf", "one person's file")
PRESSES = {what: press for what, press in {**NEED, **FREE, **MORE}.items() if what not in _FILES}

_SIGNING_IN = "is for who is not signed in"
_FACTOR = "is about a factor of one's own"
NOT_PRESSED = {
    "account_login": _SIGNING_IN,
    "account_signup": "is closed",
    "account_inactive": "says something",
    "account_profile": "is shown alone",
    "account_sessions": "is shown alone",
    "invitation": _SIGNING_IN,
    "emergency_sign_in": _SIGNING_IN,
    "oidc_login": _SIGNING_IN,
    "oidc_callback": _SIGNING_IN,
    "oidc_again": "leads to the provider",
    "oidc_join": "leads to the provider",
    "mfa_index": _FACTOR,
    "mfa_authenticate": _SIGNING_IN,
    "mfa_reauthenticate": _FACTOR,
    "mfa_activate_totp": _FACTOR,
    "mfa_deactivate_totp": _FACTOR,
    "mfa_view_recovery_codes": _FACTOR,
    "mfa_generate_recovery_codes": _FACTOR,
    "mfa_add_webauthn": _FACTOR,
    "mfa_reauthenticate_webauthn": _FACTOR,
    "mfa_remove_webauthn": _FACTOR,
    "mfa_edit_webauthn": _FACTOR,
    "admin:keys_app_identity_add": "is refused without a provider",
    "admin:index": "is shown alone",
    "admin:app_list": "is shown alone",
    "admin:auth_group_change": "changes nothing",
    "admin:login": "leads to the portal's own",
    "admin:logout": "as account_logout",
}
"""Takes a form that is not sent here, with the reason."""
