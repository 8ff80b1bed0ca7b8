"""The sign-in library's pages speak as the portal does: its words, in sentence case, and no word twice in a box."""

import re

import pytest
from django.test import Client

from tests.cast import text_of
from tests.notifications.test_notices import WithResets

WORDS = {
    "/accounts/login/": "Sign in",
    "/accounts/signup/": "No sign-up here",
    "/accounts/inactive/": "Your account is switched off",
    "/accounts/password/reset/": "Forgotten password",
    "/accounts/password/reset/done/": "Look at your mail",
    "/accounts/password/reset/key/1-abc/": "This link no longer works",
    "/accounts/password/reset/key/done/": "Your password is changed",
    "/accounts/logout/": "Sign out",
    "/accounts/password/change/": "Change your password",
    "/accounts/2fa/": "Second factors",
    "/accounts/2fa/totp/activate/": "Set up an authenticator app",
}
SIGNED_IN = ("logout", "reauthenticate", "change", "2fa")
TITLE_CASE = re.compile(r"\b(Password Reset|(Change|My|Current|New) Password|Email|Inactive)\b")
PASSWORD = "a-long-enough-passphrase"


@pytest.fixture(autouse=True)
def sends_mail(settings):
    """The pages for a new password are there only where mail goes."""
    settings.SENDS_MAIL, settings.ROOT_URLCONF = True, WithResets


def page_at(cast, url):
    user = cast.people["lead"]
    user.set_password(PASSWORD)
    user.save()
    return (cast.client("lead") if any(word in url for word in SIGNED_IN) else Client()).get(url, follow="key/1" in url)


@pytest.mark.parametrize("url", WORDS)
def test_it_has_one_heading_in_sentence_case(cast, url):
    answer = page_at(cast, url)
    assert answer.status_code == 200
    [heading] = re.findall(r"<h1[^>]*>([^<]*)</h1>", answer.content.decode())
    assert heading == WORDS[url]
    assert not TITLE_CASE.search(text_of(answer))
    assert "placeholder=" not in answer.content.decode()


def test_the_boxes_of_a_password_are_named(cast):
    words = text_of(page_at(cast, "/accounts/password/change/"))
    for label in ("Current password", "New password", "New password, again"):
        assert label in words
    assert "Mail address" in text_of(page_at(cast, "/accounts/password/reset/"))


def test_what_was_done_is_said_in_short(cast):
    page_at(cast, "/accounts/login/")
    client = cast.client("lead")
    new = {"password1": "another-long-passphrase", "password2": "another-long-passphrase"}
    answer = client.post("/accounts/password/change/", {"oldpassword": PASSWORD, **new}, follow=True)
    assert "Your password is changed." in text_of(answer)
    assert "You’re signed out." in text_of(client.post("/accounts/logout/", follow=True))
