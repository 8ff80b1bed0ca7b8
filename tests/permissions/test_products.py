"""What leads to no permission gets one of three answers, each with what the reader can do next."""

from collections import Counter

import pytest

from keys_app.permissions.catalogue import catalogue, extended
from keys_app.permissions.paste import Suggestion, addresses, read_paste
from keys_app.permissions.products import ProductAnswer, answers_to, at_host, by_name, not_here, twilio_products
from tests.permissions.sdk_operations import DOMAINS, host_of, operations

NONE = "Twilio has no restricted permission for it"
DOCUMENTED = "Twilio documents restricted permissions for it, but they are not in this catalogue yet"
UNKNOWN = "not known here"
TOKEN = "no API key"
ENDED = "no longer offers it"
OPERATIONS = [(domain, method, path, host_of(domain)) for domain, method, path in operations()]
CHATS = [("/twilio/conversations/conversations/read", "conversations")]


def answer(method, host, path, known=None):
    return addresses.map_request(method, f"https://{host}.twilio.com{path}", known or catalogue())


def kind(said):
    """Return the kinds of “no” that a sentence is, or how else an operation is answered."""
    if isinstance(said, Suggestion):
        return "a permission"
    kinds = [one for one in (NONE, DOCUMENTED, UNKNOWN, TOKEN, ENDED) if one in said]
    others = (
        "not an operation that is known here",
        "catalogue has no permission for that",
        "about API keys",
        "auth token",
    )
    kinds += [one for one in others if one in said]
    assert len(kinds) == 1, said
    return kinds[0]


def test_every_operation_of_the_sdk_gets_one_kind_of_answer():
    counted = Counter(kind(answer(method, host, path)) for _, method, path, host in OPERATIONS)
    assert len(OPERATIONS) == counted.total() > 1_500
    assert counted["a permission"] > 400
    assert counted[NONE] > 400


@pytest.mark.parametrize(
    ("domain", "start", "said", "count"),
    [("serverless", "/v1", DOCUMENTED, 39), ("conversations", "/v1", DOCUMENTED, 103), ("sync", "/v1", NONE, 48)],
)
def test_all_of_a_product_is_answered_alike(domain, start, said, count):
    own = [one for one in OPERATIONS if one[0] == domain and one[2].startswith(start)]
    answers = {answer(method, host, path) for _, method, path, host in own}
    assert len(own) == count
    assert [said in one for one in answers] == [True]


@pytest.mark.parametrize("domain", ["trusthub", "notify", "proxy", "wireless", "flex_api", "supersim", "chat"])
def test_products_without_permissions_say_so_and_what_a_call_takes(domain):
    for _, method, path, host in (one for one in OPERATIONS if one[0] == domain):
        said = answer(method, host, path)
        if UNKNOWN not in said:
            assert NONE in said
            assert "It takes a Standard key" in said


def test_nothing_is_left_to_be_chosen_where_nothing_is():
    titles = {product.title for product in catalogue().products}
    for _, method, path, host in OPERATIONS:
        said = answer(method, host, path)
        if isinstance(said, str) and "Look under " in said:
            named = said.partition("Look under ")[2].partition(" in the list")[0]
            assert set(named.replace(" or ", ", ").split(", ")) <= titles
        if isinstance(said, str) and UNKNOWN in said:
            assert "a portal admin can add it under “Catalogue permissions”" in said


def test_a_version_is_told_from_the_part_of_an_api_that_has_permissions():
    assert by_name("flex_api", "v1").answer is ProductAnswer.NONE
    assert at_host("flex-api", "/v1/Insights/Segments").answer is ProductAnswer.HERE
    assert [by_name("conversations", one).title for one in ("", "v1", "v2")] == [
        "Conversations",
        "Conversations",
        "Conversations, version 2",
    ]


@pytest.mark.parametrize("domain", DOMAINS)
def test_each_domain_of_the_sdk_is_a_product_by_host_and_by_name(domain):
    assert by_name(domain) is not None
    assert at_host(host_of(domain), "/v1/Anything") is not None
    assert by_name(domain.replace("_", "-")) == by_name(domain)


@pytest.mark.parametrize("domain", [one for one in DOMAINS if by_name(one).answer is not ProductAnswer.HERE])
def test_an_address_and_the_sdks_call_are_answered_alike(domain):
    version = by_name(domain).path[:1] or ("v1",)
    by_url = read_paste(f"POST https://{host_of(domain)}.twilio.com/{version[0]}/Things/X1")
    assert read_paste(f"client.{domain}.{version[0]}.things('X1').update()").unmapped == by_url.unmapped
    node = "".join(part.capitalize() if number else part for number, part in enumerate(domain.split("_")))
    assert read_paste(f"await client.{node}.{version[0]}.things('X1').update();").unmapped == by_url.unmapped
    assert by_url.suggestions == ()


def test_an_error_that_names_a_permission_outside_the_catalogue_says_how_it_is_added():
    reading = read_paste('{"code": 70051, "message": "required permission twilio/serverless/things/list is missing"}')
    assert reading.suggestions == ()
    assert "a portal admin can add it under “Catalogue permissions”" in reading.unmapped[0]


def test_many_calls_of_one_product_are_answered_once():
    own = [(method, path) for domain, method, path, _ in OPERATIONS if domain == "wireless"]
    reading = read_paste("\n".join(f"{method} https://wireless.twilio.com{path}" for method, path in own))
    assert len(own) > 10
    assert len(reading.unmapped) == 1


def test_what_an_operator_added_is_where_to_look():
    known = extended(catalogue(), added=CHATS, removed=[], observed={})
    said = answer("GET", "conversations", "/v1/Conversations", known)
    assert "Look under Conversations in the list." in said
    assert DOCUMENTED not in said
    assert answers_to("conversations", known) == ()
    assert DOCUMENTED in answer("GET", "serverless", "/v1/Services", known)


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("GET https://api.twilio.com/2010-04-01/Accounts/AC1/SIP/Domains/SD1/Auth/Calls", "Look under Voice in"),
        ("GET https://api.twilio.com/2010-04-01/Accounts/AC1/Balance.json", "Look under Billing in"),
        ("client.usage.triggers.list()", "Look under Billing in"),
        ("client.addresses.list()", "Look under Phone numbers in"),
        ("client.frobs.list()", "Look under Identity and access, Messaging, Phone numbers or Voice in"),
        ("client.messaging.v1.tollfree_verifications.list()", "Look under Messaging in"),
        ("https://nothing.twilio.com/v1/X", "is not known here. If Twilio documents another"),
        ("PUT https://messaging.twilio.com/v1/Services", "only GET and POST are. If Twilio documents one"),
    ],
)
def test_what_is_not_known_says_where_to_look(text, look):
    reading = read_paste(text)
    assert reading.suggestions == ()
    assert look in " ".join(reading.unmapped)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sync", NONE),
        ("Sync", NONE),
        ("trust", NONE),
        ("serverless", DOCUMENTED),
        ("functions", DOCUMENTED),
        ("twilio functions", DOCUMENTED),
        ("conversations", DOCUMENTED),
        ("organizations", TOKEN),
        ("fax", ENDED),
    ],
)
def test_a_search_for_a_product_is_answered(query, said):
    assert said in " ".join(answers_to(query, catalogue()))


@pytest.mark.parametrize("query", ["", "s", "sy", "messages", "voice", "read", "ync", "*"])
def test_another_search_is_not(query):
    assert answers_to(query, catalogue()) == ()


def test_every_row_says_where_it_is_from_and_none_is_in_vain():
    assert len({(one.host, one.path) for one in twilio_products()}) == len(twilio_products())
    titles = {product.name for product in catalogue().products}
    for one in twilio_products():
        assert set(one.catalogue) <= titles
        assert bool(one.catalogue) == (one.answer is ProductAnswer.HERE)
    assert {NONE, DOCUMENTED} == {kind(one.sentence) for one in not_here(catalogue())} - {UNKNOWN, TOKEN, ENDED}
