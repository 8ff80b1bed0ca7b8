"""Checking the catalogue against an account: what is learned, and that no key is ever left there."""

import io
import os
import pty
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.catalogue import check as catalogue_checking
from keys_app.catalogue.check import check_catalogue, permissions_to_check
from keys_app.catalogue.current import current_catalogue
from keys_app.catalogue.models import CatalogueObservation, CataloguePermission, Probe
from keys_app.core.actor import Actor
from keys_app.core.errors import PolicyBreach, TwilioOutcomeUnknown, TwilioRefused, TwilioUnavailable
from keys_app.management.commands import catalogue_check  # noqa: F401 before a test narrows what it takes from the service
from keys_app.permissions.catalogue import catalogue
from keys_app.permissions.naming import find_marker
from keys_app.reconcile.run import reconcile
from keys_app.twilio_iam import client
from keys_app.twilio_iam.types import KeySummary
from tests.cast import time_passes

ROOT = Path(__file__).resolve().parents[2]
CHATS = "/twilio/conversations/conversations/read"
USAGE = "/twilio/billing/usage/read"
MAKE_KEYS = "/twilio/iam/api-keys/create"
EXPLICIT = [item.name for item in catalogue() if item.action != "*"]
HARMLESS = [name for name in EXPLICIT if not name.startswith("/twilio/iam/")]
BATCHES = -(-len(HARMLESS) // 100)
EVERY_BATCH = ["catalogue.key_started", "catalogue.key_made", "catalogue.key_deleted"]


@pytest.fixture(autouse=True)
def _nothing_is_left(standin):
    """Every test has to leave the account's keys as they were."""
    before = standin.keys()
    yield
    standin.clear_faults()
    assert standin.keys() == before


@pytest.fixture
def few(monkeypatch):
    """A catalogue of three, for tests in which it matters how a check ends and not what it asks."""
    names = ["/twilio/voice/calls/list", "/twilio/voice/calls/read", USAGE]
    monkeypatch.setattr(catalogue_checking, "permissions_to_check", lambda **_: sorted(names))
    return names


def check(cast, **options):
    waited = []
    found = check_catalogue(account=cast.account, actor=Actor.system("test"), wait=waited.append, **options)
    return found, waited


def observed(cast):
    return dict(cast.account.observations.values_list("permission", "accepted"))


def run(*arguments):
    """Run the command; return what it wrote."""
    out = io.StringIO()
    call_command("catalogue_check", *arguments, stdout=out)
    return out.getvalue()


def markers_at(standin):
    return {find_marker(key["friendly_name"]) for key in standin.keys()}


def left_behind(standin):
    """Return the one probe that was not settled, and whether its key is still there."""
    probe = Probe.objects.get(finished_at=None)
    return probe, probe.marker in markers_at(standin)


def test_it_records_what_the_account_accepts_and_leaves_no_key(cast, standin, actions):
    before = standin.requests()
    found, _ = check(cast)
    after = standin.requests()
    assert (found.total, found.accepted, found.refused, found.keys) == (len(HARMLESS), len(HARMLESS), [], BATCHES)
    assert after["create"] - before["create"] == after["delete"] - before["delete"] == BATCHES
    assert observed(cast) == dict.fromkeys(HARMLESS, True)
    assert actions() == ["catalogue.check_started", *EVERY_BATCH * BATCHES, "catalogue.checked"]
    assert not Probe.objects.filter(finished_at=None).exists()
    assert current_catalogue().get(USAGE).evidence == "account"
    assert current_catalogue().get(MAKE_KEYS) == catalogue().get(MAKE_KEYS)


def test_it_takes_out_what_is_refused_and_asks_for_the_rest(cast, standin):
    wrong = sorted(["/twilio/aaa/aaa/read", CHATS, "/twilio/zzz/zzz/delete"])
    CataloguePermission.objects.bulk_create(CataloguePermission(name=name) for name in wrong)
    found, _ = check(cast)
    assert (found.accepted, found.refused) == (len(HARMLESS), wrong)
    assert observed(cast) == {**dict.fromkeys(HARMLESS, True), **dict.fromkeys(wrong, False)}
    refusals = matching(action="catalogue.key_not_made").order_by("sequence")
    assert [event.details["permission"] for event in refusals] == wrong
    known = current_catalogue()
    assert [known.get(name).evidence for name in [CHATS, USAGE]] == ["refused", "account"]


def test_the_ledger_says_which_key_it_was_and_what_it_could_do(cast, few):
    check(cast)
    started = matching(action="catalogue.key_started").get()
    deleted = matching(action="catalogue.key_deleted").get()
    probe = Probe.objects.get()
    assert started.details == {"marker": probe.marker, "permissions": sorted(few)}
    assert (deleted.key_sid, deleted.details["marker"]) == (probe.key_sid, probe.marker)
    assert {event.account_sid for event in matching()} == {cast.account.sid}
    end = matching(action="catalogue.checked").get()
    assert end.details == {"total": 3, "accepted": 3, "refused": [], "keys": 1}


def test_a_second_check_replaces_what_the_first_found(cast, few):
    CatalogueObservation.objects.create(account=cast.account, permission=USAGE, accepted=False, seen_at=timezone.now())
    assert current_catalogue().get(USAGE).evidence == "refused"
    check(cast)
    assert observed(cast) == dict.fromkeys(few, True)
    assert current_catalogue().get(USAGE).evidence == "account"


def test_one_account_that_accepts_it_is_enough(cast, few):
    seen = {"permission": USAGE, "accepted": False, "seen_at": timezone.now()}
    CatalogueObservation.objects.create(account=cast.other_account, **seen)
    check(cast)
    assert current_catalogue().get(USAGE).evidence == "account"


def test_wildcards_and_keys_that_make_keys_are_not_asked_for(cast):
    assert permissions_to_check() == sorted(HARMLESS)
    assert permissions_to_check(include_iam=True) == sorted(EXPLICIT)
    CataloguePermission.objects.create(name=USAGE, removed=True)
    assert USAGE not in permissions_to_check()


def test_it_waits_as_long_as_twilio_asks_and_goes_on(cast, standin, few):
    standin.fault("rate_limit", retry_after=7)
    standin.fault("rate_limit", retry_after=3600)
    standin.fault("rate_limit", operation="delete", retry_after=9)
    found, waited = check(cast)
    assert waited == [7.0, catalogue_checking.LONGEST_WAIT, 9.0]
    assert (found.accepted, found.keys) == (3, 1)
    assert Probe.objects.filter(finished_at=None).count() == 0


def test_it_gives_up_when_twilio_stays_busy(cast, standin, few, actions):
    standin.fault("rate_limit", times=50)
    before = standin.requests()["create"]
    with pytest.raises(TwilioUnavailable, match="did not take a request 5 times"):
        check(cast)
    assert standin.requests()["create"] - before == catalogue_checking.TRIES
    assert actions()[-2:] == ["catalogue.key_not_made", "catalogue.check_stopped"]
    assert not Probe.objects.filter(finished_at=None).exists()


def test_it_stops_when_the_credential_is_refused(cast, standin, few, actions):
    standin.fault("unauthorized")
    with pytest.raises(TwilioRefused, match="did not accept the portal's credential") as stop:
        check(cast)
    assert "connect_account" in stop.value.next_step
    assert actions()[-1] == "catalogue.check_stopped"
    assert observed(cast) == {}


@pytest.mark.parametrize(
    "refusal",
    [
        {"code": 70001, "message": "The request has constraint violations"},
        {"code": 70002, "message": "Invalid Sid provided in the request"},
        {"code": 70002, "message": f"assertion '{CHATS}' is invalid"},  # not one that was asked for
        {"code": 20001, "message": f"assertion '{USAGE}' is invalid"},
    ],
)
def test_a_refusal_that_names_no_permission_proves_nothing_about_one(cast, standin, few, refusal):
    standin.fault("refuse", **refusal)
    with pytest.raises(TwilioRefused, match="without naming one of its permissions"):
        check(cast)
    assert observed(cast) == {}


@pytest.mark.parametrize("fault", ["null_policy", "other_policy"])
def test_a_key_with_another_policy_is_deleted_and_proves_nothing(cast, standin, few, fault):
    standin.fault(fault)
    with pytest.raises(PolicyBreach):
        check(cast)
    assert observed(cast) == {}
    details = matching(action="catalogue.key_made").get().details
    assert (details["as_asked"], details.get("policy")) == (False, "standard" if fault == "null_policy" else None)
    assert not Probe.objects.filter(finished_at=None).exists()


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "no_secret", "html"])
def test_a_lost_answer_stops_it_and_the_reconciler_deletes_the_key(cast, standin, few, actions, fault):
    standin.fault(fault)
    before = standin.requests()["create"]
    with pytest.raises(TwilioOutcomeUnknown) as stop:
        check(cast)
    assert standin.requests()["create"] - before == 1
    assert "manage.py reconcile" in stop.value.next_step
    probe, is_there = left_behind(standin)
    assert is_there
    assert reconcile().orphans_deleted == 1
    probe.refresh_from_db()
    assert probe.finished_at
    assert probe.marker not in markers_at(standin)
    assert actions()[-2:] == ["catalogue.check_stopped", "key.orphan_deleted"]
    assert observed(cast) == {}


@pytest.mark.parametrize(("fault", "gone"), [("error_before", False), ("drop_after", True)])
def test_a_key_that_could_not_be_deleted_is_deleted_by_the_reconciler(cast, standin, few, actions, fault, gone):
    standin.fault(fault, operation="delete")
    with pytest.raises(TwilioOutcomeUnknown, match="could not be deleted"):
        check(cast)
    probe, is_there = left_behind(standin)
    assert probe.key_sid
    assert is_there != gone
    reconcile()
    assert not Probe.objects.filter(finished_at=None).exists()
    assert actions()[-1] == "key.orphan_deleted"
    assert observed(cast) == dict.fromkeys(few, True)


def test_a_key_that_was_never_made_is_settled_after_the_grace(cast, standin, few, actions, settings):
    standin.fault("drop_before")
    with pytest.raises(TwilioOutcomeUnknown):
        check(cast)
    assert reconcile().still_open == 1
    settings.RECONCILE_GRACE = timedelta(0)
    assert reconcile().never_created == 1
    assert actions()[-1] == "catalogue.key_not_made"
    assert reconcile().never_created == 0


def test_a_key_that_turns_up_after_that_is_still_deleted(cast, standin, few, actions):
    standin.fault("drop_after")
    with pytest.raises(TwilioOutcomeUnknown):
        check(cast)
    time_passes(standin)
    Probe.objects.update(finished_at=timezone.now())  # no such key was listed within the grace period
    assert reconcile().orphans_deleted == 1
    assert actions()[-1] == "key.orphan_deleted"


def test_a_key_that_was_deleted_and_is_still_listed_is_no_news(cast, standin, few, actions, monkeypatch):
    check(cast)
    probe, before = Probe.objects.get(), actions()
    old = [KeySummary(probe.key_sid, f"catalogue check [kp:{probe.marker}]", None, None, ())]
    listing = {cast.account.sid: old}
    monkeypatch.setattr(client.TwilioIamClient, "list_keys", lambda _, account_sid: iter(listing.get(account_sid, [])))
    assert reconcile().orphans_deleted == 0
    assert actions() == before


def test_a_check_that_is_running_is_left_alone(cast, standin, few):
    standin.fault("drop_after")
    with pytest.raises(TwilioOutcomeUnknown):
        check(cast)
    Probe.objects.update(in_flight_until=timezone.now() + timedelta(seconds=30))
    assert reconcile().orphans_deleted == 0
    assert left_behind(standin)[1]
    Probe.objects.update(in_flight_until=timezone.now())
    assert reconcile().orphans_deleted == 1


def test_the_secret_is_nowhere(cast, standin, few, caplog, monkeypatch):
    caplog.set_level(0)
    secrets = []
    create = client.TwilioIamClient.create_restricted_key

    def remember(self, **options):
        created = create(self, **options)
        secrets.append(created.secret.reveal())
        return created

    monkeypatch.setattr(client.TwilioIamClient, "create_restricted_key", remember)
    check(cast)
    [secret] = secrets
    assert secret not in caplog.text
    assert not any(secret in event.canonical for event in matching())


def test_an_account_that_is_switched_off_is_not_checked(cast, standin):
    cast.account.is_active = False
    cast.account.save()
    before = standin.requests()["create"]
    with pytest.raises(CommandError, match="is switched off"):
        run(cast.account.sid, "--yes")
    assert standin.requests()["create"] == before


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_it_asks_first_and_goes_on_when_the_name_is_typed(cast, few, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal("Shop\n"))
    out = run(cast.account.sid)
    assert "3 permissions checked on Shop (staging): 3 accepted, 0 refused. Keys made for it and deleted: 1." in out


@pytest.mark.parametrize("typed", ["\n", "shop\n", "yes\n", ""])
def test_another_answer_does_nothing(cast, standin, monkeypatch, typed):
    before = standin.requests()["create"]
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    with pytest.raises(CommandError, match="Nothing was done"):
        run(cast.account.sid)
    assert standin.requests()["create"] == before
    assert not matching().exists()


def test_without_a_terminal_it_needs_a_yes(cast, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Shop\n"))
    with pytest.raises(CommandError, match="add --yes, or run this at a terminal"):
        run(cast.account.sid)
    assert not Probe.objects.exists()


def test_an_account_that_is_not_connected_is_named(cast):
    with pytest.raises(CommandError, match="No account AC1 is connected"):
        run("AC1", "--yes")


def test_it_says_what_it_leaves_out_and_what_was_refused(cast, standin):
    CataloguePermission.objects.create(name=CHATS)
    out = run(cast.account.sid, "--yes")
    assert "Left out: 13 under /twilio/iam/, because a key that can make keys can do everything" in out
    assert f"refused: {CHATS}\n" in out
    assert not CatalogueObservation.objects.filter(permission=MAKE_KEYS).exists()


def test_it_can_include_them(cast):
    out = run(cast.account.sid, "--yes", "--include-iam")
    assert "for a moment a key there can make keys" in out
    assert observed(cast)[MAKE_KEYS] is True
    assert current_catalogue().get("/twilio/iam/api-keys/*").evidence == "account"


def test_a_failure_says_what_to_do(cast, standin, few):
    standin.fault("drop_after")
    with pytest.raises(CommandError, match=r"A key may or may not exist\. Run manage\.py reconcile"):
        run(cast.account.sid, "--yes")
    reconcile()


def test_ctrl_c_leaves_nothing_the_reconciler_does_not_find_at_once(cast, standin, few, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(client.TwilioIamClient, "delete_key", interrupted)
    with pytest.raises(CommandError, match="Interrupted"):
        run(cast.account.sid, "--yes")
    monkeypatch.undo()
    assert left_behind(standin)[1]
    assert reconcile().orphans_deleted == 1


def test_a_checked_account_keeps_its_probes(cast, few):
    """With the account its credential would go, and with that the way to delete a key left behind."""
    check(cast)
    cast.client("admin").post(f"/admin/keys_app/account/{cast.account.sid}/delete/", {"post": "yes"})
    assert Probe.objects.filter(account=cast.account).exists()


def test_an_operators_file_extends_the_catalogue(cast, settings, tmp_path):
    file = tmp_path / "catalogue.tsv"
    file.write_text(f"permission\tmeaning\n{CHATS}\tconversations\n", encoding="utf-8-sig")
    settings.CATALOGUE_FILE = str(file)
    assert current_catalogue().get(CHATS).evidence == "operator"
    CataloguePermission.objects.create(name=CHATS, removed=True)
    assert CHATS not in current_catalogue()
    assert current_catalogue().subject("conversations", "conversations") == "conversations (Conversations)"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"permission\tmeaning\n/twilio/voice/read\n", "line 2: "),
        (b"", "line 1: "),
        (b"permission\tmeaning\n\xff", "can't decode"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_a_wrong_setting(cast, settings, tmp_path, content, words):
    file = tmp_path / "catalogue.tsv"
    if content is not None:
        file.write_bytes(content)
    settings.CATALOGUE_FILE = str(file)
    with pytest.raises(ImproperlyConfigured, match=words) as refusal:
        current_catalogue()
    assert "PORTAL_CATALOGUE_FILE" in str(refusal.value)


def test_the_current_catalogue_is_one_query_and_always_current(cast, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert CHATS not in current_catalogue()
    CataloguePermission.objects.create(name=CHATS)
    with django_assert_num_queries(1):
        assert CHATS in current_catalogue()
    assert current_catalogue() is current_catalogue()
    CataloguePermission.objects.all().delete()
    assert CHATS not in current_catalogue()


# Killed at any moment: the command as a process of its own, on the test's database.


def database_url():
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    return f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"


def start(cast, settings, *arguments, **options):
    environment = {
        "PATH": os.environ["PATH"],
        "PORTAL_SECRET_KEY": settings.SECRET_KEY,
        "PORTAL_ENCRYPTION_KEYS": settings.ENCRYPTION_KEYS[0],
        "TWILIO_IAM_BASE_URL": settings.TWILIO_IAM_BASE_URL.geturl(),
        "PORTAL_CHECKPOINT_DIR": str(settings.CHECKPOINT_DIR),
        "DATABASE_URL": database_url(),
    }
    command = [sys.executable, "manage.py", "catalogue_check", cast.account.sid, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **{**pipes, **options})


def until(happened, process):
    for _ in range(1500):
        if happened():
            return
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.02)
    raise AssertionError("it did not come that far")


def kill(process):
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize(
    ("fault", "options", "a_key_is_left"),
    [
        ("hang", {"seconds": 60}, True),  # the key is made, its answer is on the way
        ("drip", {"interval": 5, "part": "body"}, True),  # in the middle of the answer
        ("rate_limit", {"retry_after": 60}, False),  # before the next try
        ("rate_limit", {"retry_after": 60, "operation": "delete"}, True),  # its SID is written down
        ("hang", {"seconds": 60, "operation": "delete"}, False),  # it is deleted, and nobody knows
    ],
)
def test_a_killed_check_leaves_no_key_after_the_reconciler(live_cast, standin, settings, fault, options, a_key_is_left):
    standin.fault(fault, **options)
    operation = options.get("operation", "create")
    before = standin.requests()[operation]
    process = start(live_cast, settings, "--yes")
    until(lambda: standin.requests()[operation] > before, process)
    if fault == "rate_limit":
        until(lambda: Probe.objects.exclude(finished_at=None, key_sid="").exists(), process)
    kill(process)
    standin.clear_faults()
    probe = Probe.objects.get()
    assert (probe.marker in markers_at(standin)) == a_key_is_left

    assert reconcile().orphans_deleted == 0  # somebody may still wait for Twilio's answer
    Probe.objects.update(in_flight_until=timezone.now())
    reconcile()

    assert probe.marker not in markers_at(standin)
    assert not Probe.objects.filter(finished_at=None).exists()


def test_at_a_terminal_it_asks_counts_and_ends_with_zero(live_cast, settings):
    master, slave = pty.openpty()
    process = start(live_cast, settings, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, b"Shop\n")
    written = b""
    while b"made for it and deleted: " not in written:
        written += os.read(master, 4096)
    assert process.wait(10) == 0
    os.close(master)
    text = written.decode()
    assert "Type the account's name to go on: " in text
    assert f"\r{len(HARMLESS)} of {len(HARMLESS)}" in text
