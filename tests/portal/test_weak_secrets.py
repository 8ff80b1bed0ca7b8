"""The portal starts with no secret that others can guess or read, and answers for no host of others."""

import base64
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from django.core.checks import run_checks
from hypothesis import given
from hypothesis import strategies as st

from portal import weak_secrets
from portal.weak_secrets import why_weak

from .test_env import read, refusal  # noqa: F401
from .test_settings import NEEDED, SECRET_KEY, run

ZEROS, ONES = bytes(32), b"\x01" * 32
PATTERN, COUNTED, WORDS = b"abcd" * 8, bytes(range(32)), b"aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbc"
KEYS = {ZEROS: "is all zeros", ONES: "repeats itself", PATTERN: "repeats itself", COUNTED: "counts up or down"}
KEYS[WORDS] = "has too few different characters"
FERNET_OF_THE_SPECIFICATION = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
PRODUCTION = {"PORTAL_BASE_URL": "https://portal.example.com", "PORTAL_PROXY_ADDRESSES": "127.0.0.1"}
ON_A_FILE = {
    "PORTAL_SECRET_KEY": SECRET_KEY,
    "PORTAL_ENCRYPTION_KEYS": NEEDED["PORTAL_ENCRYPTION_KEYS"],
    "PORTAL_AUDIT_SIGNING_KEY": base64.b64encode(os.urandom(32)).decode(),
    "PORTAL_METRICS_TOKEN": os.urandom(16).hex(),
    "PORTAL_AUDIT_PUSH_TOKEN": "token",
    "DATABASE_URL": "postgres://user:password@127.0.0.1/portal",
    "EMAIL_URL": "smtp://user:password@mail.example.com:25",
}


@pytest.fixture
def open_place():
    """A directory that everyone on the machine may enter; pytest's own are not."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("k" * 50, "repeats itself"),
        ("only-for-tests-" * 5, "repeats itself"),
        (SECRET_KEY[:30] * 2, "repeats itself"),
        ("0" * 60, "repeats itself"),
        ("abcab" * 4 + "bcaac" * 8, "has too few different characters"),
        ("django-insecure-" + SECRET_KEY, "is an example that was to be replaced"),
        ("change-me-to-at-least-fifty-random-characters-please", "is an example that was to be replaced"),
        ("<fifty random characters, made with openssl rand here>", "is an example that was to be replaced"),
    ],
)
def test_it_does_not_start_with_a_secret_key_that_is_not_random(value, why, refusal):  # noqa: F811
    said = refusal(PORTAL_SECRET_KEY=value)
    assert said == f"PORTAL_SECRET_KEY {why}, so others can guess it. {said.partition('guess it. ')[2]}"
    assert "openssl rand -base64 48" in said
    assert value not in said


@pytest.mark.parametrize("key", KEYS)
def test_it_does_not_start_with_an_encryption_key_that_is_not_random(key, refusal):  # noqa: F811
    said = refusal(PORTAL_ENCRYPTION_KEYS=base64.urlsafe_b64encode(key).decode())
    assert f"PORTAL_ENCRYPTION_KEYS' first key {KEYS[key]}, so others can guess it." in said
    assert "Fernet.generate_key()" in said


def test_it_does_not_start_with_a_key_from_a_specification(refusal):  # noqa: F811
    assert "is published" in refusal(PORTAL_ENCRYPTION_KEYS=FERNET_OF_THE_SPECIFICATION)
    for seed in weak_secrets._PUBLISHED - {FERNET_OF_THE_SPECIFICATION}:
        assert "is published" in refusal(PORTAL_AUDIT_SIGNING_KEY=seed)


@pytest.mark.parametrize("key", KEYS)
def test_it_does_not_start_with_a_signing_key_that_is_not_random(key, refusal):  # noqa: F811
    said = refusal(PORTAL_AUDIT_SIGNING_KEY=base64.b64encode(key).decode())
    assert said.startswith(f"PORTAL_AUDIT_SIGNING_KEY {KEYS[key]}, so others can guess it.")
    assert "verifies: 127.0.0.1/audit+" in said  # what it signed can be verified after it is changed


@pytest.mark.parametrize("token", ["t", "token", "0123456789abcdef012", "a" * 32, "changeme" * 3])
def test_it_does_not_start_with_a_token_that_is_short_or_not_random(token, refusal):  # noqa: F811
    said = refusal(PORTAL_METRICS_TOKEN=token)
    assert said.startswith("PORTAL_METRICS_TOKEN ")
    assert "openssl rand -hex 16" in said


def test_an_older_encryption_key_may_be_weak_until_it_is_replaced_and_the_check_says_so(read, settings):  # noqa: F811
    weak = base64.urlsafe_b64encode(PATTERN).decode()
    keys = f"{NEEDED['PORTAL_ENCRYPTION_KEYS']},{weak}"
    settings.ENCRYPTION_KEYS = read(**{**NEEDED, "PORTAL_ENCRYPTION_KEYS": keys})["ENCRYPTION_KEYS"]
    (found,) = [one for one in run_checks() if one.id == "portal.W006"]
    assert "can guess" in found.msg and weak not in str(found)
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    assert not [one for one in run_checks() if one.id == "portal.W006"]


@given(st.binary().map(lambda seed: sha256(seed).digest()))
def test_what_is_random_is_not_refused(key):
    for form in (key, base64.b64encode(key).decode(), key.hex(), key.hex()[:20]):
        assert why_weak(form) == ""


@pytest.mark.parametrize("name", ON_A_FILE)
@pytest.mark.parametrize(
    ("mode", "who"), [(0o644, "everyone on this machine"), (0o604, "everyone"), (0o640, "its group")]
)
def test_a_secret_in_a_file_that_others_can_read_is_refused(name, mode, who, open_place, read, refusal):  # noqa: F811
    file = open_place / "secret"
    file.write_text(ON_A_FILE[name] + "\n")
    file.chmod(mode)
    said = refusal(**{f"{name}_FILE": str(file)})
    assert said.startswith(f"The file that {name}_FILE names can be read by {who}")
    assert said.endswith(f"Run: chmod 600 {file}")
    assert ON_A_FILE[name] not in said
    file.chmod(0o600)
    read(**{**NEEDED, f"{name}_FILE": str(file)})


def test_a_setting_that_is_no_secret_may_be_readable(open_place, read):  # noqa: F811
    file = open_place / "sender"
    file.write_text("file@example.com")
    assert read(**NEEDED, PORTAL_FROM_EMAIL_FILE=str(file))["DEFAULT_FROM_EMAIL"] == "file@example.com"


def _closed(folder):
    (folder / "own").chmod(0o700)


def _reached_by_a_link(folder):
    """As Kubernetes does: what is named is a link, and the file itself in another place."""
    (folder / "named").symlink_to(folder / "own")
    (folder / "own").chmod(0o700)


@pytest.mark.parametrize("close", [_closed, _reached_by_a_link])
def test_a_file_in_a_directory_that_no_one_else_enters_is_not_readable(close, open_place, read, refusal):  # noqa: F811
    (open_place / "own").mkdir()
    file = open_place / "own" / "secret"
    file.write_text(SECRET_KEY)
    file.chmod(0o644)
    assert "can be read by everyone" in refusal(PORTAL_SECRET_KEY_FILE=str(file))
    close(open_place)
    named = open_place / "named" / "secret" if (open_place / "named").exists() else file
    assert read(**NEEDED, PORTAL_SECRET_KEY_FILE=str(named))["SECRET_KEY"] == SECRET_KEY


@pytest.mark.parametrize("how", ["under /run/secrets", "on a read-only mount"])
def test_what_a_containers_runtime_has_put_there_is_taken_as_it_is(how, open_place, read, refusal, monkeypatch):  # noqa: F811
    file = open_place / "secret"
    file.write_text(SECRET_KEY)
    file.chmod(0o444)
    given = {**NEEDED, "PORTAL_SECRET_KEY_FILE": str(file)}
    assert "can be read by everyone" in refusal(**given)
    if how == "under /run/secrets":
        monkeypatch.setattr(weak_secrets, "_CONTAINERS", (open_place,))
    else:
        found = os.statvfs(file)
        fields = [*found[:8], found.f_flag | os.ST_RDONLY, found.f_namemax]
        monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    assert read(**given)["SECRET_KEY"] == SECRET_KEY


def test_a_file_of_roots_that_the_portal_reads_through_its_group_is_right(open_place, read, refusal, monkeypatch):  # noqa: F811
    file = open_place / "secret"
    file.write_text(SECRET_KEY)
    file.chmod(0o640)
    given = {**NEEDED, "PORTAL_SECRET_KEY_FILE": str(file)}
    assert "can be read by its group" in refusal(**given)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert read(**given)["SECRET_KEY"] == SECRET_KEY
    file.chmod(0o644)
    assert "can be read by everyone" in refusal(**given)


@pytest.mark.parametrize("hosts", ["*", "portal.example.com, *", "*:*"])
def test_it_does_not_answer_for_any_host(hosts, read, refusal):  # noqa: F811
    assert refusal(PORTAL_ALLOWED_HOSTS=hosts).startswith("PORTAL_ALLOWED_HOSTS must name the hosts")
    assert read(**NEEDED, PORTAL_ALLOWED_HOSTS=".example.com")["ALLOWED_HOSTS"] == [".example.com"]


def test_a_new_database_file_is_its_owners_alone_and_the_check_says_where_it_is_not(open_place):
    file = open_place / "portal.sqlite3"
    environment = {**NEEDED, **PRODUCTION, "DATABASE_URL": f"sqlite:///{file}"}
    script = (
        "import django; django.setup()\nfrom django.db import connection\n"
        "with connection.cursor() as cursor: cursor.execute('CREATE TABLE x (y)')\n"
        "import os; print([oct(os.stat(f'{connection.settings_dict[\"NAME\"]}{end}').st_mode & 0o777)"
        " for end in ('', '-wal', '-shm')])"
    )
    answer = run("-c", script, **environment)
    assert (answer.stdout.strip(), answer.stderr) == ("['0o600', '0o600', '0o600']", "")
    assert run("manage.py", "check", **environment).stderr == ""
    file.chmod(0o644)
    said = run("manage.py", "check", **environment)
    assert said.returncode == 0
    assert f"(portal.W007) The database {file} can be read by everyone on this machine." in said.stderr
    assert f"Run: chmod 600 {file}" in said.stderr
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM x").fetchone() == (0,)


@pytest.mark.parametrize("database", ["sqlite", "none"])
def test_the_deployment_check_is_silent_on_what_the_docs_say(database, tmp_path):
    url = {"sqlite": f"sqlite:///{tmp_path}/portal.sqlite3", "none": "postgres://user:password@127.0.0.1:9/portal"}
    answer = run("manage.py", "check", "--deploy", **NEEDED, **PRODUCTION, DATABASE_URL=url[database])
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "no issues" in answer.stdout
