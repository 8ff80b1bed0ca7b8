"""The policy builder's server side: each way of choosing without JavaScript, starting points, guardrails."""

import re

import pytest

from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import TeamMembership
from keys_app.permissions.policy_json import MAX_TEXT
from tests.cast import MAKE_KEYS, OTHER_ACCOUNT, READ_MESSAGES, READ_USAGE, text_of

from .test_request_new import ticked

NEW = "/requests/new/"
SEND = "/twilio/messaging/messages/create"


def _shown(cast, query: str, role: str = "engineer"):
    answer = cast.client(role).get(NEW + query)
    return answer, ticked(answer.content.decode())


def _pressed(cast, button: dict, **changes):
    answer = cast.client("engineer").post(NEW, {**cast.form(permissions=READ_USAGE), **changes, **button})
    assert answer.status_code == 200
    assert "A monthly report." in answer.content.decode()
    assert not KeyRequest.objects.exists()
    return answer, ticked(answer.content.decode())


def test_it_starts_from_a_task_by_link_and_sends_nothing(cast):
    answer, boxes = _shown(cast, f"?template=send-sms&account={cast.account.sid}")
    assert SEND in boxes
    assert f'value="{cast.account.sid}" selected' in answer.content.decode()
    assert not KeyRequest.objects.exists()


@pytest.mark.parametrize("query", ["?template=none", "?permissions=", "?account=AC1&lifetime_days=x"])
def test_it_opens_with_a_link_that_means_nothing(cast, query):
    answer, boxes = _shown(cast, query)
    assert (answer.status_code, boxes) == (200, [])


def test_it_starts_from_permissions_in_a_link_and_shows_unknown_ones(cast):
    answer, boxes = _shown(cast, f"?permissions={READ_MESSAGES[0]},/twilio/no/such/read&permissions={SEND}")
    assert set(boxes) == {READ_MESSAGES[0], SEND, "/twilio/no/such/read"}
    assert "not in the catalogue" in text_of(answer)


def test_it_copies_the_policy_of_ones_own_or_ones_teams_request(cast):
    earlier = cast.ask("colleague", permissions=READ_MESSAGES, purpose="Nobody else's business.")
    for role in ("colleague", "engineer", "lead"):
        answer, boxes = _shown(cast, f"?copy={earlier.pk}", role)
        assert set(boxes) == set(READ_MESSAGES)
        assert "Nobody else" not in answer.content.decode()
    for role in ("engineer2", "lead2", "security"):
        assert cast.client(role).get(f"{NEW}?copy={earlier.pk}").status_code == 404


@pytest.mark.parametrize("query", ["?copy=x", "?copy=00000000-0000-0000-0000-000000000000", "?key=x"])
def test_it_has_no_start_from_nothing(cast, query):
    assert cast.client("engineer").get(NEW + query).status_code == 404


def test_it_requests_a_change_of_ones_own_key_and_shows_the_difference(cast, actions):
    first, _ = cast.issued(permissions=READ_MESSAGES)
    key = first.keys.get()
    answer, boxes = _shown(cast, f"?key={key.sid}")
    assert set(boxes) == set(READ_MESSAGES)
    assert f'name="changes_key" value="{key.sid}"' in answer.content.decode()
    change = cast.ask(permissions=[READ_MESSAGES[0], SEND], changes_key=key.sid)
    assert change.difference.added == (SEND,)
    assert change.difference.removed == (READ_MESSAGES[1],)
    for client, url in (
        (cast.client("engineer"), f"/requests/{change.pk}/"),
        (cast.client("lead"), f"/admin/keys_app/keyrequest/{change.pk}/change/"),
    ):
        assert "What changes" in text_of(client.get(url))
    assert actions(change.pk) == ["request.created"]


def test_it_refuses_a_change_of_somebody_elses_or_a_revoked_key(cast):
    first, _ = cast.issued(permissions=READ_MESSAGES)
    key = first.keys.get()
    assert cast.client("colleague").get(f"{NEW}?key={key.sid}").status_code == 404
    answer = cast.client("colleague").post(NEW, cast.form(changes_key=key.sid))
    assert answer.status_code == 422
    assert "not one of your live keys" in text_of(answer)
    cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "Over."})
    assert cast.client("engineer").post(NEW, cast.form(changes_key=key.sid)).status_code == 422


@pytest.mark.parametrize("sid", ["\0", "SK\0", "SK" + "f" * 40, "' OR 1=1"])
@pytest.mark.parametrize("way", [{}, {"summary_only": "1"}, {"text_only": "1"}, {"search_only": "1"}])
def test_it_takes_no_other_text_for_a_key(cast, way, sid):
    """PostgreSQL looks for no text with a NUL."""
    answer = cast.client("engineer").post(NEW, cast.form(changes_key=sid, **way))
    assert answer.status_code == (200 if way else 422)
    assert "Change a key" not in text_of(answer)


def test_it_takes_json_without_javascript(cast):
    text = '{"allow": ["/twilio/messaging/messages/read", "/twilio/messaging/messages/list"]}'
    _, boxes = _pressed(cast, {"text_only": "1", "policy_text": text})
    assert set(boxes) == set(READ_MESSAGES)


BAD_JSON = ["{", "[1]", '{"allow": [], "allow": []}', "[" * 5000, "\0", '["/twilio/x/*"]', "x" * 70000]


@pytest.mark.parametrize("text", BAD_JSON)
def test_it_refuses_json_at_its_place_and_keeps_both_the_text_and_the_ticks(cast, text):
    answer, boxes = _pressed(cast, {"text_only": "1", "policy_text": text})
    assert boxes == READ_USAGE
    assert answer.context["policy_text_error"]
    assert answer.context["policy_text_error"] in text_of(answer)
    assert answer.context["policy_text"] == text[: MAX_TEXT + 1]


@pytest.mark.parametrize("button", ["text_only", "paste_only"])
def test_it_says_at_its_place_that_ten_megabytes_are_too_much(cast, button):
    field = "policy_text" if button == "text_only" else "paste"
    answer, boxes = _pressed(cast, {button: "1", field: "x" * 10_000_000})
    said = answer.context["policy_text_error"] or answer.context["reading"].message
    assert said in text_of(answer)
    assert boxes == READ_USAGE
    assert len(answer.content) < 1_000_000


def test_it_takes_a_task_and_levels_without_javascript(cast):
    _, boxes = _pressed(cast, {"template_only": "send-sms"})
    assert SEND in boxes
    levels = {"level_only": "1", "level:messaging/messages": "read", "level:billing/usage": "none"}
    _, boxes = _pressed(cast, levels)
    assert set(boxes) == set(READ_MESSAGES)
    _, boxes = _pressed(cast, {**levels, "level:messaging/messages": "nonsense", "level:billing/usage": "custom"})
    assert boxes == READ_USAGE


def test_it_reads_a_pasted_error_and_drops_credentials(cast, caplog):
    token = "0123456789abcdef" * 2
    pasted = f"curl -u AC{'1' * 32}:{token} https://api.twilio.com/2010-04-01/Accounts/AC{'1' * 32}/Messages.json"
    answer, boxes = _pressed(cast, {"paste_only": "1", "paste": pasted})
    assert "/twilio/messaging/messages/list" in answer.content.decode()
    assert token not in answer.content.decode()
    assert token not in caplog.text
    assert answer.context["reading"].credentials_dropped
    assert READ_USAGE[0] in boxes


def test_it_offers_without_a_tick_what_is_possible_and_not_certain(cast):
    address = f"https://api.twilio.com/2010-04-01/Accounts/AC{'1' * 32}/Messages.json"
    answer = cast.client("engineer").post(NEW, {"paste_only": "1", "paste": address}, headers={"HX-Request": "true"})
    boxes = re.findall(r'<input type="checkbox" name="permissions"[^>]*>', answer.content.decode())
    assert [re.search(r'value="([^"]*)"', box)[1] for box in boxes] == ["/twilio/messaging/messages/list", SEND]
    assert not any(re.search(r"\bchecked\b", box) for box in boxes)
    assert "Possible, but not certain. Tick what you need:" in text_of(answer)
    answer = cast.client("engineer").post(
        NEW, {"paste_only": "1", "paste": "POST " + address}, headers={"HX-Request": "true"}
    )
    (box,) = re.findall(r'<input type="checkbox" name="permissions"[^>]*>', answer.content.decode())
    assert f'value="{SEND}" checked' in box


def test_it_answers_htmx_with_parts(cast):
    client, htmx = cast.client("engineer"), {"HX-Request": "true"}
    error = "Authorization Error: required permission twilio/messaging/messages/list is missing"
    reading = client.post(NEW, {"paste_only": "1", "paste": error}, headers=htmx)
    assert "/twilio/messaging/messages/list" in reading.content.decode()
    summary = client.post(NEW, {"summary_only": "1", "permissions": [SEND]}, headers=htmx)
    assert "can send messages" in text_of(summary).lower()
    assert "<html" not in (reading.content + summary.content).decode()


RAILS = {
    "product": ({"allowed_products": ["voice"]}, READ_USAGE),
    "permission": ({"forbidden_permissions": ["/twilio/billing/usage/read"]}, READ_USAGE),
    "wildcard": ({"forbidden_permissions": ["/twilio/messaging/messages/*"]}, READ_MESSAGES),
    "risk": ({"max_risk": "medium"}, READ_MESSAGES),
}


@pytest.mark.parametrize(("rails", "permissions"), RAILS.values(), ids=RAILS)
@pytest.mark.parametrize("owner", ["team", "account"])
def test_it_holds_the_guard_rails_at_request_approval_and_issue(cast, owner, rails, permissions):
    def put(**values):
        limited = getattr(cast, owner)
        for name, value in values.items():
            setattr(limited, name, value)
        limited.save()

    none = {name: "" if name == "max_risk" else [] for name in rails}
    pending, approved = cast.ask(permissions=permissions), cast.approved(permissions=permissions)
    put(**rails)
    refused = cast.client("engineer").post(NEW, cast.form(permissions=permissions))
    assert refused.status_code == 422
    assert refused.context["form"].errors.keys() == {"permissions"}
    assert set(ticked(refused.content.decode())) == set(permissions)
    assert cast.decide("lead", pending, "approve").status_code == 409
    answer = cast.issue(approved)
    assert answer.status_code == 409
    assert "This request needs approval again" in text_of(answer)
    assert cast.decide("lead", approved, "approve").status_code == 409
    put(**none)
    assert cast.decide("lead", pending, "approve").status_code == 302
    assert cast.issue(approved).status_code == 409
    assert cast.decide("lead", approved, "approve").status_code == 302
    assert cast.issue(approved).status_code == 200


def test_it_holds_the_accounts_limit_on_the_lifetime(cast):
    cast.account.max_lifetime_days = 7
    cast.account.save()
    answer = cast.client("engineer").post(NEW, cast.form(lifetime_days="8"))
    assert "Maximum lifetime on account Shop: 7 days." in text_of(answer)
    assert cast.ask(lifetime_days="7")


def test_it_shows_what_the_guard_rails_block_while_choosing(cast):
    cast.team.allowed_products = ["voice"]
    cast.team.save()
    client = cast.client("engineer")
    answer = client.post(
        NEW,
        {"summary_only": "1", "permissions": READ_USAGE, "account": cast.account.sid},
        headers={"HX-Request": "true"},
    )
    assert answer.context["problems"]
    assert answer.context["problems"][0] in text_of(answer)


def test_it_edits_guard_rails_in_the_admin_with_known_permissions_only(cast):
    url = f"/admin/keys_app/account/{cast.account.pk}/change/"
    data = {
        "name": "Shop",
        "environment": "staging",
        "is_active": "on",
        "leads_required": "1",
        "teams": [cast.team.pk],
        "max_risk": "high",
        "allowed_products": ["messaging"],
        "forbidden_permissions": "/twilio/messaging/messages/delete\n/twilio/messaging/mesages/read",
    }
    refused = cast.client("admin").post(url, data)
    assert "Nearest: /twilio/messaging/messages/read" in text_of(refused)
    data["forbidden_permissions"] = "/twilio/messaging/messages/delete\n/twilio/messaging/services/*"
    assert cast.client("admin").post(url, data).status_code == 302
    cast.account.refresh_from_db()
    assert cast.account.forbidden_permissions == ["/twilio/messaging/messages/delete", "/twilio/messaging/services/*"]
    assert cast.account.allowed_products == ["messaging"]


def test_it_keeps_other_teams_out_of_the_starting_points(cast):
    cast.ask("engineer2", account=OTHER_ACCOUNT, friendly_name="foreign", permissions=MAKE_KEYS)
    answer, _ = _shown(cast, "")
    assert [source.label for source in answer.context["earlier"]] == []
    TeamMembership.objects.create(team=cast.other_team, user=cast.people["engineer"])
    answer, _ = _shown(cast, "")
    assert [source.label for source in answer.context["earlier"]] == ["foreign"]


def test_it_offers_an_operators_own_tasks(cast, settings, tmp_path):
    """The setting as the portal reads it from `PORTAL_TEMPLATES_FILE`."""
    own = tmp_path / "tasks.toml"
    own.write_text(
        '[[template]]\nslug = "our-report"\ntitle = "Our report"\ndescription = "What we spend."\n'
        'group = "Ours"\nname = "our-report"\npermissions = ["/twilio/billing/usage/read"]\n'
    )
    settings.TEMPLATES_FILE = own
    answer, boxes = _shown(cast, "?template=our-report")
    assert boxes == READ_USAGE
    assert "Our report" in text_of(answer)
