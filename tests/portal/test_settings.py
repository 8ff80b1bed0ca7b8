"""What the portal needs to start, and what it refuses to start with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "uR5xT9wQ2kLm7ZpV4cNb8HsJd3GfYa6EoKi1Xt0MvBqWzC-rSn"
NEEDED = {"PORTAL_SECRET_KEY": SECRET_KEY, "PORTAL_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
SHOW = """
import json, portal.settings as s
names = [name for name in dir(s) if name.isupper()]
print(json.dumps({name: getattr(s, name) for name in names}, default=str))
"""


def run(*arguments, **environment):
    """Run Python with these variables only."""
    known = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "portal.settings"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**known, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def settings_with(**environment):
    answer = run("-c", SHOW, **{**NEEDED, **environment})
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def refusal(**environment):
    """Return the last line the portal says when it does not start; a value of None is left out."""
    given = {name: value for name, value in {**NEEDED, **environment}.items() if value is not None}
    answer = run("-c", "import portal.settings", **given)
    assert answer.returncode != 0, "it started"
    assert SECRET_KEY not in answer.stderr
    last_line = answer.stderr.strip().splitlines()[-1]
    assert last_line.startswith("django.core.exceptions.ImproperlyConfigured: "), last_line
    return last_line


def test_it_starts_with_the_two_keys_alone():
    answer = run("manage.py", "check", **NEEDED)
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stderr


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_it_does_not_start_without_a_key(name, value):
    assert f"Set {name} (or {name}_FILE)." in refusal(**{name: value})


def test_a_command_fails_without_a_key_too():
    answer = run("manage.py", "migrate", PORTAL_SECRET_KEY=SECRET_KEY)
    assert answer.returncode != 0
    assert "Set PORTAL_ENCRYPTION_KEYS" in answer.stderr


def test_it_does_not_start_with_a_short_secret_key():
    assert "PORTAL_SECRET_KEY is too short" in refusal(PORTAL_SECRET_KEY=SECRET_KEY[:49])


def test_keys_can_come_from_files(tmp_path):
    paths = {}
    for name, value in NEEDED.items():
        path = tmp_path / name
        path.write_text(value + "\n")
        paths[f"{name}_FILE"] = str(path)
    answer = run("-c", SHOW, **paths)
    assert answer.returncode == 0, answer.stderr
    read = json.loads(answer.stdout)
    assert read["SECRET_KEY"] == SECRET_KEY
    assert read["ENCRYPTION_KEYS"] == [NEEDED["PORTAL_ENCRYPTION_KEYS"]]


def test_an_empty_file_is_no_key(tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("\n")
    answer = refusal(PORTAL_SECRET_KEY=None, PORTAL_SECRET_KEY_FILE=str(empty))
    assert "Set PORTAL_SECRET_KEY" in answer


@pytest.mark.parametrize("name", ["PORTAL_BASE_URL", "TWILIO_IAM_BASE_URL"])
@pytest.mark.parametrize(
    "value",
    ["http://portal.example.com", "http://10.0.0.1:8000", "http://127.0.0.1.example.com", "ftp://localhost"],
)
def test_it_does_not_send_secrets_in_the_clear(name, value):
    assert f"{name} must start with https://" in refusal(**{name: value})


@pytest.mark.parametrize("name", ["PORTAL_BASE_URL", "TWILIO_IAM_BASE_URL"])
@pytest.mark.parametrize(
    "value",
    ["portal.example.com", "https://", "https://host/path", "https://host?q=1", "https://user:pw@host"],
)
def test_an_address_must_be_an_origin(name, value):
    assert f"{name} must be an origin" in refusal(**{name: value})


@pytest.mark.parametrize("value", ["http://localhost:8000", "http://127.0.0.1:1", "http://[::1]:8000"])
def test_http_is_for_this_machine(value):
    read = settings_with(PORTAL_BASE_URL=value, TWILIO_IAM_BASE_URL=value)
    assert read["SESSION_COOKIE_SECURE"] is False


def test_it_does_not_start_where_tls_keys_are_logged(tmp_path):
    assert "Unset SSLKEYLOGFILE" in refusal(SSLKEYLOGFILE=str(tmp_path / "keys"))


def test_https_hardens_the_cookies():
    read = settings_with(PORTAL_BASE_URL="https://portal.example.com")
    assert read["SESSION_COOKIE_SECURE"] is read["CSRF_COOKIE_SECURE"] is True
    assert read["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert read["CSRF_COOKIE_NAME"].startswith("__Host-")
    assert read["CSRF_COOKIE_HTTPONLY"] is True
    assert "cookie" not in read["MESSAGE_STORAGE"] and "fallback" not in read["MESSAGE_STORAGE"]
    assert read["SECURE_HSTS_SECONDS"] >= 31536000
    assert read["ALLOWED_HOSTS"] == ["portal.example.com"]
    assert read["CSRF_TRUSTED_ORIGINS"] == ["https://portal.example.com"]


def test_the_real_twilio_is_the_default():
    read = settings_with()
    assert "iam.twilio.com" in str(read["TWILIO_IAM_BASE_URL"])


def test_the_debug_page_cannot_be_switched_on():
    read = settings_with(DEBUG="1", DJANGO_DEBUG="1", PORTAL_DEBUG="1")
    assert read["DEBUG"] is False


@pytest.mark.parametrize("url", ["sqlite:////tmp/portal.sqlite3", "postgres://user:password@127.0.0.1/portal"])
def test_a_request_is_no_transaction(url):
    """Issuing commits before it calls Twilio, which a transaction around the request would undo."""
    database = settings_with(DATABASE_URL=url)["DATABASES"]["default"]
    assert database["ATOMIC_REQUESTS"] is False


def test_no_cursor_outlives_its_transaction():
    """Django's own forms read users and teams with one, which PgBouncer loses between two transactions."""
    database = settings_with(DATABASE_URL="postgres://user:password@127.0.0.1/portal")["DATABASES"]["default"]
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True


def test_these_tests_run_with_the_same_rules():
    assert settings.DEBUG is False
    assert connection.settings_dict["ATOMIC_REQUESTS"] is False


def test_a_secret_key_may_begin_with_a_dollar_sign():
    assert settings_with(PORTAL_SECRET_KEY="$" + SECRET_KEY)["SECRET_KEY"] == "$" + SECRET_KEY


def test_it_does_not_start_with_a_file_it_cannot_read(tmp_path):
    assert "PORTAL_SECRET_KEY_FILE" in refusal(PORTAL_SECRET_KEY_FILE=str(tmp_path / "none"))


def test_it_does_not_start_with_an_encryption_key_that_is_none():
    assert "not a Fernet key" in refusal(PORTAL_ENCRYPTION_KEYS=NEEDED["PORTAL_ENCRYPTION_KEYS"] + ",short")


@pytest.mark.parametrize("value", ["https://host:abc", "https://[::1", "https://@host", "https://:pw@host"])
def test_an_address_that_cannot_be_read_is_refused_in_words(value):
    assert "must be an origin" in refusal(PORTAL_BASE_URL=value)


def test_the_operators_files_are_found(tmp_path):
    show = "import portal.settings as s; print(s.TEMPLATES_FILE.read_text(), s.CATALOGUE_FILE)"
    (tmp_path / "own").write_text("tasks")
    own = {"PORTAL_TEMPLATES_FILE": str(tmp_path / "own"), "PORTAL_CATALOGUE_FILE": "/etc/permissions.tsv"}
    answer = run("-c", show, **NEEDED, **own)
    assert answer.stdout == "tasks /etc/permissions.tsv\n", answer.stderr


def test_it_reads_when_requests_lapse_and_when_the_digest_goes():
    read = settings_with(PORTAL_PENDING_LAPSES_AFTER="3600", PORTAL_APPROVAL_LAPSES_AFTER="60", PORTAL_DIGEST_HOUR="0")
    assert (read["PENDING_LAPSES_AFTER"], read["APPROVAL_LAPSES_AFTER"]) == ("1:00:00", "0:01:00")
    assert read["DIGEST_HOUR"] == 0
    read = settings_with()
    assert (read["PENDING_LAPSES_AFTER"], read["APPROVAL_LAPSES_AFTER"]) == ("14 days, 0:00:00", "3 days, 0:00:00")
    assert (read["DIGEST_HOUR"], read["WEBHOOK_ALLOW_PRIVATE"]) == (7, False)


@pytest.mark.parametrize("name", ["PORTAL_PENDING_LAPSES_AFTER", "PORTAL_APPROVAL_LAPSES_AFTER", "PORTAL_DIGEST_HOUR"])
@pytest.mark.parametrize("value", ["-1", "soon", "", "99999999999999"])
def test_it_refuses_a_number_that_is_none(name, value):
    assert f"{name} must be a whole number" in refusal(**{name: value})


def _sender(tmp_path, *arguments):
    """Start the sender on a database that has no tables yet, so that every step of it fails."""
    known = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"}
    return subprocess.Popen(
        [sys.executable, "manage.py", "send_notices", *arguments],
        cwd=ROOT,
        env={**known, **NEEDED},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_sender_fails_when_nothing_works(tmp_path):
    sender = _sender(tmp_path)
    out, err = sender.communicate(timeout=60)
    assert sender.returncode == 1
    assert out == "0 notices sent; 0 to be tried again; 0 given up\n"
    assert "removing what is old failed" in err
    assert "Not everything could be sent" in err.splitlines()[-1]


def test_the_sender_goes_on_after_a_failure_and_stops_when_it_is_asked_to(tmp_path):
    sender = _sender(tmp_path, "--every", "1")
    failures = 0
    for line in sender.stderr:
        failures += "removing what is old failed" in line
        if failures == 2:
            break
    sender.terminate()
    sender.communicate(timeout=60)
    assert sender.returncode == 0
