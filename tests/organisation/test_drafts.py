"""What was typed into a form that could not be received comes back, to its user alone and for an hour."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from keys_app.key_requests.decision_models import Comment
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.drafts import KEPT
from keys_app.organisation.models import Draft
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.users.models import SignIn
from tests.cast import READ_MESSAGES, READ_USAGE, text_of
from tests.forms import forms_of

OWN, ELSEWHERE = "http://127.0.0.1:8000", "https://elsewhere.example"
NOTE = "is here again"


def _asked(cast):
    return cast.ask(friendly_name="asked", permissions=[*READ_USAGE, *READ_MESSAGES], lifetime_days="30")


def _key(cast):
    return f"/keys/{cast.issued()[0].keys.get().sid}/"


def _found(cast, standin):
    with standin.client() as client:
        client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(READ_USAGE)
        )
    reconcile()
    return f"/keys/unmanaged/{UnmanagedKey.objects.get().sid}/"


def _review(cast):
    cast.issued()
    cast.client("security").post("/reviews/", {"quarter": "2026-Q4"})
    return "/reviews/2026-Q4/"


def _days(cast):
    today = timezone.now().date()
    return {"since": [str(today)], "until": [str(today + timedelta(days=3))]}


# Who types what on which page, into the form that is sent where.
FORMS = {
    "request": (
        "engineer",
        lambda cast, standin: "/requests/new/",
        "",
        lambda cast: {
            "account": [cast.account.sid],
            "friendly_name": ["nightly"],
            "purpose": ["A nightly\nreport."],
            "ticket_url": ["https://tickets.example/1"],
            "lifetime_days": ["17"],
            "permissions": READ_MESSAGES,
        },
    ),
    "request of JSON": (
        "engineer",
        lambda cast, standin: "/requests/new/",
        "",
        lambda cast: {"purpose": ["A report."], "policy_text": ['{"allow": ["/twilio/mess'], "permissions": []},
    ),
    "comment": (
        "engineer",
        lambda cast, standin: f"/requests/{_asked(cast).pk}/",
        "comment/",
        lambda cast: {"comment": ["Two lines,\nwritten slowly."]},
    ),
    "decision": (
        "lead",
        lambda cast, standin: f"/admin/keys_app/keyrequest/{_asked(cast).pk}/change/",
        "",
        lambda cast: {"reason": ["Less is enough."], "question": ["Why?"], "keep": READ_USAGE, "lifetime_days": ["9"]},
    ),
    "revocation": ("engineer", lambda cast, standin: _key(cast), "revoke/", lambda cast: {"reason": ["Leaked."]}),
    "rotation": ("engineer", lambda cast, standin: _key(cast), "rotate/", lambda cast: {"overlap_hours": ["72"]}),
    "deputy": (
        "lead",
        lambda cast, standin: "/deputies/",
        "",
        lambda cast: {"deputy": [str(cast.user("colleague").pk)], **_days(cast)},
    ),
    "review": (
        "lead",
        lambda cast, standin: _review(cast),
        "decide/",
        lambda cast: {"note": ["Not used since May."]},
    ),
    "quarter": ("security", lambda cast, standin: "/reviews/", "", lambda cast: {"quarter": ["2026-Q3"]}),
    "adoption": (
        "lead",
        _found,
        "adopt/",
        lambda cast: {"owner": [str(cast.user("engineer").pk)], "lifetime_days": ["12"]},
    ),
    "proposal": ("security", _found, "propose/", lambda cast: {"team": [str(cast.team.pk)]}),
    "feed": (
        "security",
        lambda cast, standin: "/audit/feeds/",
        "",
        lambda cast: {"name": ["SIEM"], "lifetime_days": ["7"]},
    ),
    "preferences": (
        "engineer",
        lambda cast, standin: "/accounts/preferences/",
        "",
        lambda cast: {"time_zone": ["Europe/Berlin"], "own": ["daily"]},
    ),
    "user": (
        "admin",
        lambda cast, standin: "/admin/auth/user/add/",
        "",
        lambda cast: {"username": ["ada"], "email": ["a@example.test"], "groups": _groups("Engineers", "Security")},
    ),
    "users": (
        "admin",
        lambda cast, standin: "/admin/auth/user/invite/",
        "",
        lambda cast: {"lines": ["login,name,email,group,team,leads\nada,,,,,"]},
    ),
    "team": (
        "admin",
        lambda cast, standin: "/admin/keys_app/team/add/",
        "",
        lambda cast: {"name": ["Refunds"], "max_lifetime_days": ["30"], "max_risk": ["low"]},
    ),
    "rule": (
        "admin",
        lambda cast, standin: "/admin/keys_app/approvalrule/add/",
        "",
        lambda cast: {"name": ["Reports"], "team": [str(cast.team.pk)], "environment": ["staging"]},
    ),
    "provider group": (
        "admin",
        lambda cast, standin: "/admin/keys_app/providergroup/add/",
        "",
        lambda cast: {"name": ["kp-all"], "teams": [str(cast.team.pk), str(cast.other_team.pk)], "lead": ["on"]},
    ),
    "permission": (
        "admin",
        lambda cast, standin: "/admin/keys_app/cataloguepermission/add/",
        "",
        lambda cast: {"name": ["/twilio/voice/new/read"], "meaning": ["Reads it."]},
    ),
    "webhook": (
        "admin",
        lambda cast, standin: "/admin/keys_app/webhook/add/",
        "",
        lambda cast: {
            "name": ["Chat"],
            "kind": ["slack"],
            "team": [str(cast.team.pk)],
            "event_kinds": ["request\nkey"],
        },
    ),
}


def _groups(*names):
    return [str(pk) for pk in Group.objects.filter(name__in=names).order_by("name").values_list("pk", flat=True)]


def _form(client, page, to):
    """Return the form of a page that is sent to `to` below it, as it stands."""
    forms = [form for form in forms_of(client.get(page)) if "draft_of" in form.fields]
    return next(form for form in forms if not to or form.action.partition("?")[0] == page + to)


def _end(client):
    """Sign out in another tab."""
    Session.objects.filter(pk=client.session.session_key).delete()


def _typed(cast, standin, kind):
    """Return a user's browser, the page, and the form with what they typed."""
    role, page, to, typed = FORMS[kind]
    client, url = cast.client(role), page(cast, standin)
    form = _form(client, url, to)
    return client, url, url + to, form.sent(**typed(cast)), typed(cast)


@pytest.mark.parametrize("kind", FORMS)
def test_it_is_there_again_after_the_session_ended(cast, standin, kind):
    client, page, address, sent, typed = _typed(cast, standin, kind)
    _end(client)
    answer = client.post(address, sent)
    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={address}")
    assert "kept for an hour" in text_of(client.get(answer["Location"]))
    client.force_login(cast.user(FORMS[kind][0]))
    shown = client.get(address, follow=True)
    assert NOTE in text_of(shown) and shown.status_code == 200 and shown.request["PATH_INFO"] == page
    for _ in range(2):  # after a reload as well
        form = _form(client, page, FORMS[kind][2])
        assert {name: form.fields.get(name, []) for name in typed} == typed


@pytest.mark.parametrize("kind", FORMS)
def test_it_is_there_again_after_another_tab_signed_in_anew(cast, standin, kind):
    _, page, address, sent, typed = _typed(cast, standin, kind)
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.user(FORMS[kind][0]))
    client.get(page)
    answer = client.post(address, {**sent, "csrfmiddlewaretoken": "a" * 64}, follow=True)
    assert NOTE in text_of(answer) and answer.status_code == 200 and answer.request["PATH_INFO"] == page
    form = _form(client, page, FORMS[kind][2])
    assert {name: form.fields.get(name, []) for name in typed} == typed


def test_nothing_was_done_until_it_is_sent_again_and_then_it_is_no_draft(cast, standin):
    client, page, address, sent, _ = _typed(cast, standin, "comment")
    _end(client)
    client.post(address, sent)
    assert not Comment.objects.exists() and Draft.objects.count() == 1
    client.force_login(cast.user("engineer"))
    assert client.post(address, _form(client, page, "comment/").sent()).status_code == 302
    assert Comment.objects.get().text == "Two lines,\nwritten slowly."
    assert not Draft.objects.exists() and NOTE not in text_of(client.get(page))


def _expired(client, user):
    Session.objects.update(expire_date=timezone.now() - timedelta(minutes=1))


def _ended_by_an_admin(client, user):
    SignIn.objects.update_or_create(user=user, defaults={"sessions_ended": 7})


def _other_password(client, user):
    user.set_password("a-long-enough-passphrase")
    user.save()


def _no_cookie(client, user):
    client.cookies.clear()


@pytest.mark.parametrize("ends", [_expired, _ended_by_an_admin, _other_password, _no_cookie])
def test_however_the_session_ended(cast, standin, ends):
    client, page, address, sent, _ = _typed(cast, standin, "comment")
    ends(client, cast.user("engineer"))
    assert client.post(address, sent)["Location"].startswith("/accounts/login/")
    client.force_login(cast.user("engineer"))
    assert "written slowly" in text_of(client.get(page))


def test_others_and_later_it_is_not(cast, standin):
    client, page, address, sent, _ = _typed(cast, standin, "comment")
    _end(client)
    client.post(address, sent)
    for role in ("lead", "security"):
        client.force_login(cast.user(role))
        assert "Write to the other side" in text_of(client.get(page))
        assert "written slowly" not in text_of(client.get(page)) and NOTE not in text_of(client.get(page))
    client.force_login(cast.user("engineer"))
    Draft.objects.update(made_at=timezone.now() - KEPT + timedelta(minutes=1))
    assert "written slowly" in text_of(client.get(page))
    Draft.objects.update(made_at=timezone.now() - KEPT)
    assert "written slowly" not in text_of(client.get(page))
    reconcile()
    assert not Draft.objects.exists()


def test_nothing_is_kept_of_a_form_that_names_no_user(cast, standin):
    client, page, address, sent, _ = _typed(cast, standin, "comment")
    lead = _form(cast.client("lead"), page, "comment/").fields["draft_of"]
    another = _form(client, "/requests/new/", "").fields["draft_of"]
    left = {**sent, "draft_of": [sent["draft_of"][0][:-1] + "x"]}
    _end(client)
    for wrong in (None, [""], ["\0"], ["x:y:z"], another, left["draft_of"]):
        form = {name: value for name, value in {**sent, "draft_of": wrong}.items() if value is not None}
        assert client.post(address, form)["Location"].startswith("/accounts/login/")
    assert "not received" in text_of(client.get("/accounts/login/")) and not Draft.objects.exists()
    User.objects.filter(username="lead").update(is_active=False)
    client.post(address, {**sent, "draft_of": lead})
    assert not Draft.objects.exists()
    client.post(address, sent)
    assert Draft.objects.get().user == cast.user("engineer")


def test_another_user_who_is_signed_in_by_now_puts_no_words_into_it(cast, standin):
    *_, address, sent, _ = _typed(cast, standin, "comment")
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.user("colleague"))
    client.get("/")
    assert client.post(address, sent).status_code == 403
    assert not Draft.objects.exists()


@pytest.mark.parametrize("header", [{"Origin": ELSEWHERE}, {"Origin": "null"}, {"Origin": OWN}])
def test_another_site_puts_no_words_into_it(cast, standin, header):
    """Not even with a form that was signed for this user, which no other site can read."""
    *_, address, sent, _ = _typed(cast, standin, "comment")
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.user("engineer"))
    client.get("/")
    answer = client.post(address, sent, headers=header)
    kept = header["Origin"] == OWN
    assert answer.status_code == (302 if kept else 403) and Draft.objects.exists() == kept


def test_it_keeps_named_fields_alone_and_no_secret(cast, standin):
    client, page, address, sent, _ = _typed(cast, standin, "request")
    pasted = {"paste": "curl -u AC1:hunter2hunter2", "search": "usage", "search_only": "1", "password": "hunter2"}
    secret = "An auth token: 0123456789abcdef0123456789abcdef"
    _end(client)
    client.post(address, {**sent, **pasted, "purpose": secret, "csrfmiddlewaretoken": "z" * 64})
    kept = Draft.objects.get().fields_json
    for text in ("hunter2", "0123456789abcdef", "z" * 64, "once", "draft_of", "search"):
        assert text not in kept
    client.force_login(cast.user("engineer"))
    form = _form(client, page, "")
    assert form.fields["friendly_name"] == ["nightly"] and form.fields["purpose"] == [""]
    assert "draft_of" in form.fields and not KeyRequest.objects.exists()


def test_a_webhooks_address_and_secret_are_not_kept(cast, standin):
    client, _, address, sent, _ = _typed(cast, standin, "webhook")
    _end(client)
    client.post(address, {**sent, "url": "https://hooks.example/T0/B0/key", "signing_secret": "whsec_" + "QUJD" * 11})
    assert "Chat" in Draft.objects.get().fields_json
    assert "hooks.example" not in Draft.objects.get().fields_json and "whsec" not in Draft.objects.get().fields_json


@pytest.mark.parametrize("kind", FORMS)
def test_whatever_was_typed_its_page_is_shown(cast, standin, kind):
    """A draft is read by the page that shows it, and may name rows and numbers that can be none."""
    role, page, to, _ = FORMS[kind]
    client, url = cast.client(role), page(cast, standin)
    form = _form(client, url, to)
    for odd in ("9" * 5000, "\u0663", "1e9", "-1"):
        of_itself = {"draft_of", "once", "csrfmiddlewaretoken"}
        typed = {
            name: odd for name in [name for name in form.fields if name not in of_itself][:6]
        }  # or it is too large
        _end(client)
        assert client.post(url + to, {**form.sent(), **typed}).status_code == 302
        assert Draft.objects.exists()
        client.force_login(cast.user(role))
        shown = client.get(url)
        assert (odd, shown.status_code) == (odd, 200)
        form = _form(client, url, to)
        Draft.objects.all().delete()


def test_a_last_form_replaces_an_earlier_one_and_a_huge_one_is_not_kept(cast, standin):
    *_, address, sent, _ = _typed(cast, standin, "request")
    stale = Client(enforce_csrf_checks=True)
    stale.force_login(cast.user("engineer"))
    stale.get("/")
    stale.post(address, {**sent, "purpose": "First."})
    stale.post(address, {**sent, "purpose": "Second."})
    assert "Second." in Draft.objects.get().fields_json
    assert stale.post(address, {**sent, "purpose": "x" * 70_000}).status_code == 403


@pytest.mark.parametrize("ends", [True, False])
def test_htmx_gets_a_dialog_that_says_so(cast, standin, ends):
    role, page, to, typed = FORMS["rotation"]
    url = page(cast, standin)
    client = Client(enforce_csrf_checks=not ends)
    client.force_login(cast.user(role))
    sent = _form(client, url, to).sent(**typed(cast), csrfmiddlewaretoken="a" * 64)
    if ends:
        _end(client)
    htmx = {"HX-Request": "true", "HX-Current-URL": f"{OWN}{url}"}
    answer = client.post(url + to, sent, headers=htmx)
    assert answer.content.decode().strip().startswith("<dialog") and "What you typed is kept" in text_of(answer)
    client.force_login(cast.user(role))
    assert _form(client, url, to).fields["overlap_hours"] == ["72"]


def test_a_link_that_starts_a_request_does_not_hide_what_was_typed(cast, standin):
    client, page, address, sent, _ = _typed(cast, standin, "request")
    _end(client)
    client.post(address, sent)
    client.force_login(cast.user("engineer"))
    form = _form(client, f"{page}?friendly_name=other", "")
    assert form.fields["friendly_name"] == ["nightly"]
