"""Adopting a key that the portal never made: an owner and an end, never its secret."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.core.actor import Actor
from keys_app.core.errors import NotAllowed
from keys_app.key_requests.submit import create_request
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Account, Team
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from tests.cast import MAKE_KEYS, READ_MESSAGES, text_of


@pytest.fixture
def found(cast, standin):
    """An entry of the inventory for a key that was made by hand."""
    with standin.client() as client:
        client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(READ_MESSAGES)
        )
    reconcile()
    return UnmanagedKey.objects.get()


@pytest.fixture
def adopted(cast, found):
    assert adopt(cast, found).status_code == 302
    return ApiKey.objects.get(pk=found.sid)


def adopt(cast, found, role="lead", **changes):
    fields = {"team": cast.team.pk, "owner": cast.people["engineer"].pk, "lifetime_days": "30", **changes}
    return cast.client(role).post(f"/keys/unmanaged/{found.sid}/adopt/", fields)


def test_a_lead_adopts_it_for_somebody_of_the_team(cast, standin, found):
    answer = adopt(cast, found)
    key = ApiKey.objects.get(pk=found.sid)
    assert (answer.status_code, answer["Location"]) == (302, f"/keys/{key.sid}/")
    assert (key.owner.username, key.team, key.account, key.request, key.issuance) == (
        "engineer",
        cast.team,
        cast.account,
        None,
        None,
    )
    assert abs(key.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert list(key.policy) == READ_MESSAGES
    event = matching(action="key.adopted").get()
    assert (event.key_sid, event.request_id, list(event.permissions)) == (key.sid, "", READ_MESSAGES)
    assert (event.details["owner"], event.details["team"]) == ("Engineer Person (engineer)", "Payments")
    assert standin.key(key.sid)
    assert reconcile().unmanaged_new == 0
    assert UnmanagedKey.objects.get().adopted_at


def test_its_page_and_the_lists_say_what_it_is(cast, adopted):
    for role in ("engineer", "lead", "security"):
        client = cast.client(role)
        page = text_of(client.get(f"/keys/{adopted.sid}/"))
        assert "its secret was never here" in page
        assert "High" in page
        assert "Revoke key" in page
        for words in ("Rotate key", "Replace key", "I have stored it", "Request a change"):
            assert words not in page
        rows = text_of(client.get("/keys/"))
        assert "by hand" in rows
        assert "Adopted" in rows
        assert "Not confirmed" not in rows
        assert client.get("/").status_code == 200
    assert cast.client("colleague").get(f"/keys/{adopted.sid}/").status_code == 404
    assert "by hand" not in text_of(cast.client("lead").get("/keys/unmanaged/"))
    assert "by hand" in text_of(cast.client("lead").get("/keys/unmanaged/?show=all"))


@pytest.mark.parametrize("action", ["rotate", "replace"])
def test_it_cannot_be_rotated_or_replaced(cast, standin, adopted, action):
    answer = cast.client("engineer").post(f"/keys/{adopted.sid}/{action}/", {"overlap_hours": "24"})
    assert answer.status_code == 409
    assert "was adopted" in text_of(answer)
    assert len(standin.keys()) == 1


def test_nobody_confirms_a_secret_that_was_never_here(cast, adopted, actions):
    answer = cast.client("engineer").post(f"/keys/{adopted.sid}/confirm/")
    assert answer.status_code == 409
    assert "its secret was never here" in text_of(answer)
    assert "key.confirmed" not in actions()


def test_no_change_of_it_can_be_asked_for_whichever_way(cast, adopted):
    assert cast.client("engineer").post("/requests/new/", cast.form(changes_key=adopted.sid)).status_code == 422
    with pytest.raises(NotAllowed):
        create_request(
            actor=Actor.of(cast.people["engineer"]),
            account=cast.account,
            team=cast.team,
            friendly_name="change",
            purpose="A table.",
            ticket_url="",
            lifetime_days=30,
            policy=adopted.policy,
            changes_key=adopted,
        )


@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_it_is_revoked_as_any_other(cast, standin, adopted, role):
    assert cast.client(role).post(f"/keys/{adopted.sid}/revoke/", {"reason": "Not used."}).status_code == 302
    adopted.refresh_from_db()
    assert (adopted.state, standin.key(adopted.sid)) == ("revoked", None)


def test_it_expires_as_any_other(cast, standin, adopted):
    past = timezone.now() - timedelta(minutes=1)
    ApiKey.objects.update(expires_at=past, issued_at=past - timedelta(days=1))
    assert reconcile().revoked == 1
    assert standin.key(adopted.sid) is None


def test_it_is_compared_as_any_other(cast, standin, adopted):
    with standin.client() as client:
        client.update_key(adopted.sid, policy=Policy.of(MAKE_KEYS))
    assert reconcile().drifted == 1
    with standin.client() as client:
        client.delete_key(adopted.sid)
    assert reconcile().vanished == 1


@pytest.fixture
def standard(cast, standin):
    """An adopted key without a policy, which is a Standard key."""
    with standin.client() as client:
        standin.fault("null_policy")
        client.create_restricted_key(account_sid=standin.account_sid, friendly_name="all", policy=Policy.of(MAKE_KEYS))
    reconcile()
    entry = UnmanagedKey.objects.get()
    assert "Standard key, full access" in text_of(cast.client("lead").get("/keys/unmanaged/"))
    assert adopt(cast, entry).status_code == 302
    return ApiKey.objects.get(pk=entry.sid)


def test_a_key_without_a_policy_can_be_adopted_and_says_what_that_means(cast, standard):
    page = text_of(cast.client("engineer").get(f"/keys/{standard.sid}/"))
    assert "it may do nearly everything on the account" in page
    assert reconcile().drifted == 0


def test_no_page_or_event_takes_a_key_without_a_policy_for_harmless(cast, standard):
    """Not to have a policy is not to have an empty one."""
    client = cast.client("security")
    event = matching(action="key.adopted").get()
    assert event.risk == "critical"
    assert "it could do nearly everything" in text_of(client.get(f"/audit/{event.sequence}/"))
    assert client.get("/audit/reports/").context["live"].total.counts["critical"] == 1
    lines = b"".join(client.get("/audit/export.ocsf.jsonl", {"q": "risk:critical"}).streaming_content).splitlines()
    assert [json.loads(line)["entity"]["data"] for line in lines] == [{"policy": None, "risk": "critical"}]
    assert records(client, key=standard.sid)[0]["key"]["policy"] is None
    pending = cast.ask()
    held = text_of(client.get(f"/admin/keys_app/keyrequest/{pending.pk}/change/"))
    assert "It has no policy: it may do nearly everything" in held
    assert "Nothing in common" not in held


def records(client, **about):
    """Return what the header of a file about a key or person holds."""
    answer = client.get("/audit/reports/about.jsonl", about)
    assert answer.status_code == 200
    return json.loads(b"".join(answer.streaming_content).splitlines()[0])["header"]["records"]


def test_the_reports_know_it(cast, adopted):
    """It has no request, so its risk is that of its own policy, and there is no secret to confirm."""
    client = cast.client("security")
    ApiKey.objects.update(issued_at=timezone.now() - timedelta(days=40))  # what Twilio says of an older key
    assert client.get("/audit/reports/").context["live"].total.counts["high"] == 1
    assert "0 never confirmed" in text_of(client.get("/audit/reports/"))
    assert list(client.get("/audit/reports/keys/").context["unconfirmed"]) == []
    assert [list(one) for one in records(client, key=adopted.sid)] == [["key"]]
    assert records(client, key=adopted.sid)[0]["key"]["adopted_at"]
    assert [list(one) for one in records(client, person="engineer")] == [["person"], ["key"]]
    lines = b"".join(client.get("/audit/reports/about.jsonl", {"key": adopted.sid}).streaming_content).splitlines()
    assert {json.loads(line)["event"]["key_sid"] for line in lines[1:-1]} == {adopted.sid}


def test_an_access_review_says_what_it_is(cast, standard):
    cast.client("security").post("/reviews/", {"quarter": "2026-Q4"})
    page = text_of(cast.client("lead").get("/reviews/2026-Q4/"))
    assert "Critical" in page
    assert "the portal did not make it. It has no policy" in page


def test_nobody_is_told_to_rotate_it(cast, standin, adopted, told):
    with standin.client() as client:
        client.update_key(adopted.sid, policy=Policy.of(MAKE_KEYS))
    User.objects.filter(username="engineer").update(is_active=False)
    reconcile()
    pages = [text_of(cast.client("lead").get(f"/keys/{adopted.sid}/"))]
    assert "not what it was when it was adopted" in pages[0]
    assert "can’t sign in any more" in pages[0]
    answer = cast.client("lead").post(f"/keys/{adopted.sid}/take-over/", follow=True)
    pages += [text_of(answer), *(notice["text"] for notice in told if notice["kind"].startswith("alarm."))]
    assert "An adopted key can’t be rotated" in pages[1]
    for page in pages:
        assert "Rotate or revoke" not in page
        assert "rotate the key" not in page


@pytest.mark.parametrize(
    ("role", "status"),
    [("colead", 302), ("security", 422), ("engineer", 404), ("lead2", 404), ("admin", 404), ("stranger", 404)],
)
def test_it_is_adopted_by_a_lead_of_a_team_with_the_account(cast, found, role, status):
    assert adopt(cast, found, role).status_code == status
    assert ApiKey.objects.exists() is (status == 302)
    shown = cast.client(role).get(f"/keys/unmanaged/{found.sid}/")
    assert shown.status_code == (404 if status == 404 else 200)
    assert cast.client(role).get("/keys/unmanaged/").status_code == (
        200 if role in ("colead", "security", "lead2") else 403
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"owner": "engineer2"}, "Select a valid choice"),
        ({"owner": "security"}, "Select a valid choice"),
        ({"owner": ""}, "This field is required"),
        ({"team": "other"}, "Select a valid choice"),
        ({"lifetime_days": "0"}, "greater than or equal to 1"),
        ({"lifetime_days": ""}, "Say in how many days"),
        ({"lifetime_days": "61"}, "Maximum lifetime: 60 days"),
        ({"lifetime_days": "366"}, "less than or equal to 365"),
    ],
)
def test_it_says_at_its_place_what_does_not_fit_and_keeps_the_rest(cast, found, changes, words):
    Account.objects.filter(pk=cast.account.pk).update(max_lifetime_days=60)
    given = {
        name: cast.people[value].pk if name == "owner" and value else cast.other_team.pk if name == "team" else value
        for name, value in changes.items()
    }
    answer = adopt(cast, found, **given)
    assert answer.status_code == 422
    assert words in text_of(answer)
    if "lifetime_days" not in changes:
        assert 'value="30"' in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_an_owner_of_another_led_team_does_not_fit_the_chosen_one(cast, found):
    from keys_app.organisation.models import TeamMembership

    TeamMembership.objects.create(team=cast.other_team, user=cast.people["lead"], is_lead=True)
    cast.other_team.accounts.add(cast.account)
    answer = adopt(cast, found, owner=cast.people["engineer2"].pk)
    assert answer.status_code == 422
    assert "Choose a user who is in the team" in text_of(answer)
    assert adopt(cast, found, owner=cast.people["engineer2"].pk, team=cast.other_team.pk).status_code == 302


def test_it_is_adopted_once(cast, found):
    assert adopt(cast, found).status_code == 302
    answer = adopt(cast, found, "colead")
    assert answer.status_code == 409
    assert "adopted already" in text_of(answer)


def test_a_key_that_is_gone_is_not_adopted(cast, standin, found):
    standin.delete_keys()
    answer = adopt(cast, found)
    assert answer.status_code == 409
    assert "does not have this key any more" in text_of(answer)
    assert not ApiKey.objects.exists()


def test_the_portals_own_credential_is_not_adopted(cast, found):
    Account.objects.filter(pk=cast.account.pk).update(credential_user=found.sid)
    answer = adopt(cast, found)
    assert answer.status_code == 409
    assert "the portal itself works with" in text_of(answer)


@pytest.mark.parametrize("fault", ["error_before", "drop_before", "unauthorized", "rate_limit"])
def test_nothing_is_adopted_when_twilio_does_not_show_it(cast, standin, found, fault):
    standin.fault(fault, operation="fetch")
    answer = adopt(cast, found)
    assert answer.status_code == 503
    assert "Nothing was changed" in text_of(answer)
    assert not ApiKey.objects.exists()
    assert adopt(cast, found).status_code == 302


# Proposing


def propose(cast, found, role="security", team=None):
    return cast.client(role).post(f"/keys/unmanaged/{found.sid}/propose/", {"team": (team or cast.team).pk})


def test_security_proposes_it_to_a_team(cast, found, told, actions):
    assert "Propose" in text_of(cast.client("security").get(f"/keys/unmanaged/{found.sid}/"))
    assert propose(cast, found).status_code == 302
    (notice,) = told
    assert notice["kind"] == "key.adoption_proposed"
    assert {user.username for user in notice["people"]} == {"lead", "colead"}
    assert actions()[-1] == "key.adoption_proposed"
    assert "Proposed to Payments" in text_of(cast.client("lead").get("/keys/unmanaged/"))
    assert "Security Person (security) asks the leads" in text_of(
        cast.client("lead").get(f"/keys/unmanaged/{found.sid}/")
    )
    assert adopt(cast, found).status_code == 302
    assert propose(cast, found).status_code == 409


@pytest.mark.parametrize(("role", "status"), [("lead", 403), ("engineer", 404), ("lead2", 404), ("admin", 404)])
def test_only_security_proposes(cast, found, role, status):
    assert propose(cast, found, role).status_code == status


def test_it_is_proposed_to_a_team_with_the_account_alone(cast, found):
    assert propose(cast, found, team=cast.other_team).status_code == 422
    assert propose(cast, found, team=Team.objects.create(name="New")).status_code == 422
    assert UnmanagedKey.objects.get().proposed_team is None


# The database


@pytest.mark.parametrize("wrong", [{"adopted_at": None}, {"retires_at": timezone.now()}])
def test_the_database_knows_adopted_keys_from_made_ones(cast, adopted, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=adopted.pk).update(**wrong)


@pytest.mark.parametrize("wrong", [{"adopted_at": timezone.now()}, {"request": None}, {"policy_json": ""}])
def test_the_database_knows_made_keys_from_adopted_ones(cast, wrong):
    key_request, _ = cast.issued()
    with pytest.raises(IntegrityError), transaction.atomic():
        key_request.keys.update(**wrong)
