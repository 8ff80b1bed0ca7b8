"""What a portal admin adds to the catalogue, or takes out of it."""

import html
import re

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys_app.audit.ledger import matching
from keys_app.catalogue.current import current_catalogue
from keys_app.catalogue.models import CataloguePermission
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.permissions.catalogue import catalogue
from keys_app.permissions.risk import risk_of
from tests.cast import text_of

LIST = "/admin/keys_app/cataloguepermission/"
CHATS = "/twilio/conversations/conversations/read"
USAGE = "/twilio/billing/usage/read"


@pytest.fixture
def admin(cast):
    return cast.client("admin")


def add(admin, name, **fields):
    return admin.post(LIST + "add/", {"name": name, "meaning": "", **fields})


def page_of(name):
    return f"{LIST}{name.replace('/', '_2F')}/"


def only_event():
    event = matching().get()
    assert event.actor_name == "Admin Person"
    return event


def test_an_addition_is_in_the_catalogue_and_in_the_ledger(admin):
    answer = add(admin, CHATS, meaning="conversations and who is in them")
    assert answer.status_code == 302, text_of(answer)
    assert current_catalogue().get(CHATS).evidence == "operator"
    event = only_event()
    assert (event.action, event.details["subject"]) == ("cataloguepermission.created", CHATS)
    assert {"saved": {"meaning": "conversations and who is in them", "removed": False}} in event.details["changes"]
    assert CHATS in text_of(admin.get(LIST))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "This field is required"),
        ("/twilio/voice/calls/*", "Name each action. The wildcard appears by itself"),
        ("/twilio/voice/read", "names no resource with an action"),
        ("/twilio/voice", "names no resource with an action"),
        ("twilio/voice/calls/read", "A permission begins with /twilio/."),
        ("/twilio/voice/сalls/list", "“с” is in no permission"),  # a Cyrillic letter
        ("/twilio/Voice/calls/list", "“V” is in no permission"),
        ("/twilio/voice/calls/fetch", "one of list, read, create, update, delete"),
        ("/twilio/voice/call/read", "This is very like voice/calls, which the portal has."),
        ("/twilio/voice/" + "x" * 200 + "/read", "at most 200 characters"),
        (USAGE, "The portal has this permission anyway."),
    ],
)
def test_what_is_wrong_with_a_name_is_said_at_the_field(admin, name, words):
    answer = add(admin, name)
    assert answer.status_code == 200
    assert words in text_of(answer)
    assert not CataloguePermission.objects.exists()
    assert not matching().exists()


def test_a_look_alike_can_be_insisted_on(admin):
    assert add(admin, "/twilio/voice/call/read", spelled_right="on").status_code == 302
    assert "/twilio/voice/call/read" in current_catalogue()


def test_a_look_alike_of_an_addition_is_pointed_out_too(admin):
    add(admin, CHATS)
    assert "very like conversations/conversations" in text_of(add(admin, CHATS.replace("ions/read", "ion/read")))


def test_the_same_name_twice_is_refused(admin):
    add(admin, CHATS)
    assert "already exists" in text_of(add(admin, CHATS))


def test_a_permission_that_twilio_removed_cannot_be_chosen(admin, cast):
    assert add(admin, USAGE, removed="on").status_code == 302
    assert USAGE not in current_catalogue()
    assert {"saved": {"meaning": "", "removed": True}} in only_event().details["changes"]
    admin.post(page_of(USAGE) + "delete/", {"post": "yes"})
    assert USAGE in current_catalogue()


def test_its_name_cannot_be_changed(admin):
    add(admin, CHATS)
    admin.post(page_of(CHATS) + "change/", {"name": USAGE, "meaning": "chats", "removed": "on"})
    entry = CataloguePermission.objects.get()
    assert (entry.name, entry.meaning, entry.removed) == (CHATS, "chats", True)
    changed = matching(action="cataloguepermission.changed").get()
    assert {"saved": {"meaning": "chats", "removed": True}} in changed.details["changes"]


def test_an_entry_that_says_nothing_is_refused(admin):
    add(admin, USAGE, removed="on")
    answer = admin.post(page_of(USAGE) + "change/", {"meaning": ""})
    assert "Tick this, or do without the entry" in text_of(answer)
    assert CataloguePermission.objects.get().removed


def test_an_unused_addition_can_be_deleted(admin):
    add(admin, CHATS)
    assert "In use No" in text_of(admin.get(page_of(CHATS) + "change/"))
    assert admin.post(page_of(CHATS) + "delete/", {"post": "yes"}).status_code == 302
    assert not CataloguePermission.objects.exists()
    assert matching(action="cataloguepermission.deleted").exists()


@pytest.mark.parametrize("by", ["request", "key"])
def test_an_addition_in_use_is_kept_and_the_page_says_why(admin, cast, by):
    key_request, _ = cast.issued()
    add(admin, CHATS)
    held = f'{{"allow":["{CHATS}"]}}'
    if by == "key":
        ApiKey.objects.update(policy_json=held)
    else:
        KeyRequest.objects.create(
            requester=key_request.requester,
            team=cast.team,
            account=cast.account,
            friendly_name="chats",
            lifetime_days=1,
            policy_json=held,
            risk="low",
            created_at=key_request.created_at,
        )
    assert "1 open requests or live keys hold it" in text_of(admin.get(page_of(CHATS) + "change/"))
    assert admin.post(page_of(CHATS) + "delete/", {"post": "yes"}).status_code == 403
    assert CataloguePermission.objects.exists()


@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_it_is_for_portal_admins(cast, role):
    CataloguePermission.objects.create(name=CHATS)
    client = cast.client(role)
    for page in (LIST, LIST + "add/", page_of(CHATS) + "change/", page_of(CHATS) + "delete/"):
        assert client.get(page, follow=True).status_code == 403
        assert client.post(page, {"name": USAGE, "removed": "on", "post": "yes"}, follow=True).status_code == 403
    assert list(CataloguePermission.objects.values_list("name", "removed")) == [(CHATS, False)]


def test_its_history_is_in_the_audit(admin, cast):
    add(admin, CHATS)
    admin.post(page_of(CHATS) + "change/", {"meaning": "chats", "removed": "on"})
    assert admin.get(page_of(CHATS) + "history/").status_code == 404
    cast.user("admin").groups.add(Group.objects.get(name="Security"))
    words = text_of(cast.client("admin").get(page_of(CHATS) + "history/", follow=True))
    assert "cataloguepermission.created" in words
    assert "cataloguepermission.changed" in words


def listed(client, query=""):
    return [line.name for line in client.get(LIST + query).context["page"].paginator.object_list]


def test_it_lists_the_built_in_permissions_beside_the_additions(admin):
    built_in = len(listed(admin))
    assert built_in == len(catalogue()) >= 514
    add(admin, CHATS, meaning="conversations and who is in them")
    add(admin, USAGE, removed="on")
    assert len(listed(admin)) == built_in + 1
    words = text_of(admin.get(LIST + "?q=conversations+read"))
    assert f"{CHATS} can read conversations and who is in them (Conversations) Conversations" in words
    assert "Added here" in words
    words = text_of(admin.get(LIST + "?q=" + USAGE))
    assert "Billing Low Removed here Change" in words
    assert "Mark as removed" not in words
    assert listed(admin, "?origin=removed") == [USAGE]
    assert listed(admin, "?origin=added") == [CHATS]


def test_it_is_searched_by_word_product_and_risk(admin):
    found = listed(admin, "?product=voice&risk=high")
    assert found
    assert all(name.startswith("/twilio/voice/") and risk_of(name) == "high" for name in found)
    assert listed(admin, "?q=no-such-thing") == []
    assert "No permission matches" in text_of(admin.get(LIST + "?q=no-such-thing"))
    assert text_of(admin.get(LIST)) != text_of(admin.get(LIST + "?page=2"))
    assert admin.get(LIST + "?page=x&risk=none&product=%00").status_code in (200, 400)


def test_a_built_in_one_is_not_edited_but_can_be_marked_as_removed(admin):
    assert admin.get(page_of(USAGE) + "change/").status_code == 302
    page = admin.get(LIST + "?q=" + USAGE).content.decode()
    [link] = re.findall(r'href="(/admin/[^"]*add/[?][^"]*)"', page)
    form = admin.get(html.unescape(link)).context["adminform"].form
    assert (form["name"].value(), form["removed"].value()) == (USAGE, "on")


def test_the_list_needs_no_more_queries_for_more_entries(admin):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(LIST).status_code == 200
        return len(captured)

    add(admin, CHATS)
    before = queries()
    for number in range(5):
        add(admin, f"/twilio/conversations/part{number}/read", spelled_right="on")
    assert queries() == before
