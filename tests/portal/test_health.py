"""What watches the portal gets its two answers without signing in, whatever it calls the portal."""

import logging
import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import DisallowedHost
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest
from django.template import TemplateSyntaxError
from django.test import Client

from portal import readiness
from portal.logs import RefusalFilter

BOTH = ["/healthz", "/readyz"]


@pytest.fixture(autouse=True)
def _looked_at_anew():
    readiness._static_addresses.cache_clear()
    yield
    readiness._static_addresses.cache_clear()


@pytest.fixture
def collected(tmp_path, settings):
    """Static files as they are served for real: by the names in the manifest that `collectstatic` writes."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    return tmp_path


@pytest.mark.parametrize("url", BOTH)
def test_it_answers_anybody(db, url):
    answer = Client().get(url)
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert answer["Content-Type"].startswith("text/plain")
    head = Client().head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert Client().post(url).status_code == 405


@pytest.mark.parametrize("host", ["10.1.2.3:8000", "[::1]", "127.0.0.1:99999999", "no such host<>", "", None])
@pytest.mark.parametrize("url", BOTH)
def test_it_answers_whatever_the_host_is(db, settings, caplog, url, host):
    """A probe goes to a process by its address."""
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    headers = {} if host is None else {"HTTP_HOST": host}
    answer = Client(SERVER_NAME="10.1.2.3", **headers).get(url)
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_page_for_another_host_is_refused_in_one_line(db, settings, caplog):
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    assert Client(HTTP_HOST="10.1.2.3").get("/accounts/login/").status_code == 400
    (record,) = (one for one in caplog.records if one.levelno >= logging.WARNING)
    assert "10.1.2.3" in record.getMessage()
    assert _as_logged(record) == ("WARNING", None)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"xx", "multipart/form-data; boundary="),
        ("&".join(f"a{n}=1" for n in range(2000)).encode(), "application/x-www-form-urlencoded"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(db, caplog, body, content_type):
    assert Client().post("/accounts/login/", body, content_type=content_type).status_code == 400
    (record,) = (one for one in caplog.records if one.levelno >= logging.WARNING)
    assert _as_logged(record) == ("WARNING", None)


def test_a_fault_of_the_portal_keeps_its_traceback():
    try:
        raise DisallowedHost
    except DisallowedHost:
        record = logging.LogRecord("django.request", logging.ERROR, "", 1, "it failed", (), sys.exc_info())
    record.status_code = 500
    level, traceback = _as_logged(record)
    assert level == "ERROR" and traceback is not None


def _as_logged(record):
    """Return the level and traceback a record has after the filter of the portal's handler."""
    assert RefusalFilter().filter(record)
    return record.levelname, record.exc_info


def test_the_portal_logs_through_the_filter(settings):
    assert settings.LOGGING["handlers"]["stderr"]["filters"] == ["refusals"]
    assert settings.LOGGING["filters"]["refusals"]["()"] == "portal.logs.RefusalFilter"


def not_ready(reason):
    answer = Client(HTTP_HOST="10.1.2.3").get("/readyz")
    assert answer.status_code == 503
    assert answer.content.decode() == f"{reason}\n"
    assert Client().head("/readyz").status_code == 503
    assert Client().get("/healthz").status_code == 200


def test_it_is_not_ready_without_every_migration(db):
    recorder = MigrationRecorder(connection)
    last = MigrationLoader(connection).graph.leaf_nodes("keys_app")[-1]
    recorder.record_unapplied(*last)
    not_ready("migrations are missing: run manage.py migrate")
    recorder.record_applied(*last)
    assert Client().get("/readyz").status_code == 200


def test_it_is_not_ready_without_collected_static_files(db, collected):
    """Every page is a 500 then, and the 500 itself still has words."""
    page = Client(raise_request_exception=False).get("/accounts/login/")
    assert page.status_code == 500 and "Something failed" in page.content.decode()
    assert Client(HTTP_HOST="nowhere").get("/accounts/login/").status_code == 400
    not_ready("static files are missing: run manage.py collectstatic, then start this process again")


def test_it_is_not_ready_with_static_files_of_another_release(db, collected):
    (collected / "staticfiles.json").write_text('{"version": "1.1", "hash": "", "paths": {"portal/icon.svg": "i.svg"}}')
    not_ready("static files are missing: run manage.py collectstatic, then start this process again")


def test_it_is_ready_with_collected_static_files(db, settings, tmp_path):
    """As a process of its own, which reads the list of files once."""
    environment = {**os.environ, "PORTAL_STATIC_ROOT": str(tmp_path), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    subprocess.run([sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"], env=environment, check=True)
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    assert Client().get("/accounts/login/").status_code == 200
    assert Client().get("/readyz").status_code == 200


def test_it_is_not_ready_with_other_encryption_keys(cast, settings):
    assert Client().get("/readyz").status_code == 200
    ours, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, [Fernet.generate_key().decode()]
    reason = "no stored credential can be decrypted: PORTAL_ENCRYPTION_KEYS lacks the key they were encrypted with"
    not_ready(reason)
    settings.ENCRYPTION_KEYS = [*settings.ENCRYPTION_KEYS, *ours]
    assert Client().get("/readyz").status_code == 200


def test_one_credential_of_an_old_key_keeps_no_one_out(cast, settings):
    """It is one account's trouble: its own page says so."""
    cast.account.credential_ciphertext = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    cast.account.save()
    assert Client().get("/readyz").status_code == 200


@pytest.mark.parametrize("name", ["PORTAL_CATALOGUE_FILE", "PORTAL_TEMPLATES_FILE"])
def test_it_is_not_ready_with_a_broken_file_of_the_operator(db, settings, tmp_path, name):
    path = tmp_path / "own"
    path.write_text("no such thing = [")
    setattr(settings, name.removeprefix("PORTAL_"), path)
    not_ready(f"the file that {name} names cannot be used; the log says why")


def test_it_is_not_ready_without_a_database(db, monkeypatch, caplog):
    def gone(*_, **__):
        raise OperationalError("password=hunter2")

    with monkeypatch.context() as patched:
        patched.setattr(CursorWrapper, "execute", gone)
        not_ready("the database does not answer")
    assert not [record for record in caplog.records if record.exc_info]


def test_it_is_not_ready_where_pages_cannot_be_rendered(db, monkeypatch):
    def broken(*_, **__):
        raise TemplateSyntaxError("/srv/portal/templates/base.html")

    monkeypatch.setattr(readiness, "render_to_string", broken)
    not_ready("pages cannot be rendered; the log says why")


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_it_is_not_ready_where_the_database_can_only_be_read(db):
    """As a replica that has not taken over yet."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    not_ready("the database can only be read")


def test_alive_does_not_ask_the_database(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/healthz").status_code == 200


def test_ready_asks_it_little(cast, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        assert readiness.problem(HttpRequest()) == ""
