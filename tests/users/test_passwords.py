"""How passwords are hashed, how many at a time, and which are refused."""

import time
from threading import Event, Thread

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, identify_hasher, make_password
from django.test import Client

from keys_app.users.models import LimitedUse
from portal import password_hashers
from tests.cast import text_of

PASSWORD = "a-long-enough-passphrase"
LOGIN = "/accounts/login/"
CHANGE = "/accounts/password/change/"


@pytest.fixture
def real_hashers(settings):
    """The portal's own, which the settings of the tests replace with a quick one."""
    settings.PASSWORD_HASHERS = [
        "portal.password_hashers.PortalArgon2Hasher",
        "portal.password_hashers.OlderHasher",
    ]


@pytest.fixture
def quick_old_ones(real_hashers, monkeypatch):
    """Older hashes, made with few rounds: a real one takes half a second."""
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1000)


def with_password(user, password=PASSWORD, hasher="default"):
    user.password = make_password(password, hasher=hasher)
    user.save(update_fields=["password"])
    return user


def sign_in(password=PASSWORD, name="engineer", client=None):
    return (client or Client()).post(LOGIN, {"login": name, "password": password})


def kind_of(user):
    user.refresh_from_db()
    return user.password.partition("$")[0]


def test_it_hashes_with_the_memory_and_rounds_that_are_said(real_hashers):
    encoded = make_password(PASSWORD)
    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert identify_hasher(encoded).must_update(encoded) is False


def test_an_older_hash_is_read_and_made_anew_at_the_next_sign_in(cast, quick_old_ones):
    user = with_password(cast.user("engineer"), hasher="pbkdf2_sha256")
    assert sign_in("wrong-password").status_code == 200
    assert kind_of(user) == "pbkdf2_sha256"
    assert sign_in().status_code == 302
    assert kind_of(user) == "argon2"
    assert sign_in().status_code == 302


def test_the_session_in_which_it_is_made_anew_goes_on(cast, quick_old_ones):
    user = with_password(cast.user("engineer"), hasher="pbkdf2_sha256")
    client = Client()
    client.force_login(user)
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    assert kind_of(user) == "argon2"
    assert client.get("/").status_code == 200


def test_a_password_that_is_changed_at_that_moment_stays_changed(cast, quick_old_ones, monkeypatch):
    user = with_password(cast.user("engineer"), hasher="pbkdf2_sha256")
    encode = password_hashers.PortalArgon2Hasher.encode

    def meanwhile(self, password, salt):
        if password == PASSWORD:
            with_password(cast.user("engineer"), "another-long-phrase")
        return encode(self, password, salt)

    monkeypatch.setattr(password_hashers.PortalArgon2Hasher, "encode", meanwhile)
    sign_in()
    monkeypatch.undo()
    user.refresh_from_db()
    assert user.check_password("another-long-phrase")


@pytest.mark.parametrize("name", ["engineer", "colleague", "lead", "no-such-user"])
@pytest.mark.parametrize("older", [True, False])
def test_a_wrong_password_takes_the_same_work_for_every_name(cast, quick_old_ones, monkeypatch, name, older):
    with_password(cast.user("engineer"))
    with_password(cast.user("colleague"), hasher="pbkdf2_sha256" if older else "default")
    done = []
    for hasher in (password_hashers.PortalArgon2Hasher, password_hashers.OlderHasher):
        for act in ("encode", "verify"):
            if (hasher, act) == (password_hashers.OlderHasher, "verify"):
                continue  # it encodes
            work = getattr(hasher, act)
            monkeypatch.setattr(hasher, act, lambda *a, work=work, kind=hasher: (done.append(kind), work(*a))[1])
    assert sign_in("wrong-password", name).status_code == 200
    both = [password_hashers.PortalArgon2Hasher, password_hashers.OlderHasher]
    assert sorted(done, key=both.index) == (both if older else both[:1])


@pytest.fixture
def all_taken():
    """Both places of this process are held by others."""
    held, done = [Event(), Event()], Event()

    def hold(taken):
        with password_hashers._in_turn():
            taken.set()
            done.wait(10)

    others = [Thread(target=hold, args=(one,)) for one in held]
    for one in others:
        one.start()
    assert all(one.wait(5) for one in held)
    yield done
    done.set()
    for one in others:
        one.join()


def test_a_third_try_waits_for_its_turn(cast, real_hashers, all_taken):
    with_password_later = Thread(target=lambda: (time.sleep(0.2), all_taken.set()))
    with_password_later.start()
    started = time.monotonic()
    with_password(cast.user("engineer"))
    assert time.monotonic() - started >= 0.19
    with_password_later.join()


def test_it_is_refused_with_words_once_it_waited_too_long(cast, real_hashers, monkeypatch, request):
    user = with_password(cast.user("engineer"))
    signed_in = Client()
    signed_in.force_login(user)
    monkeypatch.setattr(password_hashers, "PATIENCE", 0.05)
    done = request.getfixturevalue("all_taken")
    new = {"password1": "another-long-phrase", "password2": "another-long-phrase"}
    for client, url, fields in (
        (Client(), LOGIN, {"login": "engineer", "password": PASSWORD}),
        (Client(), LOGIN, {"login": "no-such-user", "password": PASSWORD}),
        (signed_in, CHANGE, {"oldpassword": PASSWORD, **new}),
        (cast.client("admin"), f"/admin/auth/user/{user.pk}/password/", {**new, "usable_password": "true"}),
    ):
        answer = client.post(url, fields)
        assert (answer.status_code, answer["Retry-After"]) == (503, "60")
        assert "Nothing was tried" in text_of(answer)
    assert not LimitedUse.objects.exists()
    done.set()
    time.sleep(0.1)
    assert sign_in().status_code == 302


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("aaaaaaaaaaaa", "repeats"),
        ("lead2lead2lead2", "repeats"),
        ("LEAD2lead2Lead2le", "repeats"),
        ("passwordpassword", "repeats"),
        ("my-ENGINEER-secret", "your login"),
        ("E.n-g_ineer and more", "your login"),
        ("a-person-of-my-name", "your login"),
        ("mail-erin.e-mail", "mail address"),
        ("Key Portal 2026!", "name of the portal"),
        ("for-my-twilio-keys", "name of the portal"),
        ("1q2w3e4r5t6y", "too common"),
        ("short-one", "too short"),
    ],
)
def test_a_password_that_is_guessed_early_is_refused_at_its_field(cast, password, word):
    user = with_password(cast.user("engineer"))
    user.email = "erin.e@example.com"
    user.save(update_fields=["email"])
    client = Client()
    client.force_login(user)
    answer = client.post(CHANGE, {"oldpassword": PASSWORD, "password1": password, "password2": password})
    assert answer.status_code == 200
    (said,) = answer.context["form"].errors.values()
    assert word in " ".join(said)
    assert list(answer.context["form"].errors) == ["password1"]
    admins = cast.client("admin").post(
        f"/admin/auth/user/{user.pk}/password/",
        {"password1": password, "password2": password, "usable_password": "true"},
    )
    assert admins.status_code == 200
    assert word.replace("your ", "") in text_of(admins)
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


@pytest.mark.parametrize(
    "password", ["correct-horse-battery", "leadership-of-2-ducks", "twelve chars twelve chars", "öäüöäüß-9-ñ-é"]
)
def test_others_are_taken(cast, password):
    user = with_password(cast.user("engineer"))
    client = Client()
    client.force_login(user)
    answer = client.post(CHANGE, {"oldpassword": PASSWORD, "password1": password, "password2": password})
    assert answer.status_code == 302, answer.context["form"].errors
