"""The request form is light: its list of permissions comes when it is looked into. What is chosen is on the page."""

import gzip
import re
from html.parser import HTMLParser

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from keys_app.catalogue.models import CataloguePermission
from keys_app.permissions.catalogue import catalogue
from tests.cast import OTHER_ACCOUNT, READ_MESSAGES, READ_USAGE, text_of

from .test_request_new import ticked

NEW = "/requests/new/"
MOST_BYTES, MOST_ELEMENTS, MOST_QUERIES = 60_000, 900, 15
MOST_SENT = 40_000
ALL = {item.name for item in catalogue()}
BOX = re.compile(r'<input type="checkbox" name="permissions" value="([^"]*)"')


class _Elements(HTMLParser):
    count = 0

    def handle_starttag(self, *_):
        self.count += 1


def elements(text: str) -> int:
    parser = _Elements()
    parser.feed(text)
    return parser.count


def page(cast, query: str = "", role: str = "engineer") -> str:
    answer = cast.client(role).get(NEW + query)
    assert answer.status_code == 200
    return answer.content.decode()


def address(cast, role: str = "engineer") -> str:
    return re.search(r'data-catalogue="([^"]+)"', page(cast, role=role))[1]


@pytest.mark.parametrize("query", ["", "?template=send-sms", f"?permissions={','.join(READ_MESSAGES)}", "?key={key}"])
def test_it_is_small_at_first(cast, query):
    for number in range(12):
        cast.ask(friendly_name=f"earlier-{number}", permissions=sorted(ALL)[number : number + 3])
    first, _ = cast.issued(permissions=READ_MESSAGES)
    query = query.format(key=first.keys.get().sid)
    client = cast.client("engineer")
    client.get(NEW)  # what a process does once is done
    with CaptureQueriesContext(connection) as captured:
        text = client.get(NEW + query).content.decode()
    assert len(text.encode()) <= MOST_BYTES
    assert elements(text) <= MOST_ELEMENTS
    assert len(captured) <= MOST_QUERIES


def test_it_names_every_product_and_has_no_permission_that_is_not_chosen(cast):
    text = page(cast)
    assert not BOX.findall(text)
    for product in catalogue().products:
        assert f'data-product="{product.name}"' in text
    text = page(cast, f"?permissions={READ_MESSAGES[0]}")
    resource = READ_MESSAGES[0].rpartition("/")[0]
    boxes = BOX.findall(text)
    assert {name.rpartition("/")[0] for name in boxes} == {resource}
    assert ticked(text) == [READ_MESSAGES[0]]


# The whole list, in one answer that may be kept


def test_the_rest_is_one_answer_that_browsers_keep_and_that_is_the_same_for_everyone(cast):
    cast.account.forbidden_permissions = READ_MESSAGES
    cast.account.save()
    cast.ask(permissions=READ_USAGE, friendly_name="mine alone")
    url = address(cast)
    answers = [cast.client(role).get(url) for role in ("engineer", "engineer2", "lead", "security", "stranger")]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert set(BOX.findall(answers[0].content.decode())) == ALL
    for answer in answers:
        assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
        assert {"Cookie", "Accept-Encoding"} <= set(answer["Vary"].split(", "))
        assert not answer.cookies
        assert "csrf" not in answer.content.decode()
        assert "blocked" not in answer.content.decode()
        assert " checked" not in answer.content.decode()


def test_it_asks_the_database_for_the_session_and_the_catalogue_alone(cast):
    client, url = cast.client("engineer"), address(cast)
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        client.get(url)
    assert len(captured) <= 5


def test_it_is_sent_compressed_to_who_takes_it_so(cast):
    client, url = cast.client("engineer"), address(cast)
    plain, packed = client.get(url), client.get(url, headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) <= MOST_SENT


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(cast, method):
    assert getattr(cast.client("engineer"), method)(address(cast)).status_code == 405


def test_it_is_for_those_who_are_signed_in(cast, client):
    url = address(cast)
    answer = client.get(url)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert answer["Cache-Control"] == "no-store, private"


def test_its_address_changes_with_the_catalogue_and_the_old_one_leads_to_the_new(cast):
    before = address(cast)
    assert address(cast, "engineer2") == before
    CataloguePermission.objects.create(name="/twilio/newproduct/things/read", meaning="things")
    after = address(cast)
    assert after != before
    moved = cast.client("engineer").get(before)
    assert (moved.status_code, moved["Location"]) == (302, after)
    assert moved["Cache-Control"] == "no-store, private"
    assert "/twilio/newproduct/things/read" in cast.client("engineer").get(after).content.decode()
    CataloguePermission.objects.all().delete()
    assert address(cast) == before


@pytest.mark.parametrize("version", ["0" * 16, "x" * 16, "0" * 15, "0" * 17])
def test_an_address_that_never_was_leads_to_the_present_one_or_nowhere(cast, version):
    answer = cast.client("engineer").get(f"{NEW}permissions/{version}/")
    assert answer.status_code == (302 if version == "0" * 16 else 404)


# What guardrails block is of an account and a team, and is asked for apart


def test_it_says_what_the_guardrails_of_an_account_and_a_team_block(cast):
    cast.account.forbidden_permissions = READ_MESSAGES
    cast.account.save()
    client = cast.client("engineer")
    blocked = client.get(NEW, {"rails_only": "1", "account": cast.account.sid}).json()["blocked"]
    assert set(blocked) == {"Forbidden by the guardrails."}
    (names,) = blocked.values()
    assert {*READ_MESSAGES, "/twilio/messaging/messages/*"} == set(names)
    assert client.get(NEW, {"rails_only": "1"}).json() == {"blocked": {}}
    assert client.get(NEW, {"rails_only": "1", "account": OTHER_ACCOUNT}).json() == {"blocked": {}}


# Without JavaScript


def test_without_javascript_everything_is_there_by_a_button_that_keeps_what_is_typed(cast):
    typed = cast.form(permissions=READ_MESSAGES, purpose="Kept as typed.", friendly_name="kept")
    assert 'name="all_only"' in page(cast)
    answer = cast.client("engineer").post(NEW, {**typed, "all_only": "voice"})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert set(BOX.findall(text)) >= ALL
    assert ticked(text) == sorted(READ_MESSAGES)
    assert "Kept as typed." in text
    assert 'value="kept"' in text
    assert re.search(r'data-product="voice"\s+open', text)
    assert 'name="all" value="1"' in text, "the next button would take it away again"
    assert set(BOX.findall(page(cast, "?all=1"))) == ALL


def test_the_whole_list_stays_with_the_next_button_and_after_a_refusal(cast):
    typed = {**cast.form(permissions=READ_MESSAGES), "all": "1"}
    client = cast.client("engineer")
    assert set(BOX.findall(client.post(NEW, {**typed, "template_only": "send-sms"}).content.decode())) >= ALL
    refused = client.post(NEW, {**typed, "purpose": ""})
    assert refused.status_code == 422
    assert set(BOX.findall(refused.content.decode())) == ALL


def test_it_sends_what_was_chosen_whatever_the_page_showed(cast):
    """A script reads the form and posts permissions, as before."""
    refused = cast.client("engineer").post(NEW, cast.form(permissions=READ_MESSAGES, purpose=""))
    assert set(ticked(refused.content.decode())) == set(READ_MESSAGES)
    assert set(cast.ask(permissions=READ_MESSAGES).policy) == set(READ_MESSAGES)


# Compression


def test_the_form_is_compressed_where_its_address_says_nothing(cast):
    client, accepts = cast.client("engineer"), {"Accept-Encoding": "gzip"}
    first, second = (client.get(NEW, headers=accepts) for _ in range(2))
    assert first["Content-Encoding"] == "gzip"
    assert len(first.content) <= MOST_SENT
    assert "Accept-Encoding" in first["Vary"]
    tokens = [
        re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', gzip.decompress(one.content).decode())[1]
        for one in (first, second)
    ]
    assert len(set(tokens)) == 2, "the token is masked anew for each answer"


@pytest.mark.parametrize("query", ["?purpose=guess", "?search=guess", "?permissions=guess", "?anything"])
def test_a_page_with_something_from_its_address_is_not_compressed(cast, query):
    answer = cast.client("engineer").get(NEW + query, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer


@pytest.mark.parametrize("url", ["/", "/requests/", "/requests/?q=guess", "/keys/", "/accounts/preferences/"])
def test_no_other_page_is_compressed(cast, url):
    assert "Content-Encoding" not in cast.client("engineer").get(url, headers={"Accept-Encoding": "gzip"})


@pytest.mark.parametrize("button", ["search_only", "template_only", "all_only", "text_only"])
def test_an_answer_to_a_press_is_not_compressed(cast, button):
    answer = cast.client("engineer").post(NEW, cast.form(**{button: "1"}), headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer


def test_a_draft_is_not_compressed(cast):
    """What was typed and not received may be anything."""
    client = cast.client("engineer")
    mark = re.search(r'name="draft_of" value="([^"]+)"', client.get(NEW).content.decode())[1]
    Client().post(NEW, {**cast.form(purpose="Typed before."), "draft_of": mark})
    answer = cast.client("engineer").get(NEW, headers={"Accept-Encoding": "gzip"})
    assert "Typed before." in text_of(answer)
    assert "Content-Encoding" not in answer
