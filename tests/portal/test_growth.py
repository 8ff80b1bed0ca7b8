"""What others asked for in the past makes no one's pages slower: steps of SQLite's machine are counted, not time."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from tests.bench import bulk

pytestmark = pytest.mark.skipif("connection.vendor != 'sqlite'")

FIRST, MORE, MOST = 300, 3000, 1.5
OF_OTHERS = bulk.Shares(waiting=0, live=False, of_the_team=0, of_the_engineer=0)
PAGES = [
    ("engineer", "/requests/"),
    ("engineer", "/keys/"),
    ("engineer", "/accounts/profile/"),
    ("lead", "/requests/"),
    ("lead", "/keys/"),
    ("lead", "/keys/left/"),
    ("security", "/keys/left/"),
    ("security", "/reviews/2026-Q4/"),
]


def signed_in(name):
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def steps_of(client, path):
    """Return how many hundred steps SQLite takes for a page."""
    taken = []
    connection.ensure_connection()
    client.get(path)  # what is looked up once
    connection.connection.set_progress_handler(lambda: taken.append(1) and 0, 100)
    answer = client.get(path)
    connection.connection.set_progress_handler(None, 0)
    assert answer.status_code == 200, path
    return len(taken)


def test_the_past_of_others_makes_no_page_slower(db, standin):
    company = bulk.fill(FIRST)
    clients = {role: signed_in(role) for role, _ in PAGES}
    before = {page: steps_of(clients[page[0]], page[1]) for page in PAGES}
    bulk.fill(MORE, company, OF_OTHERS, hire=False)
    after = {page: steps_of(clients[page[0]], page[1]) for page in PAGES}
    assert {page: steps for page, steps in after.items() if steps > MOST * before[page] + 10} == {}
