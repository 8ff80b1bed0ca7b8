"""Whom a name means: logins are one whatever their case, and two users of one name are told apart."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from keys_app.audit.ledger import matching
from keys_app.core.actor import Actor
from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import Team
from keys_app.reports import access_reviews
from tests.cast import READ_USAGE, text_of
from tests.notifications.test_notices import (
    mailing,  # noqa: F401 (a fixture)
    queued,
)
from tests.users.test_admin_records import PASSWORD, account_form, save, team_form, user_form
from tests.users.test_sign_in import sign_in


def change(cast, role, **fields):
    user = cast.user(role)
    return cast.client("admin").post(f"/admin/auth/user/{user.pk}/change/", user_form(user, **fields))


def test_a_login_that_differs_in_case_alone_is_refused_at_its_field(cast):
    """At every door, so that no one is locked out."""
    answer = change(cast, "engineer", username="LEAD")
    assert answer.status_code == 200
    assert "This login is taken: Lead Person (lead). Case makes no difference." in text_of(answer)
    assert 'value="LEAD"' in answer.content.decode()
    data = {"username": "LEAD", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    added = cast.client("admin").post("/admin/auth/user/add/", data)
    assert "This login is taken: Lead Person (lead). Case makes no difference." in text_of(added)
    with pytest.raises(CommandError, match=r"This login is taken: Lead Person \(lead\)"):
        call_command("createsuperuser", "--noinput", "--username", "Lead", "--email", "x@example.test", verbosity=0)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username="LEAD")
    assert User.objects.filter(username__iexact="lead").count() == 1


def test_a_user_changes_the_case_of_their_own_login(cast):
    assert change(cast, "engineer", username="Engineer").status_code == 302
    User.objects.filter(username="Engineer").update(password="")
    user = User.objects.get(username="Engineer")
    user.set_password(PASSWORD)
    user.save()
    assert sign_in(Client(), PASSWORD, "ENGINEER").status_code == 302


def test_a_failed_sign_in_is_found_whatever_the_case_typed(cast):
    sign_in(Client(), "wrong-password", "LEAD")
    assert matching(action="user.sign_in_failed").get().body["login"] == "lead"
    file = cast.client("security").get("/audit/reports/about.jsonl?person=LEAD").getvalue().decode()
    assert '"username":"lead"' in file.replace(" ", "")


def test_two_teams_or_rules_do_not_differ_in_case_or_spaces_alone(cast):
    admin = cast.client("admin")
    answer = admin.post("/admin/keys_app/team/add/", team_form(" PAYMENTS "))
    assert "There is “Payments” already." in text_of(answer)
    save(admin, "/admin/keys_app/team/add/", team_form("Two  Words"))
    assert "There is “Two Words” already." in text_of(admin.post("/admin/keys_app/team/add/", team_form("two words")))
    ApprovalRule.objects.create(name="Usage", template="usage-report", environment="staging")
    rule = {"name": "usage", "template": "usage-report", "environment": "staging", "max_lifetime_days": "30"}
    assert "There is “Usage” already." in text_of(admin.post("/admin/keys_app/approvalrule/add/", rule))
    for make in (lambda: Team.objects.create(name="PAYMENTS"), lambda: ApprovalRule.objects.create(name="USAGE")):
        with pytest.raises(IntegrityError), transaction.atomic():
            make()


def test_the_database_takes_logins_for_one_whatever_their_case(db):
    User.objects.create(username="other")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username="OTHER")


@pytest.mark.parametrize("role", ["engineer", "lead"])
def test_a_user_with_a_history_is_not_deleted_but_the_admin_is_told_what_to_do(cast, role):
    cast.approved()
    user, admin = cast.user(role), cast.client("admin")
    url = f"/admin/auth/user/{user.pk}/delete/"
    for answer in (admin.get(url, follow=True), admin.post(url, {"post": "yes"}, follow=True)):
        assert answer.redirect_chain == [(f"/admin/auth/user/{user.pk}/change/", 302)]
        assert "It can't be deleted. Untick “Active” and save instead" in text_of(answer)
    assert User.objects.filter(pk=user.pk).exists()


def test_a_user_who_only_signed_in_is_not_deleted_and_one_who_never_did_is(cast):
    admin, stranger, newcomer = cast.client("admin"), cast.user("stranger"), User.objects.create(username="newcomer")
    cast.client("stranger")
    answer = admin.post(f"/admin/auth/user/{stranger.pk}/delete/", {"post": "yes"}, follow=True)
    assert "Stranger Person (stranger) has signed in, so events name them." in text_of(answer)
    save(admin, f"/admin/auth/user/{newcomer.pk}/delete/", {"post": "yes"})
    assert set(User.objects.filter(pk__in=[stranger.pk, newcomer.pk])) == {stranger}


def test_a_team_or_account_with_a_history_says_what_to_do_instead(cast):
    cast.ask()
    admin = cast.client("admin")
    for url, words in (
        (f"/admin/keys_app/team/{cast.team.pk}/delete/", "Remove its members instead"),
        (f"/admin/keys_app/account/{cast.account.sid}/delete/", "Untick “Active” and save instead"),
    ):
        assert words in text_of(admin.get(url, follow=True))
        assert words in text_of(admin.post(url, {"post": "yes"}, follow=True))
    assert Team.objects.filter(pk=cast.team.pk).exists()


@pytest.fixture
def namesakes(mailing):  # noqa: F811
    """Everyone has one name, so that only the login tells them apart."""
    User.objects.update(first_name="Kim", last_name="Doe")
    mailing.people = {role: User.objects.get(username=role) for role in mailing.people}
    return mailing


def test_pages_mails_and_events_tell_namesakes_apart(namesakes):
    """Wherever an approver or auditor reads a name, the login stands behind it."""
    cast = namesakes
    pending = cast.ask(friendly_name="pending")
    key_request, _ = cast.issued(friendly_name="issued")
    cast.decide("lead", pending, "ask", question="What for?")
    cast.delegate("lead", to="colead")
    security = Actor.of(cast.user("security"))
    access_reviews.open_review(quarter="2026-Q4", actor=security)
    sid = key_request.keys.get().sid
    event = matching(action="request.approved").get()
    seen = {
        ("lead", "/"): "engineer",
        ("lead", "/requests/"): "engineer",
        ("lead", f"/requests/{key_request.pk}/"): "engineer",
        ("lead", "/keys/"): "engineer",
        ("lead", f"/keys/{sid}/"): "engineer",
        ("lead", "/admin/keys_app/keyrequest/"): "engineer",
        ("lead", f"/admin/keys_app/keyrequest/{pending.pk}/change/"): "engineer",
        ("lead", f"/admin/keys_app/keyrequest/{key_request.pk}/change/"): "lead",
        ("lead", f"/admin/keys_app/keyrequest/several/?id={pending.pk}"): "engineer",
        ("lead", "/deputies/"): "colead",
        ("lead", "/reviews/2026-Q4/"): "engineer",
        ("security", "/audit/"): "lead",
        ("security", f"/audit/{event.sequence}/"): "lead",
        ("security", f"/audit/keys/{sid}/"): "engineer",
        ("security", "/audit/reports/decisions/"): "lead",
        ("security", "/audit/reports/keys/?report=live"): "engineer",
        ("security", "/reviews/2026-Q4/"): "security",
    }
    for (role, url), login in seen.items():
        answer = cast.client(role).get(url)
        assert answer.status_code == 200, url
        assert f"Kim Doe ({login})" in text_of(answer), url
    for mail in queued():
        for name in re.findall(r"Kim Doe[^\n]{0,12}", f"{mail.subject}\n{mail.message}"):
            assert re.match(r"Kim Doe \([a-z0-9]+\)", name), (mail.subject, name)


def test_the_way_on_from_an_event_finds_one_user_and_not_their_namesakes(namesakes):
    cast = namesakes
    cast.ask("engineer")
    cast.ask("colleague", friendly_name="other", permissions=READ_USAGE)
    event = matching(action="request.created").order_by("sequence").first()
    page = cast.client("security").get(f"/audit/{event.sequence}/").content.decode()
    link = re.search(r'href="(/audit/\?[^"]*actor[^"]*)"', page).group(1).replace("&amp;", "&")
    listed = text_of(cast.client("security").get(link))
    assert "Kim Doe (engineer)" in listed
    assert "Kim Doe (colleague)" not in listed


def test_the_database_has_its_index(db):
    with connection.cursor() as cursor:
        names = connection.introspection.get_constraints(cursor, "auth_user")
    assert names["one_user_of_a_login"]["unique"]


UNSEEN = "Refunds\u202e"


def _names(cast):
    user, added = cast.user("engineer"), {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    rule = {"template": "send-messages", "environment": "staging", "max_lifetime_days": 30}
    return {
        "team, added": ("/admin/keys_app/team/add/", team_form(UNSEEN)),
        "team, changed": (f"/admin/keys_app/team/{cast.team.pk}/change/", team_form(UNSEEN)),
        "account": (f"/admin/keys_app/account/{cast.account.sid}/change/", account_form(cast.account, name=UNSEEN)),
        "user": (f"/admin/auth/user/{user.pk}/change/", user_form(user, first_name=UNSEEN)),
        "user, added": ("/admin/auth/user/add/", {"username": UNSEEN, **added}),
        "rule": ("/admin/keys_app/approvalrule/add/", {"name": UNSEEN, **rule}),
        "webhook": ("/admin/keys_app/webhook/add/", {"name": UNSEEN, "kind": "generic", "url": "https://e.com/"}),
        "permission": (
            "/admin/keys_app/cataloguepermission/add/",
            {"name": "/twilio/voice/new-things/read", "meaning": UNSEEN},
        ),
    }


KINDS = ("team, added", "team, changed", "account", "user", "user, added", "rule", "webhook", "permission")


@pytest.mark.parametrize("kind", KINDS)
def test_no_name_in_the_admin_has_a_character_that_cannot_be_seen(cast, kind):
    url, data = _names(cast)[kind]
    answer = cast.client("admin").post(url, data)
    assert answer.status_code == 200
    assert "U+202E (right-to-left override), after “Refunds”" in text_of(answer)
    assert "Refunds" in answer.content.decode()


def test_a_name_whose_letters_look_like_anothers_is_shown_to_whoever_decides(cast):
    mixed = cast.ask(friendly_name="p\u0430yments-report")
    cast.ask(friendly_name="Платежи")
    pages = [
        cast.client("lead").get(f"/admin/keys_app/keyrequest/{mixed.pk}/change/"),
        cast.client("lead").post(
            "/admin/keys_app/keyrequest/",
            {
                "action": "approve_several",
                "_selected_action": [str(one) for one in KeyRequest.objects.values_list("pk", flat=True)],
            },
            follow=True,
        ),
    ]
    for page in pages:
        assert text_of(page).count("has letters of Cyrillic and Latin, which look alike.") == 1
