"""What a test needs to act with second factors: the code of an app at a moment, and a browser that has one."""

import re
from typing import Any

from allauth.mfa.totp.internal import auth
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.models import User
from django.test import Client

from tests.cast import Cast

PASSWORD = "a-long-enough-passphrase"
LOGIN = "/accounts/login/"
CODE = "/accounts/2fa/authenticate/"
APP = "/accounts/2fa/totp/activate/"
CODES = "/accounts/2fa/recovery-codes/"


def code_of(secret: str, spans: int = 0) -> str:
    """Return what an app shows now, or so many spans of 30 seconds later."""
    return format_hotp_value(hotp_value(secret, int(auth.time.time()) // 30 + spans))


def with_password(user: User) -> User:
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


def set_up_app(client: Client) -> tuple[str, list[str]]:
    """Set up an app in a signed-in browser; return its secret, and the recovery codes that are shown."""
    page = client.get(APP).content.decode()
    match = re.search(r'id="totp-secret">([A-Z2-7]+)<', page)
    assert match, page
    secret = match.group(1)
    answer = client.post(APP, {"code": code_of(secret, -1)})
    assert (answer.status_code, answer["Location"]) == (302, CODES), answer.content.decode()
    return secret, shown_codes(client)


def shown_codes(client: Client) -> list[str]:
    return re.findall(r"<li><code>(\d+)</code></li>", client.get(CODES).content.decode())


def protected(cast: Cast, role: str = "lead") -> tuple[User, str, list[str]]:
    """Give a role a password and an app; return the user, the app's secret and the recovery codes."""
    user = with_password(cast.user(role))
    client = Client()
    client.force_login(user)
    return user, *set_up_app(client)


def password_given(role: str = "lead", **headers: Any) -> Client:
    """Return a browser in which the password was right, and the code is asked for."""
    client = Client()
    answer = client.post(LOGIN, {"login": role, "password": PASSWORD}, **headers)
    assert (answer.status_code, answer["Location"]) == (302, CODE), answer.content.decode()
    return client


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200
