"""Pages that look again by themselves: which do, how often, and that what they ask is no use of the portal."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys_app.audit import ledger
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.users.models import LimitedUse
from keys_app.users.sessions import BACKGROUND
from tests.cast import READ_MESSAGES
from tests.key_requests.test_questions import ask
from tests.users.test_session_times import HOUR, last_used, unused

MOST = 18
MOST_NAMING = 25  # a pending request names who may decide it, and says who was told; home does for all that is to do


def every(answer) -> int:
    """Return after how many seconds a page asks again; 0 if it never does."""
    found = re.findall(r'hx-trigger="every (\d+)s', answer.content.decode())
    assert len(found) <= 1, "one request a page"
    return int(found[0]) if found else 0


@pytest.fixture
def pages(cast):
    """Return the address of each page that waits, by what it waits for."""
    urls = {"home": "/"}
    waits = {"pending": cast.ask(friendly_name="pending"), "asked": cast.ask(friendly_name="asked")}
    ask(cast, "lead", waits["asked"], "Why?")
    waits["approved"] = cast.approved(friendly_name="approved")
    for name in ("issuing", "unknown"):
        waits[name] = cast.approved(friendly_name=name)
        KeyRequest.objects.filter(pk=waits[name].pk).update(state="issuing")
        started = timezone.now() - timedelta(hours=name == "unknown")
        Issuance.objects.create(request=waits[name], number=1, marker=name[0].upper() * 12, started_at=started)
    for name in ("key", "revoking"):
        key = cast.issued(friendly_name=name, permissions=READ_MESSAGES)[0].keys.get()
        urls[name] = f"/keys/{key.sid}/"
    ApiKey.objects.filter(request__friendly_name="revoking").update(state="revoking", revoke_reason="Old.")
    return urls | {name: f"/requests/{one.pk}/" for name, one in waits.items()}


def test_what_waits_for_twilio_asks_oftener_than_what_waits_for_people(cast, pages):
    client = cast.client("engineer")
    asked = {name: every(client.get(url)) for name, url in pages.items()}
    soon = dict.fromkeys(("issuing", "unknown", "revoking"), 5)
    assert asked == dict.fromkeys(("home", "pending", "asked", "approved", "key"), 15) | soon


def test_a_request_that_is_narrowed_meanwhile_follows_with_its_policy_and_lifetime(cast):
    page = cast.client("engineer").get(f"/requests/{cast.ask(permissions=READ_MESSAGES).pk}/").content.decode()
    (others,) = re.findall(r'hx-select-oob="([^"]*)"', page)
    assert {"#request-policy", "#request-lifetime"} <= set(others.split(","))
    assert all(page.count(f'id="{name[1:]}"') == 1 for name in others.split(",") if name != "#nav-waiting")
    policy = page.partition('id="request-policy"')[2].partition("</div>\n")[0]
    assert READ_MESSAGES[0] in policy
    assert re.search(r'<dd id="request-lifetime">30 days', page)


def test_what_is_over_asks_no_more(cast):
    rejected = cast.ask()
    cast.decide("lead", rejected, "reject", "No.")
    issued, _ = cast.issued(friendly_name="revoked")
    ApiKey.objects.update(state="revoked", revoked_at=timezone.now(), revoke_reason="Old.")
    client = cast.client("engineer")
    for url in (f"/requests/{rejected.pk}/", f"/requests/{issued.pk}/", f"/keys/{issued.keys.get().sid}/"):
        assert every(client.get(url)) == 0


@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_a_poll_is_no_use_and_stays_cheap(cast, pages, role):
    client = cast.client(role)
    for name, url in pages.items():
        unused(client, HOUR)
        before = (last_used(client), LimitedUse.objects.count(), ledger.size())
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url, headers={BACKGROUND: "1", "HX-Request": "true"}).status_code == 200
        most = MOST_NAMING if name in ("home", "pending", "asked") else MOST
        assert len(captured) <= most, (name, [one["sql"][:100] for one in captured])
        assert not [one["sql"] for one in captured if not one["sql"].lstrip("(").startswith("SELECT")], name
        assert (last_used(client), LimitedUse.objects.count(), ledger.size()) == before, name


def test_an_ended_session_is_answered_with_no_page_of_the_request(cast, pages):
    client = cast.client("engineer")
    unused(client)
    answer = client.get(pages["pending"], headers={BACKGROUND: "1", "HX-Request": "true"}, follow=True)
    assert 'id="request-status"' not in answer.content.decode()


def test_each_part_that_is_replaced_is_there(cast, pages):
    client = cast.client("lead")
    for name, url in pages.items():
        html = client.get(url).content.decode()
        poll = re.search(r'hx-select="#([\w-]+)".*?hx-select-oob="([^"]*)"', html, re.DOTALL)
        for part in [poll[1], *poll[2].replace("#", "").split(",")]:
            assert html.count(f'id="{part}"') == 1, (name, part)


def test_the_navigation_counts_what_waits_for_a_user(cast, pages):
    def counted(role, part):
        html = cast.client(role).get("/").content.decode()
        return re.search(rf'<span id="{part}">\s*(?:<span class="count">(\d+))?', html).group(1)

    assert counted("engineer", "nav-yours") == "2", "one to answer, one to issue"
    assert counted("lead", "nav-yours") is None
    assert counted("lead", "nav-waiting") == "2"
