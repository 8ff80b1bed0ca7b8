"""What a credential has to show before it is trusted, and what is said of one that does not."""

from datetime import timedelta

import pytest
from django.core.management import CommandError
from django.utils import timezone

from keys_app.audit.incarnation import mark
from keys_app.audit.installation import identity
from keys_app.audit.ledger import matching
from keys_app.connections import connect as connect_module
from keys_app.connections import proof
from keys_app.connections.models import Connection
from keys_app.organisation.models import Account
from keys_app.permissions.naming import marked_name, new_marker
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.twilio_iam.transport import Transport
from tests.cast import text_of

from .test_connect_account import connect, credential, whole_database

__all__ = ["credential"]
READ = ["/twilio/messaging/messages/read"]
ACTIONS = ["create", "read", "list", "delete"]
REFUSALS = ["authenticate", "evaluation", "forbidden", "missing"]


@pytest.fixture
def given(credential, standin):
    """Let the environment hold another credential: `given(without=[…])`."""

    def give(one=None, **options):
        one = one or standin.credential(**options)
        for name, value in one.environment.items():
            credential.setenv(name, value)
        return one

    return give


@pytest.fixture
def refused(standin):
    """Connect and return why it is refused; nothing is left at Twilio, and the account is as it was before."""

    def refuse(*arguments, **values):
        before = (standin.keys(), list(Account.objects.order_by("pk").values()))
        with pytest.raises(CommandError) as refusal:
            connect(standin.account_sid, *arguments, **values)
        assert (standin.keys(), list(Account.objects.order_by("pk").values())) == before
        connection = Connection.objects.first()
        assert (connection.outcome, connection.credential_ciphertext) == ("failed", "")
        return str(refusal.value)

    return refuse


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("lacking", ACTIONS)
def test_it_names_the_permission_that_a_credential_lacks(given, refused, standin, lacking, refusal):
    given(without=[lacking], refusal=refusal)
    before = standin.requests()["create"]
    words = refused()
    assert f"The credential lacks /twilio/iam/api-keys/{lacking}." in words
    assert "Nothing was created." in words
    assert standin.requests()["create"] == before
    event = matching(action="connection.failed").get()
    assert event.details["missing"] == [f"/twilio/iam/api-keys/{lacking}"]


@pytest.mark.parametrize("lacking", ACTIONS)
def test_an_account_connected_before_stays_as_it_was(given, refused, credential, standin, lacking):
    connect(standin.account_sid, "--team", "Payments")
    given(without=[lacking])
    refused("--team", "Support", name="Other", environment="production")
    assert [team.name for team in Account.objects.get(pk=standin.account_sid).teams.all()] == ["Payments"]


def test_it_names_several_at_once(given, refused, standin):
    given(without=["create", "list", "delete"])
    names = [f"/twilio/iam/api-keys/{action}" for action in ("create", "list", "delete")]
    assert f"The credential lacks {names[0]}, {names[1]} and {names[2]}." in refused()
    assert matching(action="connection.failed").get().details["missing"] == names


def test_without_delete_nothing_is_created(credential, refused, standin):
    """Even where Twilio does not show what the credential may do."""
    standin.fault("refuse", operation="delete", status=401, code=20003, message="Policy evaluation failed")
    before = standin.requests()["create"]
    words = refused()
    assert "lacks /twilio/iam/api-keys/delete. Twilio said: Policy evaluation failed (20003)." in words
    assert standin.requests()["create"] == before


def test_create_and_read_are_found_by_trying_where_nothing_shows_them(credential, refused, standin):
    """The account has no key that could be read first; then the throwaway key is."""
    standin.fault("refuse", operation="create", status=401, code=20003, message="Authenticate")
    assert "The credential lacks /twilio/iam/api-keys/create." in refused()
    standin.fault("refuse", operation="fetch", status=401, code=70051, message="Authorization Error")
    assert "The credential lacks /twilio/iam/api-keys/read. Twilio said: Authorization Error (70051)." in refused()
    made = [event.action for event in matching().filter(key_sid__startswith="SK").order_by("sequence")]
    assert made == ["connection.key_made", "connection.key_deleted"]


def test_update_is_not_needed(given, standin):
    given(without=["update"])
    assert "Connected" in connect(standin.account_sid)


def test_it_may_be_the_wrong_credential_if_everything_is_refused(given, refused, standin):
    given(without=[*ACTIONS])
    assert "The credential is wrong, or it lacks /twilio/iam/api-keys/create, " in refused()


@pytest.mark.parametrize("message", ["Policy evaluation failed", "Your compliance profile is not approved"])
def test_twilios_words_are_told(credential, refused, standin, message):
    standin.fault("refuse", operation="list", status=401, code=20003, message=message)
    assert f"lacks /twilio/iam/api-keys/list. Twilio said: {message} (20003)." in refused()


def test_a_key_that_can_not_grant_more_than_it_has_is_refused(given, refused):
    given(grants_own_only=True)
    words = refused()
    assert "(70152)" in words
    assert "Connect the account with a Main key" in words


def test_where_the_account_is_full_a_listing_alone_is_the_advice(credential, refused, standin):
    standin.limit_keys(0)
    words = refused()
    assert "(70151)" in words
    assert "--check listing" in words
    assert "Connected" in connect(standin.account_sid, "--check", "listing")


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("list", "Twilio did not list the keys of"),
        ("fetch", "Twilio did not show"),
        ("delete", "Twilio did not say whether this credential may delete keys of"),
    ],
)
def test_an_error_is_no_proof_of_anything(given, refused, standin, operation, words):
    given()
    standin.fault("error_before", operation=operation)
    assert words in refused()


@pytest.mark.parametrize("fault", ["rate_limit", "refuse"])
def test_what_twilio_did_not_take_leaves_nothing(credential, refused, standin, fault):
    standin.fault(fault)
    assert "Twilio did not make a key to try the credential with" in refused()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("other_policy", "a key with another policy than the one it was asked for, so none would be issued"),
        (
            "null_policy",
            "a Standard key, with full access, instead of the one it was asked for, so none would be issued",
        ),
    ],
)
def test_a_key_with_another_policy_is_deleted_and_the_credential_refused(credential, refused, standin, fault, words):
    standin.fault(fault)
    assert f"Twilio made {words}" in refused()


@pytest.mark.parametrize("fault", ["drop_after", "no_secret", "error_after", "drop_before"])
def test_what_a_lost_answer_left_is_cleaned_up(credential, standin, settings, fault):
    settings.RECONCILE_GRACE = settings.RECONCILE_GRACE * 0
    standin.fault(fault)
    with pytest.raises(CommandError, match="It is not known whether Twilio made a key"):
        connect(standin.account_sid)
    connection = Connection.objects.get()
    assert (connection.outcome, connection.settled_at) == ("failed", None)
    for _ in range(3):
        reconcile()
    connection.refresh_from_db()
    assert connection.settled_at is not None
    assert connection.credential_ciphertext == ""
    assert standin.keys() == []
    assert matching(action="key.orphan_deleted").exists() is (fault != "drop_before")
    assert not UnmanagedKey.objects.exists()


def test_a_key_that_can_not_be_deleted_is_alarmed_and_shown_and_tried_again(credential, cast, standin, told):
    standin.fault("refuse", operation="delete", status=404, code=20404, message="There is no such key")
    standin.fault("refuse", operation="delete", status=401, code=20003, message="Policy evaluation failed")
    with pytest.raises(CommandError, match=r"lacks /twilio/iam/api-keys/delete\. Key SK.* could not be deleted"):
        connect(standin.account_sid)
    (sid,) = [key["sid"] for key in standin.keys()]
    assert [notice["kind"] for notice in told] == ["alarm.connection_key"]
    assert sid in told[0]["text"]
    assert matching(action="trouble.began").get().key_sid == sid
    page = text_of(cast.client("security").get("/reconciliation/"))
    assert f"Key {sid}, with [kp:" in page
    assert "The reconciler removes what its check left at Twilio. The credential lacks" in page
    standin.fault("refuse", operation="delete", status=401, code=20003, message="Policy evaluation failed", times=1)
    reconcile()
    assert [notice["kind"] for notice in told] == ["alarm.connection_key"], "once is enough"
    reconcile()
    assert standin.keys() == []
    assert Connection.objects.get().settled_at is not None
    assert [notice["kind"] for notice in told] == ["alarm.connection_key", "alarm.ended"]
    assert sid not in text_of(cast.client("security").get("/reconciliation/"))


def test_while_it_runs_the_page_shows_it_and_the_reconciler_leaves_it_alone(cast, standin):
    now = timezone.now()
    marker = new_marker(identity())
    with standin.client() as client:
        name = marked_name("connection check", marker)
        made = client.create_restricted_key(account_sid=standin.account_sid, friendly_name=name, policy=Policy.of(READ))
    Connection.objects.create(
        account_sid=standin.account_sid,
        credential_user=standin.api_key,
        credential_ciphertext="nonsense",
        marker=marker,
        started_at=now,
        asked_at=now,
        in_flight_until=now + timedelta(minutes=1),
    )
    reconcile()
    assert standin.key(made.sid) is not None
    assert not UnmanagedKey.objects.exists()
    assert "Being connected" in text_of(cast.client("security").get("/reconciliation/"))


@pytest.mark.parametrize("check", ["full", "listing"])
def test_it_says_when_it_is_given_an_auth_token_or_a_main_key(given, credential, standin, check):
    given(standin.auth_token)
    assert "This is the account's Auth Token." in connect(standin.account_sid, "--check", check)
    given(main=True)
    out = connect(standin.account_sid, "--check", check)
    assert "This is a Main key" in out
    assert "/twilio/iam/api-keys/… create, read, list, update and delete suffices" in out
    given()
    out = connect(standin.account_sid, "--check", check)
    assert "suffices" not in out


def made_by_another(standin, marker):
    with standin.client() as client:
        made = client.create_restricted_key(
            account_sid=standin.account_sid,
            friendly_name=marked_name("billing", marker),
            policy=Policy.of(READ),
        )
    return made.sid


@pytest.mark.parametrize("check", ["full", "listing"])
def test_another_portals_keys_need_shared_and_are_left_alone(credential, refused, standin, settings, check):
    settings.RECONCILE_GRACE = settings.RECONCILE_GRACE * 0
    sid = made_by_another(standin, "A" * 12)
    words = refused("--check", check)
    assert sid in words
    assert "--shared" in words
    assert "Connected" in connect(standin.account_sid, "--check", check, "--shared")
    for _ in range(3):
        reconcile()
    assert standin.key(sid) is not None


def test_a_marker_with_its_own_hash_is_not_anothers_though_the_database_lost_it(credential, standin):
    made_by_another(standin, new_marker(identity()))
    assert "Connected" in connect(standin.account_sid)


def test_its_own_keys_and_unmarked_ones_need_no_shared(credential, cast, standin):
    connect(standin.account_sid, "--team", "Payments")
    cast.account = Account.objects.get(pk=standin.account_sid)
    cast.issued()
    with standin.client() as client:
        client.create_restricted_key(account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(READ))
    assert "Connected" in connect(standin.account_sid)


def test_issuing_works_with_an_unproved_credential_and_the_pages_say_so(credential, cast, standin):
    connect(standin.account_sid, "--check", "listing", "--team", "Payments")
    cast.account = Account.objects.get(pk=standin.account_sid)
    _, secret = cast.issued()
    assert secret
    admin = cast.client("admin").get(f"/admin/keys_app/account/{standin.account_sid}/change/")
    assert "No: it was tried with a listing alone" in text_of(admin)
    assert "Credential unproved" in text_of(cast.client("security").get("/reconciliation/"))
    connect(standin.account_sid)
    Account.objects.exclude(pk=standin.account_sid).delete()
    assert "No: it was tried" not in text_of(
        cast.client("admin").get(f"/admin/keys_app/account/{standin.account_sid}/change/")
    )
    assert "Credential unproved" not in text_of(cast.client("security").get("/reconciliation/"))


def test_no_secret_of_a_throwaway_key_is_kept(credential, standin):
    connect(standin.account_sid)
    stored = whole_database()
    digest = standin.truth()["keys"][-1]["secret_sha256"]
    assert digest not in stored
    assert standin.api_secret not in stored


def test_where_the_mark_can_not_be_kept_nothing_is_created(credential, refused, standin, settings, tmp_path):
    """An older database that is put back could otherwise pass for one that knows the key."""
    settings.CHECKPOINT_DIR = tmp_path / "a file" / "checkpoints"
    (tmp_path / "a file").write_text("")
    before = standin.requests()["create"]
    refused()
    assert standin.requests()["create"] == before
    assert "Connected" in connect(standin.account_sid, "--check", "listing")


def test_an_attempt_that_the_reconciler_closed_meanwhile_changes_nothing(credential, standin, monkeypatch):
    """The command was stopped for so long that it was taken for dead, and goes on after all."""
    look_at = proof.look

    def slowly(*args, **kwargs):
        look_at(*args, **kwargs)
        Connection.objects.update(in_flight_until=timezone.now())
        reconcile()

    monkeypatch.setattr(connect_module, "look", slowly)
    before = standin.requests()["create"]
    with pytest.raises(CommandError, match="the reconciler closed the attempt"):
        connect(standin.account_sid)
    assert standin.requests()["create"] == before
    assert not Account.objects.filter(pk=standin.account_sid).exists()
    assert Connection.objects.get().outcome == "broken_off"


def test_the_mark_outside_knows_the_attempt_before_twilio_is_asked(credential, standin, monkeypatch):
    exchange, kept = Transport.exchange, []

    def exchanged(self, method, *args, **kwargs):
        if method == "POST":
            kept.append((mark.read().size, matching().count(), matching().order_by("-sequence").first().action))
        return exchange(self, method, *args, **kwargs)

    monkeypatch.setattr(Transport, "exchange", exchanged)
    connect(standin.account_sid)
    ((size, events, last),) = kept
    assert (size, last) == (events, "connection.key_started")
