"""Users whom a portal admin adds: no one but they types their first password."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail, signing
from django.test import Client
from post_office.models import Email

from keys_app.audit.ledger import matching
from keys_app.organisation.models import TeamMembership
from keys_app.users.invitation_list import HEADER, MOST
from keys_app.users.invitations import VALID_FOR
from keys_app.users.models import Identity, PasswordReset
from keys_app.users.password_resets import send_links
from tests.cast import text_of

from .test_admin_acts import last_event, mails, signed_in
from .test_admin_records import save

ADD = "/admin/auth/user/add/"
SEVERAL = "/admin/auth/user/invite/"
USERS = "/admin/auth/user/"
FIRST = "a-first-long-passphrase"


def links_in(text):
    return re.findall(r"/accounts/invitation/[^\s\"<]+", text)


def add(cast, **fields):
    """Add `ada` where no mail is sent; return her link."""
    answer = cast.client("admin").post(ADD, {"username": "ada", "first_name": "Ada", **fields})
    assert answer.status_code == 200, text_of(answer)
    [link] = links_in(answer.content.decode())
    return link


def accept(link, password=FIRST, client=None, again=None):
    return (client or Client()).post(link, {"password1": password, "password2": again or password})


def several(cast, *lines, header=HEADER):
    return cast.client("admin").post(SEVERAL, {"lines": "\n".join([header, *lines])})


def test_a_user_sets_their_first_password_with_the_link_once(cast):
    link = add(cast, groups=[Group.objects.get(name="Engineers").pk])
    user = User.objects.get(username="ada")
    assert not user.has_usable_password()
    assert "Your login is ada" in text_of(Client().get(link))
    assert text_of(Client().get(link))  # a program that looks at links uses up none
    assert accept(link)["Location"] == "/accounts/login/"
    assert signed_in("ada", FIRST).get("/").status_code == 200
    assert list(user.groups.values_list("name", flat=True)) == ["Engineers"]
    for again in (Client().get(link), accept(link, "another-long-passphrase")):
        assert "This invitation was used" in text_of(again)
    user.refresh_from_db()
    assert user.check_password(FIRST)


def test_it_is_in_the_audit_who_saw_the_link(cast):
    link = add(cast)
    event = last_event("user.invited")
    assert event.actor_name == "Admin Person"
    assert event.details["by"] == "a link the admin passes on"
    accept(link)
    assert last_event("user.password_changed").details["with"] == "an invitation"
    signed_in("ada", FIRST)
    by = "whoever had the link that Admin Person (admin) was shown"
    assert last_event("user.signed_in").details == {"password_set_by": by}
    assert not any(link in event.canonical for event in matching())


def test_by_mail_no_one_else_sees_it(mailing):
    save(mailing.client("admin"), ADD, {"username": "ada", "email": "ada@example.test"})
    assert "invited 1 user" in mails()["security@example.test"]
    assert "ada@example.test" not in mails()  # the invitation is all she gets
    send_links()
    [sent] = mail.outbox
    assert sent.to == ["ada@example.test"]
    [link] = links_in(sent.body)
    assert not PasswordReset.objects.exists()
    accept(link)
    signed_in("ada", FIRST)
    assert last_event("user.signed_in").details == {}
    assert last_event("user.invited").details["by"] == "a mail to ada@example.test"


@pytest.mark.parametrize("change", ["an address", "a password", "inactive"])
def test_a_mail_that_became_pointless_is_not_sent(mailing, change):
    save(mailing.client("admin"), ADD, {"username": "ada", "email": "ada@example.test"})
    user = User.objects.get(username="ada")
    if change == "a password":
        user.set_password(FIRST)
    user.email = "other@example.test" if change == "an address" else user.email
    user.is_active = change != "inactive"
    user.save()
    send_links()
    assert not mail.outbox


def test_a_link_ends(cast, monkeypatch):
    link = add(cast)
    later = signing.time.time() + VALID_FOR.total_seconds() + 1
    monkeypatch.setattr(signing.time, "time", lambda: later)
    for answer in (Client().get(link), accept(link)):
        assert "older than 7 days" in text_of(answer)
    assert not User.objects.get(username="ada").has_usable_password()


def test_a_later_invitation_ends_it(cast):
    first = add(cast)
    user = User.objects.get(username="ada")
    answer = cast.client("admin").post(USERS, {"action": "invite", "_selected_action": [user.pk]})
    [second] = links_in(answer.content.decode())
    assert "a later one took its place" in text_of(accept(first))
    assert accept(second).status_code == 302


@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_only_a_portal_admin_invites(cast, role):
    add(cast)
    before = User.objects.count()
    client = cast.client(role)
    client.post(ADD, {"username": "eve"})
    client.post(SEVERAL, {"lines": f"{HEADER}\neve,,,,,"})
    answer = client.post(USERS, {"action": "invite", "_selected_action": [User.objects.get(username="ada").pk]})
    assert not links_in(answer.content.decode())
    assert User.objects.count() == before
    assert matching(action="user.invited").count() == 1


@pytest.mark.parametrize("role", ["engineer", "with a provider", "inactive"])
def test_who_needs_no_invitation_gets_none(cast, role):
    add(cast)
    ada, engineer = User.objects.get(username="ada"), cast.user("engineer")
    engineer.set_password(FIRST)
    engineer.save()
    if role == "with a provider":
        Identity.objects.create(user=ada, issuer="https://a.example", subject="1", joined_at=ada.date_joined)
    if role == "inactive":
        User.objects.filter(pk=ada.pk).update(is_active=False)
    chosen = [ada.pk, *([engineer.pk] if role == "engineer" else [])]
    answer = cast.client("admin").post(USERS, {"action": "invite", "_selected_action": chosen}, follow=True)
    assert "No one was invited." in text_of(answer)
    assert matching(action="user.invited").count() == 1


def test_no_one_else_types_a_first_password(cast):
    add(cast)
    user = User.objects.get(username="ada")
    url = f"/admin/auth/user/{user.pk}/password/"
    fields = {"usable_password": "true", "password1": FIRST, "password2": FIRST, "set-password": "1"}
    for answer in (cast.client("admin").get(url, follow=True), cast.client("admin").post(url, fields, follow=True)):
        assert "no one else sets a first one" in text_of(answer)
    user.refresh_from_db()
    assert not user.has_usable_password()


def test_a_weak_password_is_refused_at_its_field(cast):
    link = add(cast)
    answer = accept(link, "ada")
    assert answer.status_code == 422
    assert "too short" in text_of(answer)
    assert accept(link, FIRST, again="something-else-1").status_code == 422
    assert accept(link).status_code == 302


def test_who_is_signed_in_sets_no_password_of_another(cast):
    link = add(cast)
    answer = accept(link, client=cast.client("engineer"))
    assert "You are signed in as Engineer Person (engineer). Sign out" in text_of(answer)
    assert not User.objects.get(username="ada").has_usable_password()


@pytest.mark.parametrize("wrong", ["short", "x" * 3000, "a:b:c", "%00", "\u2028"])
def test_a_link_that_is_none_says_so(db, wrong):
    answer = Client().get(f"/accounts/invitation/{wrong}/")
    assert answer.status_code in (400, 403)
    assert "Traceback" not in text_of(answer)


def test_where_passwords_are_off_no_one_is_invited(cast, settings):
    link = add(cast)
    settings.LOCAL_SIGN_IN = False
    assert Client().get(link).status_code == 404
    save(cast.client("admin"), ADD, {"username": "bob"})
    assert matching(action="user.invited").count() == 1
    assert "Passwords are off here" in text_of(several(cast, "cleo,,,,,"))
    assert not User.objects.filter(username="cleo").exists()


def test_several_are_invited_from_a_list(cast):
    answer = several(
        cast,
        f"ada,Ada Lovelace,ada@example.test,Team leads,{cast.team},yes",
        f"bob,Bob,,engineers,{str(cast.team).lower()},",
        "",
        "cleo,,,Security,,no",
    )
    assert len(links_in(answer.content.decode())) == 3
    ada, bob, cleo = (User.objects.get(username=name) for name in ("ada", "bob", "cleo"))
    assert (ada.first_name, ada.last_name, ada.email) == ("Ada", "Lovelace", "ada@example.test")
    assert [user.groups.get().name for user in (ada, bob, cleo)] == ["Team leads", "Engineers", "Security"]
    assert TeamMembership.objects.get(user=ada).is_lead
    assert TeamMembership.objects.get(user=bob).is_lead is False
    assert not TeamMembership.objects.filter(user=cleo).exists()
    assert matching(action="user.created").count() == matching(action="user.invited").count() == 3
    changed = last_event("team.changed").details["changed"]["members"]
    assert changed == {"ada": {"from": None, "to": "lead"}, "bob": {"from": None, "to": "member"}}


def test_security_is_told_once_who_was_invited_as_what(mailing):
    team = mailing.team
    several(mailing, f"ada,Ada,ada@example.test,Team leads,{team},yes", f"bob,,,Engineers,{team},", "cleo,,,Security,,")
    told = mails()["security@example.test"]
    for line in (
        "Admin Person (admin) invited 3 users",
        f"Ada (ada): Team leads, team {team} as its lead, ada@example.test",
        f"bob: Engineers, team {team}, no mail address",
        "cleo: Security, no mail address",
    ):
        assert line in told
    assert sum(one.to == ["security@example.test"] for one in Email.objects.all()) == 1
    assert "ada@example.test" not in mails()


@pytest.mark.parametrize("between", [";", "\t"])
def test_a_spreadsheet_may_put_something_else_between(cast, between):
    answer = several(cast, between.join(["ada", "Ada", "", "", "", ""]), header="\ufeff" + HEADER.replace(",", between))
    assert len(links_in(answer.content.decode())) == 1


def test_each_lines_fault_is_named_and_no_one_is_added(cast):
    before, events = User.objects.count(), matching().count()
    lines = [
        "ada,Ada,ada@example.test,,,",
        "ADA,,,,,",
        "lead,,,,,",
        "a b,,not-an-address,Bosses,Nowhere,perhaps",
        "dan,,,Engineers,,yes",
        f"eve,Eve\u202e,,,{cast.team},yes",
        ",Nobody,,,,",
    ]
    answer = several(cast, *lines)
    assert answer.status_code == 422
    said = text_of(answer)
    for fault in (
        "Line 3: The login ADA stands above already.",
        "Line 4: The login lead is taken: Lead Person (lead).",
        "Line 5: The login “a b” can’t be one",
        "Line 5: “not-an-address” is no mail address.",
        "Line 5: There is no group “Bosses”. There are Engineers, Team leads, Security.",
        "Line 5: There is no team “Nowhere”.",
        "Line 5: “leads” is yes or no.",
        "Line 6: Who leads needs a team.",
        "Line 6: Who leads a team is in the group Team leads.",
        "Line 7: The name has a character that cannot be seen, U+202E",
        "Line 8: There is no login.",
    ):
        assert fault in said
    assert "Line 2" not in said
    assert "ada,Ada,ada@example.test" in answer.content.decode()
    assert (User.objects.count(), matching().count()) == (before, events)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("", "Paste at least the header and one line."),
        ("ada,Ada,,,,", f"Line 1 has to name the columns: {HEADER}"),
        (HEADER, "There is no one below the first line."),
        (f"{HEADER}\nada,Ada", "Line 2 has 2 columns instead of 6."),
        (f'{HEADER}\n"ada,Ada', "Line 2 can’t be read as CSV"),
        (f"{HEADER}\n" + "\n".join(f"u{n},,,,," for n in range(MOST + 1)), f"At most {MOST} are invited at once."),
    ],
)
def test_a_list_that_is_none_says_why(cast, lines, why):
    before = User.objects.count()
    answer = cast.client("admin").post(SEVERAL, {"lines": lines})
    assert answer.status_code == 422
    assert why in text_of(answer)
    assert User.objects.count() == before


def test_a_second_press_adds_no_one_again(cast):
    admin = cast.client("admin")
    once = re.search(r'name="once" value="([^"]*)"', admin.get(SEVERAL).content.decode()).group(1)
    fields = {"lines": f"{HEADER}\nada,,,,,", "once": once}
    assert admin.post(SEVERAL, fields).status_code == 200
    assert admin.post(SEVERAL, {**fields, "lines": f"{HEADER}\nbob,,,,,"})["Location"] == USERS
    assert not User.objects.filter(username="bob").exists()


def test_a_mail_that_was_given_up_says_whose(mailing, monkeypatch):
    save(mailing.client("admin"), ADD, {"username": "ada", "email": "ada@example.test"})
    PasswordReset.objects.update(attempts=99)
    monkeypatch.setattr("keys_app.users.invitations.EmailMessage", None)
    send_links()
    assert last_event("mail.gave_up").details["title"] == "Invitation of ada"


def test_the_page_of_a_user_says_what_they_may_do_and_not_164_rights(cast):
    page = cast.client("admin").get(f"/admin/auth/user/{cast.user('lead').pk}/change/")
    said = text_of(page)
    assert "Team leads: Ask for keys as engineers do." in said
    assert "Payments: Lead, given by a portal admin" in said
    assert "Does not sign in with it." in said
    for name in ("user_permissions", "is_staff", "Can add"):
        assert name not in page.content.decode()
