"""Django's own commands for accounts, run by an operator: each leaves an event, without a password."""

import pytest
from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from keys_app.audit.ledger import LedgerDamaged, matching
from keys_app.users import auth_events

PASSWORD = "a-long-enough-passphrase"


@pytest.fixture
def typed(monkeypatch):
    """What an operator types, twice."""
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda self, prompt="": PASSWORD)


def test_a_superuser_made_on_the_command_line_is_an_event(transactional_db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com", verbosity=0)
    (event,) = matching()
    assert event.action == "user.created"
    assert event.actor_name.startswith("createsuperuser by ")
    assert (event.details["subject"], event.details["superuser"]) == ("root", True)
    assert PASSWORD not in event.canonical
    assert Client().login(username="root", password=PASSWORD)
    with pytest.raises(CommandError):
        call_command("createsuperuser", "--noinput", "--username", "root", "--email", "x@example.com", verbosity=0)
    User.objects.create_user("other")  # by something else: not this command's
    assert matching().count() == 1


def test_a_password_set_on_the_command_line_is_an_event(transactional_db, typed):
    User.objects.create_user("lena")
    call_command("changepassword", "lena", verbosity=0)
    (event,) = matching()
    assert (event.action, event.details["subject"]) == ("user.password_changed", "lena")
    assert PASSWORD not in event.canonical
    assert Client().login(username="lena", password=PASSWORD)
    with pytest.raises(CommandError, match="does not exist"):
        call_command("changepassword", "nobody", verbosity=0)
    assert matching().count() == 1


def test_nothing_is_changed_if_the_event_cannot_be_written(transactional_db, typed, monkeypatch):
    def damaged(*_, **__):
        raise LedgerDamaged("the tree does not fit")

    User.objects.create_user("lena")
    monkeypatch.setattr(auth_events, "record", damaged)
    with pytest.raises(LedgerDamaged):
        call_command("changepassword", "lena", verbosity=0)
    assert not User.objects.get().has_usable_password()
