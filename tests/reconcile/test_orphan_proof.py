"""A key is deleted at Twilio without a person only where each test says that it is an attempt's."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys_app.audit.incarnation import mark, set_backs
from keys_app.audit.installation import identity
from keys_app.catalogue.models import Probe
from keys_app.key_requests.models import Issuance
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Account
from keys_app.permissions.naming import new_marker
from keys_app.permissions.policy import Policy
from keys_app.reconcile.holds import keys_in_doubt
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.twilio_iam.client import TwilioIamClient
from tests.cast import READ_USAGE, secret_in, text_of, time_passes


@pytest.fixture
def lost(cast, standin):
    """An attempt whose answer was lost, with the key that Twilio made for it."""
    key_request = cast.approved()
    standin.fault("drop_after")
    assert cast.issue(key_request).status_code == 504
    return key_request.issuances.get()


def made(standin, name):
    """Make a key without the portal."""
    with standin.client() as client:
        return client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name=name, policy=Policy.of(READ_USAGE)
        ).sid


def sids(standin):
    return {key["sid"] for key in standin.keys()}


def why_not(sid):
    """Return what speaks against the key in doubt, the only one there is."""
    (entry,) = keys_in_doubt()
    assert entry.pk == sid
    return entry.weighed["fails"]


def test_the_key_of_a_lost_answer_is_deleted(standin, lost):
    assert reconcile().orphans_deleted == 1
    assert standin.keys() == []
    assert not keys_in_doubt().exists()


def _refused(lost, standin, settings):
    Issuance.objects.update(state="refused", message="no", finished_at=timezone.now())
    return "Twilio made no key for this attempt: no"


def _not_processed(lost, standin, settings):
    Issuance.objects.update(state="not_processed", finished_at=timezone.now())
    return "Twilio made no key for this attempt: Twilio closed the connection"


def _old(lost, standin, settings):
    time_passes(standin, minutes=61)
    return "more than 1 hour ago"


def _long_before(lost, standin, settings):
    standin.age(3600)
    return "Twilio made it at"


def _long_after(lost, standin, settings):
    Issuance.objects.update(started_at=timezone.now() - timedelta(minutes=9))
    return "Twilio made it at"


def _known_before(lost, standin, settings):
    (key,) = standin.keys()
    now = timezone.now()
    UnmanagedKey.objects.create(sid=key["sid"], account=lost.request.account, first_seen=now, last_seen=now)
    return "It was known before as a key the portal never made."


def _the_portals_own(lost, standin, settings):
    (key,) = standin.keys()
    Account.objects.filter(name="Helpdesk").update(credential_user=key["sid"])
    return "The portal itself works with it."


def _made_another(lost, standin, settings):
    Issuance.objects.update(state="breach", key_sid="SK" + "0" * 32, finished_at=timezone.now())
    return "This attempt made another key, SK"


def _set_back(lost, standin, settings):
    set_backs.enter("test:1", "A test says so.")
    return "It began before the database was found to be older than the world."


def _of_an_older_version(lost, standin, settings):
    Issuance.objects.update(incarnation=None)
    return "did not write down on which database"


@pytest.mark.parametrize(
    "breaking",
    [
        _refused,
        _not_processed,
        _old,
        _long_before,
        _long_after,
        _known_before,
        _the_portals_own,
        _made_another,
        _set_back,
        _of_an_older_version,
    ],
)
def test_a_key_that_fails_one_test_is_left_to_a_person(standin, settings, told, lost, breaking):
    (key,) = standin.keys()
    why = breaking(lost, standin, settings)
    for _ in range(3):
        assert reconcile().orphans_deleted == 0
    assert sids(standin) == {key["sid"]}
    (only,) = why_not(key["sid"])
    assert why in only
    assert [notice["kind"] for notice in told].count("alarm.key_in_doubt") == 1


def test_a_key_whose_age_is_not_told_is_left_to_a_person(standin, lost, monkeypatch):
    listing = TwilioIamClient.list_keys

    def undated(self, **options):
        for key in listing(self, **options):
            yield type(key)(key.sid, key.friendly_name, None, key.date_updated, key.flags)

    monkeypatch.setattr(TwilioIamClient, "list_keys", undated)
    assert reconcile().orphans_deleted == 0
    (key,) = standin.keys()
    assert why_not(key["sid"]) == ["Twilio does not say when it was made."]


def test_an_attempt_under_the_mark_of_another_host_waits_for_that_one(standin, lost):
    """Its reconciler can read the mark. It has until the attempt is stuck; then the key goes before a person."""
    Issuance.objects.update(incarnation="f" * 32)
    assert reconcile().orphans_deleted == 0
    assert not keys_in_doubt().exists()
    assert not UnmanagedKey.objects.exists()
    time_passes(standin, minutes=14)
    assert reconcile().orphans_deleted == 0
    assert not keys_in_doubt().exists()
    time_passes(standin, minutes=2)
    assert reconcile().orphans_deleted == 0
    (key,) = standin.keys()
    assert why_not(key["sid"]) == [
        "It began on another incarnation of the database, or under the mark of another host."
    ]


def test_nothing_is_deleted_while_the_mark_cannot_be_read(standin, lost):
    mark._path().write_text("?")
    found = reconcile()
    assert found.orphans_deleted == 0
    assert found.failures == 1
    assert len(standin.keys()) == 1


def test_a_copied_name_of_a_live_key_is_left_to_a_person(cast, standin):
    """A key made by hand bears the name of another request's key, which is in use."""
    key = cast.issued()[0].keys.get()
    copied = made(standin, key.friendly_name)
    reconcile()
    assert sids(standin) == {key.sid, copied}
    assert f"This attempt made another key, {key.sid}." in why_not(copied)


def test_a_live_key_renamed_to_a_lost_attempts_name_stays(cast, standin, lost):
    """Whoever copies a marker onto a key in use cannot have it deleted; the lost key is left to a person as well."""
    key = cast.issued(friendly_name="in-use")[0].keys.get()
    (orphan,) = sids(standin) - {key.sid}
    with standin.client() as client:
        client.update_key(key.sid, friendly_name=f"x [kp:{lost.marker}]")
    reconcile()
    key.refresh_from_db()
    assert key.state == "active"
    assert sids(standin) == {key.sid, orphan}
    assert "Several keys have this marker." in why_not(orphan)


def test_the_credential_renamed_to_a_lost_attempts_name_stays(cast, standin, lost):
    credential = standin.credential()
    with standin.client() as client:
        client.update_key(credential.username, friendly_name=f"x [kp:{lost.marker}]")
    Account.objects.filter(pk=cast.account.pk).update(credential_user=credential.username)
    (orphan,) = sids(standin) - {credential.username}
    with standin.client() as client:
        client.delete_key(orphan)
    reconcile()
    assert credential.username in sids(standin)


def test_a_portal_key_that_became_the_credential_is_not_deleted_when_it_expires(cast, standin):
    key = cast.issued()[0].keys.get()
    ApiKey.objects.update(issued_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(days=1))
    Account.objects.filter(name="Helpdesk").update(credential_user=key.sid)
    assert reconcile().not_revoked == 1
    assert sids(standin) == {key.sid}
    key.refresh_from_db()
    assert key.state == "revoking"


@pytest.mark.parametrize("marker", ["AAAAAAAAAAAA", "ZZZZZZZZZZZZ"])
def test_a_strangers_marker_proves_nothing(cast, standin, marker):
    made(standin, f"theirs [kp:{marker}]")
    assert reconcile().unmanaged_new == 1
    assert not set_backs.is_held()
    assert not keys_in_doubt().exists()


def test_an_own_marker_without_a_record_proves_a_set_back(cast, standin, told):
    lost_record = made(standin, f"report [kp:{new_marker(identity())}]")
    reconcile()
    (proof,) = set_backs.open_set_backs()
    assert proof.proof == f"key:{lost_record}"
    assert why_not(lost_record) == ["The database does not know the attempt: its record is lost."]
    assert "alarm.database_set_back" in [notice["kind"] for notice in told]


def test_a_probe_that_fails_a_test_is_left_to_a_person(cast, standin):
    now = timezone.now()
    probe = Probe.objects.create(
        account=cast.account, marker="B" * 12, started_at=now - timedelta(hours=2), in_flight_until=now, incarnation="f"
    )
    sid = made(standin, f"catalogue check [kp:{probe.marker}]")
    for _ in range(2):
        assert reconcile().orphans_deleted == 0
    assert sids(standin) == {sid}
    assert len(why_not(sid)) == 2


# What a person decides


@pytest.fixture
def in_doubt(standin, lost):
    """The lost key of an attempt that began before the database was set back."""
    set_backs.enter("test:1", "A test says so.")
    reconcile()
    return keys_in_doubt().get()


def test_security_keeps_it_for_whoever_made_the_attempt(cast, standin, lost, in_doubt, actions):
    page = text_of(cast.client("security").get(f"/keys/unmanaged/{in_doubt.pk}/"))
    assert "Keep key" in page
    assert "It began before the database was found to be older" in page
    assert "Wait for Security to keep or delete it" in text_of(
        cast.client("engineer").get(f"/requests/{lost.request_id}/")
    )
    answer = cast.client("security").post(f"/keys/unmanaged/{in_doubt.pk}/keep/")
    assert answer["Location"] == f"/keys/{in_doubt.pk}/"
    key = ApiKey.objects.get(pk=in_doubt.pk)
    assert (key.owner, key.policy, key.request, key.state) == (
        cast.user("engineer"),
        lost.request.policy,
        lost.request,
        "active",
    )
    lost.request.refresh_from_db()
    assert lost.request.state == "issued"
    assert "key.kept" in actions(lost.request_id)
    reconcile()
    assert sids(standin) == {key.sid}
    assert cast.client("security").post(f"/keys/unmanaged/{in_doubt.pk}/delete/").status_code == 409
    assert "usage-report" in text_of(cast.client("engineer").get(f"/requests/{lost.request_id}/"))


def test_security_has_it_deleted(cast, standin, lost, in_doubt, actions):
    assert cast.client("security").post(f"/keys/unmanaged/{in_doubt.pk}/delete/").status_code == 302
    assert "decided to delete it" in text_of(cast.client("security").get(f"/keys/unmanaged/{in_doubt.pk}/"))
    reconcile()
    assert standin.keys() == []
    lost.request.refresh_from_db()
    assert lost.request.state == "approved"
    assert actions(lost.request_id)[-1] == "key.doubtful_deleted"
    assert secret_in(cast.issue(lost.request))


@pytest.mark.parametrize("role", ["engineer", "lead", "admin"])
@pytest.mark.parametrize("verb", ["keep", "delete"])
def test_nobody_else_decides(cast, standin, in_doubt, role, verb):
    assert cast.client(role).post(f"/keys/unmanaged/{in_doubt.pk}/{verb}/").status_code == 403
    assert len(standin.keys()) == 1
    assert keys_in_doubt().exists()


def test_a_lead_does_not_adopt_it_before(cast, in_doubt):
    fields = {"team": cast.team.pk, "owner": cast.user("engineer").pk, "lifetime_days": "10"}
    answer = cast.client("lead").post(f"/keys/unmanaged/{in_doubt.pk}/adopt/", fields)
    assert answer.status_code == 409
    assert "Security keeps or deletes it first." in text_of(answer)


def test_the_successor_in_a_rotation_is_kept_beside_the_old_key(cast, standin):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    standin.fault("drop_after")
    cast.client("engineer").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": "0"})
    set_backs.enter("test:1", "A test says so.")
    reconcile()
    entry = keys_in_doubt().get()
    assert cast.client("security").post(f"/keys/unmanaged/{entry.pk}/keep/").status_code == 302
    reconcile()
    assert sids(standin) == {key.sid, entry.pk}
    kept = ApiKey.objects.get(pk=entry.pk)
    assert (kept.owner, kept.request, kept.state) == (key.owner, None, "active")
    key.refresh_from_db()
    key_request.refresh_from_db()
    assert (key.state, key_request.state) == ("active", "issued")


def test_a_key_without_a_record_is_left_to_be_adopted(cast, standin):
    sid = made(standin, f"report [kp:{new_marker(identity())}]")
    reconcile()
    assert cast.client("security").post(f"/keys/unmanaged/{sid}/keep/")["Location"] == f"/keys/unmanaged/{sid}/"
    reconcile()
    assert not keys_in_doubt().exists()
    fields = {"team": cast.team.pk, "owner": cast.user("engineer").pk, "lifetime_days": "10"}
    assert cast.client("lead").post(f"/keys/unmanaged/{sid}/adopt/", fields).status_code == 302
    assert ApiKey.objects.get(pk=sid).adopted_at


# The command


def resume(capsys, *arguments):
    """Return the exit status and what was written."""
    try:
        call_command("reconcile", "--resume", *arguments)
        status = 0
    except CommandError as error:
        status = error.returncode
    return status, capsys.readouterr().out


def test_the_command_lists_decides_and_ends_the_hold(cast, standin, lost, in_doubt, capsys):
    status, out = resume(capsys)
    assert status == 3
    assert f"To keep or delete: {in_doubt.pk}" in out
    assert "  - It began before the database was found to be older than the world." in out
    assert resume(capsys, "--yes")[0] == 3
    assert set_backs.is_held()
    status, out = resume(capsys, "--keep", in_doubt.pk)
    assert (status, "is kept, for engineer." in out) == (3, True)
    assert resume(capsys, "--yes")[0] == 0
    assert not set_backs.is_held()
    assert resume(capsys)[0] == 0


def test_the_command_has_a_key_deleted(standin, lost, in_doubt, capsys):
    assert resume(capsys, "--delete", in_doubt.pk, "--yes")[0] == 0
    reconcile()
    assert standin.keys() == []


@pytest.mark.parametrize("arguments", [["--keep", "SK1"], ["--delete", "SK" + "0" * 32]])
def test_the_command_refuses_what_is_no_key_in_doubt(in_doubt, arguments):
    with pytest.raises(CommandError, match="is no key to keep or delete"):
        call_command("reconcile", "--resume", *arguments)


def test_decisions_go_with_resume_alone(db):
    with pytest.raises(CommandError, match="go with --resume"):
        call_command("reconcile", "--yes")
