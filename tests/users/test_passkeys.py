"""Passkeys as a second factor: added, used, renamed, removed, and what pretends to be one."""

import json
from urllib.parse import urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from keys_app.audit.ledger import matching
from tests.cast import text_of

from .factors import CODE, CODES, PASSWORD, is_in, password_given, shown_codes, with_password
from .passkeys import ORIGIN, Passkey

INDEX = "/accounts/2fa/"
ADD = "/accounts/2fa/webauthn/add/"
AGAIN = "/accounts/2fa/webauthn/reauthenticate/"


@pytest.fixture(autouse=True)
def _by_name(settings):
    settings.BASE_URL = urlsplit(ORIGIN)


def options_of(client, url, which="request_options"):
    return client.get(url).context["js_data"][which]


def add(client, passkey, name="laptop"):
    sent = passkey.made(options_of(client, ADD, "creation_options"))
    return client.post(ADD, {"name": name, "credential": sent})


def use(client, passkey, url=CODE):
    return client.post(url, {"credential": passkey.shown(options_of(client, url))})


@pytest.fixture
def mine():
    return Passkey()


@pytest.fixture
def lead(cast, mine):
    """A lead's signed-in browser, with a passkey."""
    client = Client()
    client.force_login(with_password(cast.user("lead")))
    answer = add(client, mine)
    assert (answer.status_code, answer["Location"]) == (302, CODES), text_of(answer)
    return client


def test_one_is_added_and_then_needed(lead, mine):
    assert len(shown_codes(lead)) == 10
    (event,) = matching(action="factor.added")
    assert event.details == {"kind": "passkey", "name": "laptop"}
    client = password_given()
    assert not is_in(client)
    answer = use(client, mine)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_in(client)


def test_the_id_of_the_site_is_of_the_settings_not_of_the_request(lead, settings):
    client = password_given()
    for host in ("testserver", "127.0.0.1"):
        page = client.get(CODE, headers={"host": host})
        assert page.context["js_data"]["request_options"]["publicKey"]["rpId"] == "localhost"


@pytest.mark.parametrize(
    "other",
    [
        Passkey(),
        Passkey(id=b"another"),
    ],
    ids=["another key", "another id"],
)
def test_anothers_signs_no_one_in(lead, mine, other):
    client = password_given()
    answer = use(client, other)
    assert (answer.status_code, "was not accepted" in text_of(answer)) == (200, True)
    assert not is_in(client)
    assert matching(action="factor.failed").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://localhost:9000"},
        {"origin": "https://localhost:8000"},
        {"origin": "http://other.localhost:8000"},
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
    ],
)
def test_one_used_on_another_page_signs_no_one_in(lead, mine, change):
    for name, value in change.items():
        setattr(mine, name, value)
    client = password_given()
    assert use(client, mine).status_code == 200
    assert not is_in(client)


def test_an_answer_counts_for_its_own_challenge(lead, mine):
    client = password_given()
    sent = mine.shown(options_of(client, CODE))
    options_of(client, CODE)
    assert client.post(CODE, {"credential": sent}).status_code == 200
    sent = mine.shown(options_of(client, CODE))
    assert client.post(CODE, {"credential": sent}).status_code == 302
    other = password_given()
    assert other.post(CODE, {"credential": sent}).status_code == 200
    assert not is_in(other)


GARBAGE = ["", "x", "null", "1", "[]", "{}", '{"response": 1}', '{"response": {"clientDataJSON": "e30"}}', '"\\u0000"']


@pytest.mark.parametrize("sent", GARBAGE)
def test_what_is_no_passkey_is_refused_in_words(lead, mine, sent):
    client = password_given()
    assert client.post(CODE, {"credential": sent}).status_code == 200
    assert lead.post(ADD, {"name": "x", "credential": sent}).status_code == 200
    assert lead.post(AGAIN, {"credential": sent})["Location"] == AGAIN
    assert Authenticator.objects.filter(type="webauthn").count() == 1


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature"])
@pytest.mark.parametrize("value", ["", "AA", 1, None, [], "é"])
def test_one_with_a_wrong_part_is_refused_in_words(lead, mine, part, value):
    client = password_given()
    sent = json.loads(mine.shown(options_of(client, CODE)))
    sent["response"][part] = value
    assert client.post(CODE, {"credential": json.dumps(sent)}).status_code == 200
    assert not is_in(client)


def test_signing_in_again_with_one(lead, mine):
    session = lead.session
    session["portal.authenticated_at"] = 0
    session.save()
    assert lead.get(ADD).status_code == 302
    answer = lead.post(f"{AGAIN}?next={ADD}", {"credential": mine.shown(options_of(lead, AGAIN)), "next": ADD})
    assert answer["Location"] == ADD
    assert lead.get(ADD).status_code == 200
    other = Passkey(id=b"another")
    answer = lead.post(AGAIN, {"credential": other.shown(options_of(lead, AGAIN))}, follow=True)
    assert "was not accepted" in text_of(answer)


def test_one_is_renamed_and_removed_by_its_user_alone(cast, lead, mine):
    pk = Authenticator.objects.get(type="webauthn").pk
    edit, remove = f"{INDEX}webauthn/keys/{pk}/edit/", f"{INDEX}webauthn/keys/{pk}/remove/"
    for url in (edit, remove):
        assert cast.client("lead2").get(url).status_code == 404
        assert cast.client("admin").post(url, {"name": "theirs"}).status_code == 404
        assert lead.get(url).status_code == 200
    assert lead.post(edit, {"name": "key\u202eon my ring"}).status_code == 200
    assert lead.post(edit, {"name": "key on my ring"})["Location"] == INDEX
    assert "key on my ring" in text_of(lead.get(INDEX))
    (event,) = matching(action="factor.renamed")
    assert (event.details["before"], event.details["name"]) == ("laptop", "key on my ring")
    assert lead.post(remove)["Location"] == INDEX
    assert not Authenticator.objects.exists()
    assert matching(action="factor.removed").count() == 1
    assert Client().post("/accounts/login/", {"login": "lead", "password": PASSWORD})["Location"] == "/"


def test_the_same_one_is_told_apart_and_ten_are_enough(lead):
    for number in range(9):
        assert add(lead, Passkey(id=bytes([number]) * 16), f"key {number}").status_code == 302
    answer = add(lead, Passkey(id=b"one too many"))
    assert "Remove one first" in text_of(answer)
    assert Authenticator.objects.filter(type="webauthn").count() == 10


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000", "https://192.0.2.7", "https://[2001:db8::1]:8443"])
def test_none_is_offered_on_an_address_that_is_a_number(cast, settings, address):
    settings.BASE_URL = urlsplit(address)
    client = cast.client("lead")
    assert "browsers take no passkey for an address that is a number" in text_of(client.get(INDEX))
    assert ADD not in client.get(INDEX).content.decode()
    assert client.get(ADD).status_code == 404


def test_there_is_no_way_in_with_a_passkey_alone(db):
    assert Client().get("/accounts/2fa/webauthn/login/").status_code == 404
