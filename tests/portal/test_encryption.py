"""A start with encryption keys that read nothing of what is stored."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from keys_app.core.secret import Secret
from keys_app.organisation.credentials import encrypt
from keys_app.organisation.models import Account

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def other_key(settings):
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


def found(**options):
    return [message.id for message in run_checks(**options) if message.id.startswith("portal.")]


def test_a_key_that_reads_nothing_fails_the_check(cast, other_key):
    assert found(include_deployment_checks=True) == ["portal.E002"]
    with pytest.raises(SystemCheckError, match="reads none of the stored credentials"):
        call_command("check", "--deploy", verbosity=0)


def test_migrating_warns(cast, other_key, capsys):
    """It needs no credential, and may bring a copy up to date where the keys are not at hand."""
    assert found(tags=[Tags.database], databases=["default"]) == ["portal.W001"]
    call_command("migrate", verbosity=0, skip_checks=False)
    assert "reads none of the stored credentials" in capsys.readouterr().err


def test_the_right_keys_pass_it(cast, settings):
    assert found(tags=[Tags.database], databases=["default"]) == []
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]
    assert found(tags=[Tags.database], databases=["default"]) == []


def test_one_credential_that_can_not_be_read_is_a_warning(cast, settings):
    old = list(settings.ENCRYPTION_KEYS)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    Account.objects.filter(pk=cast.account.pk).update(credential_ciphertext=encrypt(Secret("x")))
    settings.ENCRYPTION_KEYS = old
    (message,) = [one for one in run_checks(include_deployment_checks=True) if one.id == "portal.W001"]
    assert cast.account.sid in message.msg
    call_command("check", "--deploy", verbosity=0)


def test_without_an_account_any_key_will_do(db, other_key):
    assert found(databases=["default"], include_deployment_checks=True) == []


def test_connecting_the_account_again_mends_it(cast, standin, other_key, monkeypatch):
    cast.other_account.delete()
    monkeypatch.setenv("TWILIO_API_KEY", standin.api_key)
    monkeypatch.setenv("TWILIO_API_SECRET", standin.api_secret)
    call_command("connect_account", cast.account.sid, skip_checks=False)
    assert found(databases=["default"]) == []


def environment(database, key):
    return {
        "PATH": os.environ["PATH"],  # and nothing that another test left
        "PORTAL_SECRET_KEY": settings.SECRET_KEY,
        "PORTAL_ENCRYPTION_KEYS": key,
        "PORTAL_CHECKPOINT_DIR": str(database.parent / "checkpoints"),
        "DATABASE_URL": f"sqlite:///{database}",
    }


def run(database, key, *command):
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(database, key),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


STORE = """
import django, sys; django.setup()
from django.utils import timezone
from keys_app.core.secret import Secret
from keys_app.organisation.credentials import encrypt
from keys_app.organisation.models import Account
Account.objects.create(sid="AC" + "1" * 32, name="a", environment="staging", credential_user="SK" + "1" * 32,
    credential_ciphertext=encrypt(Secret("x")), connected_at=timezone.now())
"""


@pytest.mark.e2e
def test_gunicorn_starts_on_no_database_and_ends_where_nothing_can_be_read(tmp_path):
    database, key, other = tmp_path / "portal.sqlite3", Fernet.generate_key().decode(), Fernet.generate_key().decode()
    assert run(database, key, "manage.py", "check", "--deploy").returncode == 0
    assert run(database, key, "manage.py", "migrate", "-v0").returncode == 0
    stored = subprocess.run(
        [sys.executable, "-c", STORE],
        cwd=ROOT,
        env={**environment(database, key), "DJANGO_SETTINGS_MODULE": "portal.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert stored.returncode == 0, stored.stderr
    assert run(database, key, "manage.py", "migrate", "-v0").returncode == 0
    assert run(database, other, "manage.py", "migrate", "-v0").returncode == 0
    refused = run(database, other, "manage.py", "check", "--deploy")
    assert refused.returncode != 0
    assert "portal.E002" in refused.stderr
    served = run(database, other, "-m", "gunicorn", "-c", "portal/gunicorn_conf.py", "-b", "127.0.0.1:0", "portal.wsgi")
    assert served.returncode != 0
    assert "reads none of the stored credentials" in served.stderr
