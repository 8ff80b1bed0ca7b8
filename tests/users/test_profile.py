"""A user's profile, the menu under their name, and the theme they chose."""

import re

import pytest
from django.test import Client

from keys_app.organisation import roles
from keys_app.organisation.models import ProviderRight
from tests.cast import text_of

PAGE = "/accounts/profile/"


@pytest.mark.parametrize(
    ("role", "group", "part"),
    [
        ("engineer", "Engineers", "Payments Member"),
        ("lead", "Team leads", "Payments Lead"),
        ("security", "Security", "You are in no team."),
        ("admin", "Portal admin", "You are in no team."),
    ],
)
def test_it_says_who_one_is_and_where_each_right_comes_from(cast, role, group, part):
    words = text_of(cast.client(role).get(PAGE))
    meaning = {**roles.MEANINGS, roles.ADMIN: roles.ADMIN_MEANING}[group]
    assert f"Login {role} Mail address none, so nothing is mailed to you Last sign-in" in words
    assert f"{group} {meaning} given by a portal admin" in words
    assert part in words


def test_it_says_that_one_has_no_role(cast):
    assert "You have no role yet. A portal admin gives you one." in text_of(cast.client("stranger").get(PAGE))


def test_it_tells_rights_of_the_provider_from_those_given_by_hand(cast):
    lead, by = cast.people["lead"], "by your groups at the sign-in provider"
    for right in ("role:Team leads", f"lead:{cast.team.pk}"):
        ProviderRight.objects.create(user=lead, right=right)
    words = text_of(cast.client("lead").get(PAGE))
    assert f"{roles.MEANINGS['Team leads']} {by} " in words
    assert f"Payments Lead {roles.BY_HAND} and {by} " in words
    assert by not in text_of(cast.client("colead").get(PAGE))


def test_it_names_deputies_and_break_glass(cast):
    cast.let_break_glass()
    cast.delegate("lead", "engineer")
    words = text_of(cast.client("engineer").get(PAGE))
    assert "Payments Member, may break glass given by a portal admin" in words
    assert "Payments Deputy of Lead Person (lead) named by that lead" in words
    assert "Deputy of" not in text_of(cast.client("colleague").get(PAGE))


@pytest.mark.parametrize("url", ["/", "/keys/", "/admin/", "/admin/keys_app/keyrequest/", PAGE, "/nowhere/"])
def test_every_page_has_the_menu(cast, url):
    page = cast.client("lead").get(url).content.decode()
    menu = page[page.index('<details class="user-menu"') : page.index("</details>", page.index("user-menu"))]
    for link in (PAGE, "/accounts/sessions/"):
        assert f'href="{link}"' in menu
    for action in ("/accounts/logout/", "/accounts/theme/"):
        assert f'action="{action}"' in menu


def test_password_is_there_for_one_who_has_one(cast):
    link = 'href="/accounts/password/change/"'
    lead = cast.people["lead"]
    for password in ("a-long-enough-passphrase", None):
        lead.set_password(password)
        lead.save()
        for url in ("/", "/admin/"):
            assert (link in cast.client("lead").get(url).content.decode()) == bool(password)


def test_who_is_not_signed_in_has_none(db):
    assert "user-menu" not in Client().get("/accounts/login/").content.decode()


def dark_sheets(page):
    return re.findall(r"<link [^>]*dark[^>]*>", page.content.decode())


@pytest.mark.parametrize("url", ["/", "/admin/", "/accounts/login/"])
def test_a_chosen_theme_is_on_every_page(cast, url):
    client = cast.client("lead")
    browser = client if url != "/accounts/login/" else Client()
    [sheet] = dark_sheets(browser.get(url))
    assert "prefers-color-scheme" in sheet
    answer = client.post("/accounts/theme/", {"theme": "dark", "next": "/keys/?q=a"})
    assert answer["Location"] == "/keys/?q=a"
    browser.cookies = client.cookies if browser is client else answer.cookies
    [sheet] = dark_sheets(browser.get(url))
    assert "prefers-color-scheme" not in sheet
    browser.cookies.load(client.post("/accounts/theme/", {"theme": "light"}).cookies)
    assert not dark_sheets(browser.get(url))
    browser.cookies.load(client.post("/accounts/theme/", {"theme": "anything"}).cookies)
    assert len(dark_sheets(browser.get(url))) == 1


@pytest.mark.parametrize(
    "back", ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "", "a", "/\r\nX: y"]
)
def test_it_leads_nowhere_else(cast, back):
    answer = cast.client("engineer").post("/accounts/theme/", {"theme": "dark", "next": back})
    assert answer["Location"] == PAGE


def test_a_cookie_that_says_nonsense_is_none(cast):
    client = cast.client("engineer")
    client.cookies["theme"] = '"><script>'
    assert "<script>alert" not in client.get("/").content.decode()
    assert len(dark_sheets(client.get("/"))) == 1
