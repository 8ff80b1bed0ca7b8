"""How many queries a page runs at most, whatever the data."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from keys_app.reconcile.run import reconcile
from tests.cast import READ_MESSAGES

MOST = 15
MOST_AT_HOME = 22  # each part of the to-do list asks once, however long it is
MOST_DECIDING = 19  # the page of one request shows what is held
MOST_OF_REQUESTS = 21  # whose turn the rows are, however many they are


@pytest.fixture
def full_cast(cast):
    for number in range(4):
        cast.ask(friendly_name=f"pending-{number}", permissions=READ_MESSAGES)
        cast.ask("engineer2", friendly_name=f"foreign-{number}", account=cast.other_account.sid)
        cast.issued(friendly_name=f"issued-{number}")
    return cast


@pytest.mark.parametrize("role", ["engineer", "lead", "security", "admin"])
def test_it_stays_within_the_limit_on_every_page(full_cast, role):
    """A page that refuses somebody is left out: that they were refused is written, once an hour."""
    client = full_cast.client(role)
    key_request, _ = full_cast.issued(friendly_name="last")
    urls = ["/", "/requests/", "/requests/new/", "/keys/", "/healthz", "/admin/"]
    urls += ["/audit/", "/audit/verify/"] if role == "security" else []  # a refusal is written down as well
    urls += [f"/requests/{key_request.pk}/", f"/keys/{key_request.keys.get().sid}/"] if role != "admin" else []
    urls += ["/admin/keys_app/keyrequest/"]
    urls += [f"/admin/keys_app/keyrequest/{key_request.pk}/change/"] if role in ("lead", "security") else []
    urls += ["/keys/?state=live&q=issued"]
    urls += ["/keys/revoke/?owner=engineer", "/keys/?owner=engineer"] if role in ("lead", "security") else []
    urls += ["/keys/left/", "/keys/unmanaged/"] if role in ("lead", "security") else []
    urls += ["/reconciliation/"] if role == "security" else []
    seen = 0
    reconcile()
    for url in urls:
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(url)
        if answer.status_code == 200:
            listed = url in ("/requests/", "/admin/keys_app/keyrequest/")
            most = (
                MOST_OF_REQUESTS
                if listed
                else MOST_DECIDING
                if "/keyrequest/" in url
                else MOST_AT_HOME
                if url == "/"
                else MOST
            )
            assert len(captured) <= most, (url, [one["sql"][:100] for one in captured])
            seen += 1
    assert seen >= 5


def _queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize(
    "url",
    [
        *("/", "/requests/", "/keys/", "/keys/left/", "/keys/unmanaged/", "/admin/keys_app/keyrequest/"),
        *("/keys/revoke/?owner=engineer", "/keys/?owner=engineer"),
    ],
)
def test_it_needs_no_more_queries_for_more_rows(full_cast, url):
    client = full_cast.client("lead")
    before = _queries(client, url)
    for number in range(3):
        full_cast.ask(friendly_name=f"more-{number}")
        full_cast.issued(friendly_name=f"more-issued-{number}")
    assert _queries(client, url) == before
