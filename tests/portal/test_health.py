"""What watches the portal gets its two answers without signing in."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client


@pytest.mark.parametrize("url", ["/healthz", "/readyz"])
def test_it_answers_anybody(db, url):
    answer = Client().get(url)
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert answer["Content-Type"].startswith("text/plain")
    assert Client().head(url).status_code == 200
    assert Client().post(url).status_code == 405


def test_it_is_not_ready_without_every_migration(db):
    recorder = MigrationRecorder(connection)
    newest = MigrationLoader(connection).graph.leaf_nodes("keys_app")[0]
    recorder.record_unapplied(*newest)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"migrations are missing\n")
    assert Client().get("/healthz").status_code == 200
    recorder.record_applied(*newest)
    assert Client().get("/readyz").status_code == 200


def test_alive_does_not_ask_the_database(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/healthz").status_code == 200
