"""Second factors: an app and recovery codes, set up, used once, removed and taken away."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from post_office.models import Email

from keys_app.audit.ledger import matching
from keys_app.users import factors
from keys_app.users.models import LimitedUse
from tests.cast import text_of
from tests.key_requests.test_decision_races import at_once

from .factors import APP, CODE, CODES, PASSWORD, code_of, is_in, password_given, protected, set_up_app, with_password

INDEX = "/accounts/2fa/"
AGAIN = "/accounts/2fa/reauthenticate/"


@pytest.fixture(autouse=True)
def _mails(settings):
    settings.SENDS_MAIL = True


def mailed(user):
    User.objects.filter(pk=user.pk).update(email=f"{user.username}@example.com")


def mails():
    return [mail.subject for mail in Email.objects.order_by("pk")]


def events(action):
    return list(matching(action=action).order_by("sequence"))


def test_an_app_is_set_up_and_then_needed(cast):
    mailed(cast.user("lead"))
    _, secret, codes = protected(cast)
    assert len(set(codes)) == 10 and all(len(code) == 10 for code in codes)
    assert [event.details["kind"] for event in events("factor.added")] == ["authenticator app"]
    assert len(events("factor.codes_made")) == 1
    assert len(mails()) == 2
    client = password_given()
    assert not is_in(client)
    assert not events("user.signed_in")
    wrong = client.post(CODE, {"code": "000000"})
    assert (wrong.status_code, "isn’t right" in text_of(wrong)) == (200, True)
    assert not is_in(client)
    answer = client.post(CODE, {"code": code_of(secret)})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_in(client)
    assert [event.details for event in events("user.signed_in")] == [{"factor": "authenticator app"}]
    assert "authenticator app" in text_of(client.get("/accounts/profile/"))


def test_the_page_that_was_wanted_opens_after_the_code(cast):
    _, secret, _ = protected(cast)
    client = Client()
    client.post("/accounts/login/", {"login": "lead", "password": PASSWORD, "next": "/keys/"})
    assert client.post(CODE, {"code": code_of(secret)})["Location"] == "/keys/"


def test_a_wrong_code_sets_nothing_up_and_keeps_the_secret(cast):
    client = cast.client("lead")
    secret = client.get(APP).context["form"].secret
    answer = client.post(APP, {"code": "000000"})
    assert answer.context["form"].secret == secret
    assert not Authenticator.objects.exists()
    assert client.post(APP, {"code": code_of(secret)}).status_code == 302


def test_the_picture_needs_nothing_that_the_policy_forbids(cast):
    page = cast.client("lead").get(APP).content.decode()
    picture = page[page.index("<svg") : page.index("</svg>")]
    assert "style" not in picture and "data:" not in page


def test_the_code_that_set_it_up_signs_no_one_in(cast):
    _, secret, _ = protected(cast)
    assert password_given().post(CODE, {"code": code_of(secret, -1)}).status_code == 200


def test_a_code_counts_once_whichever_process_is_asked(cast):
    """The library keeps used codes in a cache of one process, for 30 of the 90 seconds in which they fit."""
    _, secret, _ = protected(cast)
    code = code_of(secret)
    assert password_given().post(CODE, {"code": code}).status_code == 302
    assert password_given().post(CODE, {"code": code}).status_code == 200
    assert password_given().post(CODE, {"code": code_of(secret, 1)}).status_code == 302
    assert password_given().post(CODE, {"code": code}).status_code == 200


@pytest.mark.parametrize("what", ["app", "recovery code"])
def test_a_code_sent_twice_at_once_counts_once(live_cast, what):
    _, secret, codes = protected(live_cast)
    code = code_of(secret) if what == "app" else codes[0]
    clients = [password_given() for _ in range(4)]
    answers = at_once(*[lambda one=one: one.post(CODE, {"code": code}).status_code for one in clients])
    assert sorted(answers) == [200, 200, 200, 302] or sorted(answers)[:1] == [200]
    assert sum(is_in(one) for one in clients) == 1


@pytest.mark.parametrize("code", ["", "x", "１２３４５６", "\x00", "1" * 4000, "-1", "12345", "𝟙𝟚𝟛𝟜𝟝𝟞"])
def test_what_is_no_code_signs_no_one_in(cast, code):
    protected(cast)
    client = password_given()
    assert client.post(CODE, {"code": code}).status_code == 200
    assert not is_in(client)


def test_a_recovery_code_signs_in_once_and_says_so(cast):
    user, _, codes = protected(cast)
    mailed(user)
    client = password_given()
    assert client.post(CODE, {"code": codes[3]}).status_code == 302
    assert is_in(client)
    (event,) = events("factor.code_used")
    assert (event.actor_name, event.details["left"]) == ("Lead Person", 9)
    assert any("recovery code of yours was used" in subject for subject in mails())
    assert password_given().post(CODE, {"code": codes[3]}).status_code == 200
    assert "9 left" in text_of(client.get(INDEX))


def test_recovery_codes_are_shown_once_and_new_ones_void_them(cast):
    user = with_password(cast.user("lead"))
    client = Client()
    client.force_login(user)
    _, codes = set_up_app(client)
    again = client.get(CODES)
    assert not [code for code in codes if code in again.content.decode()]
    assert client.post("/accounts/2fa/recovery-codes/generate/")["Location"] == CODES
    page = client.get(CODES).content.decode()
    assert "this once" in page
    assert password_given().post(CODE, {"code": codes[0]}).status_code == 200
    assert len(events("factor.codes_made")) == 2


def test_recovery_codes_need_a_factor(cast):
    assert cast.client("lead").post("/accounts/2fa/recovery-codes/generate/").status_code == 200
    assert not Authenticator.objects.exists()
    assert cast.client("lead").get(CODES).status_code == 404


def test_removing_the_app_removes_the_codes_and_is_told(cast):
    user, secret, _ = protected(cast)
    mailed(user)
    client = password_given()
    client.post(CODE, {"code": code_of(secret)})
    assert client.get("/accounts/2fa/totp/deactivate/").status_code == 200
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert not Authenticator.objects.exists()
    (event,) = events("factor.removed")
    assert event.details == {"kind": "authenticator app", "name": "", "left": 0}
    assert any("removed a second factor" in subject for subject in mails())
    assert Client().post("/accounts/login/", {"login": "lead", "password": PASSWORD})["Location"] == "/"


def test_nothing_is_added_or_removed_when_it_cannot_be_recorded(cast, monkeypatch):
    client = cast.client("lead")
    client.raise_request_exception = False
    secret = client.get(APP).context["form"].secret

    def fail(*args, **kwargs):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(factors, "record", fail)
        assert client.post(APP, {"code": code_of(secret)}).status_code == 500
    assert not Authenticator.objects.exists()
    assert client.post(APP, {"code": code_of(secret)}).status_code == 302
    with monkeypatch.context() as patch:
        patch.setattr(factors, "record", fail)
        assert client.post("/accounts/2fa/totp/deactivate/").status_code == 500
    assert Authenticator.objects.count() == 2


def test_wrong_codes_are_counted_for_the_user_wherever_they_come_from(cast):
    _, secret, codes = protected(cast)
    for number in range(factors.MOST_WRONG):
        address = {"REMOTE_ADDR": f"198.51.100.{number}"}
        assert password_given(**address).post(CODE, {"code": "000000"}, **address).status_code == 200
    for right in (code_of(secret), codes[0]):
        answer = password_given().post(CODE, {"code": right})
        assert answer.status_code == 429
        assert 3500 <= int(answer["Retry-After"]) <= 3600
        assert "Too many wrong codes" in text_of(answer)
    (event,) = events("user.turned_away")
    assert (event.actor_name, event.details["limit"]) == ("Lead Person", "wrong codes")
    assert len(events("factor.failed")) == 10
    LimitedUse.objects.update(at=F("at") - timedelta(hours=1))
    assert password_given().post(CODE, {"code": code_of(secret)}).status_code == 302


def test_right_codes_do_not_count(cast):
    _, _, codes = protected(cast)
    for code in codes:
        assert password_given().post(CODE, {"code": code}).status_code == 302
    assert not LimitedUse.objects.exists()


def test_a_session_guesses_no_codes_either(cast):
    user, _, _ = protected(cast)
    client = Client()
    client.force_login(user)
    statuses = [client.post(AGAIN, {"code": "000000"}).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]


def test_signing_in_again_with_a_code_stores_and_replays_nothing(cast, settings):
    user, secret, _ = protected(cast)
    client = Client()
    client.force_login(user)
    session = client.session
    session["portal.authenticated_at"] = 0
    session.save()
    answer = client.post("/accounts/2fa/totp/deactivate/", {"note": "typed-by-the-user"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/reauthenticate/?next=")
    assert not [row for row in Session.objects.all() if "typed-by-the-user" in str(row.get_decoded())]
    assert client.post(f"{AGAIN}?next=/accounts/2fa/", {"code": code_of(secret)})["Location"] == INDEX
    assert Authenticator.objects.filter(type="totp").exists()
    assert client.post("/accounts/2fa/totp/deactivate/")["Location"] == INDEX
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("path", ["totp/activate/", "webauthn/add/", "recovery-codes/generate/", "recovery-codes/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_each_change_needs_a_fresh_sign_in(cast, settings, path, method):
    client = cast.client("lead")
    session = client.session
    session["portal.authenticated_at"] = 0
    session.save()
    answer = getattr(client, method)(f"{INDEX}{path}")
    assert answer["Location"].startswith("/accounts/reauthenticate/?next=")


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "!other"}])
def test_the_step_between_ends_with_the_account_it_is_of(cast, change):
    user, secret, _ = protected(cast)
    client = password_given()
    User.objects.filter(pk=user.pk).update(**change)
    answer = client.post(CODE, {"code": code_of(secret)})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/")
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert not is_in(client)


def test_the_pages_of_a_code_are_closed_without_a_password(db):
    assert Client().get(CODE)["Location"] == "/accounts/login/"
    assert Client().post(CODE, {"code": "123456"})["Location"] == "/accounts/login/"


def test_no_secret_of_it_is_stored_as_it_is(cast):
    client = cast.client("lead")
    pending = client.get(APP).context["form"].secret
    stored = [str(row.get_decoded()) for row in Session.objects.all()]
    assert not [row for row in stored if pending in row]
    secret, codes = set_up_app(client)
    data = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert not [one for one in (secret, *codes) if one in data]


def test_an_admin_takes_them_away_and_both_are_told(cast):
    user, _, _ = protected(cast)
    mailed(user)
    mailed(cast.user("security"))
    theirs = Client()
    theirs.force_login(user)
    admin = cast.client("admin")
    action = {"action": "take_factors_away", "_selected_action": [user.pk, cast.user("engineer").pk]}
    answer = admin.post("/admin/auth/user/", action, follow=True)
    assert "Taken away from Lead Person (lead): authenticator app, recovery codes" in text_of(answer)
    assert "Engineer Person (engineer) has no second factor" in text_of(answer)
    assert "delete_selected" not in answer.content.decode()
    assert not Authenticator.objects.exists()
    assert not is_in(theirs)
    (event,) = events("factor.reset")
    assert (event.actor_name, event.details["subject"]) == ("Admin Person", "lead")
    to = [address for mail in Email.objects.all() for address in mail.to]
    assert {"lead@example.com", "security@example.com"} <= set(to)
    assert Client().post("/accounts/login/", {"login": "lead", "password": PASSWORD})["Location"] == "/"


@pytest.mark.parametrize("role", ["lead", "security", "engineer"])
def test_no_one_else_does(cast, role):
    user, _, _ = protected(cast)
    cast.client(role).post("/admin/auth/user/", {"action": "take_factors_away", "_selected_action": [user.pk]})
    assert Authenticator.objects.count() == 2


def test_the_library_s_own_page_of_them_is_not_in_the_admin(cast):
    assert cast.client("admin").get("/admin/mfa/authenticator/").status_code == 404


def test_an_operator_does(cast, capsys):
    protected(cast, "admin")
    call_command("reset_factors", "ADMIN")
    assert "authenticator app" in capsys.readouterr().out
    assert not Authenticator.objects.exists()
    assert events("factor.reset")[0].actor_name.startswith("reset_factors by ")
    with pytest.raises(CommandError, match="no user nobody"):
        call_command("reset_factors", "nobody")


def test_a_new_encryption_key_reads_them_and_the_old_one_can_go(cast, settings, capsys):
    _, secret, codes = protected(cast)
    old = list(settings.ENCRYPTION_KEYS)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *old]
    assert password_given().post(CODE, {"code": code_of(secret)}).status_code == 302
    call_command("reencrypt_factors")
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    assert password_given().post(CODE, {"code": codes[0]}).status_code == 302
    assert password_given().post(CODE, {"code": code_of(secret, 1)}).status_code == 302
    settings.ENCRYPTION_KEYS = old
    (warning,) = [one for one in run_checks(include_deployment_checks=True) if one.id == "portal.W008"]
    assert "lead" in warning.msg
    assert password_given().post(CODE, {"code": code_of(secret, 1)}).status_code == 200
    with pytest.raises(CommandError, match="No key reads 2, of lead"):
        call_command("reencrypt_factors")
