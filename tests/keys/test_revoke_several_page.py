"""Revoking the keys of an owner, a team or an account on one page: shown first, then ticked, with one reason."""

import re
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.keys import queries
from keys_app.keys.models import ApiKey
from keys_app.organisation import access
from keys_app.organisation.models import TeamMembership
from tests.cast import READ_MESSAGES, text_of
from tests.forms import forms_of
from tests.users.stale import NOTED, stale

PAGE = "/keys/revoke/"
OWNER = f"{PAGE}?owner=engineer"
NAMES = ("first", "second", "third")


@pytest.fixture
def keys(cast):
    """Three keys of engineer and one of colleague, all of Payments on the same account."""
    made = {name: cast.issued(friendly_name=name)[0].keys.get() for name in NAMES}
    cast.issue(cast.approved("colleague", friendly_name="other"), "colleague")
    return {**made, "other": ApiKey.objects.get(owner__username="colleague")}


def form_of(answer):
    return next(form for form in forms_of(answer) if form.action.startswith(PAGE))


def press(cast, role, url=OWNER, *, shown=None, client=None, reason="Leaked.", **changes):
    """Open the page and press its button, with what `changes` says: as the page stands, everything is ticked."""
    client = client or cast.client(role)
    form = form_of(shown or client.get(url))
    return client.post(form.action, form.sent(reason=reason, **changes))


def states():
    return {key.name: key.state for key in ApiKey.objects.all()}


def shown_names(answer):
    return {row.key.name for row in answer.context["rows"]}


@pytest.mark.parametrize(
    ("query", "role", "expected"),
    [
        ("owner=engineer", "engineer", set(NAMES)),
        ("owner=me", "engineer", set(NAMES)),
        ("owner=ENGINEER", "lead", set(NAMES)),
        ("owner=engineer", "security", set(NAMES)),
        ("owner=me", "colleague", {"other"}),
        ("team={team}", "lead", {*NAMES, "other"}),
        ("team={team}", "security", {*NAMES, "other"}),
        ("team={team}", "colleague", {"other"}),
        ("account={account}", "colead", {*NAMES, "other"}),
        ("account={account}", "engineer", set(NAMES)),
        ("account={account}&team=&owner=", "security", {*NAMES, "other"}),
    ],
)
def test_it_shows_what_this_person_may_revoke_and_revokes_that(cast, keys, query, role, expected):
    url = f"{PAGE}?{query.format(team=cast.team.pk, account=cast.account.sid)}"
    shown = cast.client(role).get(url)
    assert shown.status_code == 200 and shown_names(shown) == expected
    form = form_of(shown)
    assert sorted(form.fields["keys"]) == sorted(keys[name].sid for name in expected)
    assert form.required == ["reason"]
    assert f"Revoke {len(expected)} key{'s' * (len(expected) > 1)}" in text_of(shown)
    assert press(cast, role, url, shown=shown).status_code == 302
    assert {name for name, state in states().items() if state == "revoked"} == expected


def test_a_deputy_revokes_in_the_leads_place(cast, keys):
    assert cast.client("colleague").get(OWNER).status_code == 404
    assert cast.delegate("lead", "colleague").status_code == 302
    assert press(cast, "colleague").status_code == 302
    assert {states()[name] for name in NAMES} == {"revoked"}


@pytest.mark.parametrize("role", ["colleague", "engineer2", "lead2", "stranger", "admin"])
def test_others_find_nothing_and_change_nothing(cast, keys, role, actions):
    sids = [keys[name].sid for name in NAMES]
    for query in ("owner=engineer", "owner=nobody", f"team={cast.other_team.pk + 99}", "account=AC0", "team=x"):
        assert cast.client(role).get(f"{PAGE}?{query}").status_code == 404
        answer = cast.client(role).post(f"{PAGE}?{query}", {"keys": sids, "reason": "Mine."})
        assert answer.status_code == 404
    assert set(states().values()) == {"active"}
    assert "access.refused" in actions()


def test_keys_of_others_among_ones_own_are_refused(cast, keys, actions):
    answer = press(cast, "engineer", "/keys/revoke/?owner=me", keys=[keys["first"].sid, keys["other"].sid])
    assert answer.status_code == 302
    assert states() == {"first": "revoked", "second": "active", "third": "active", "other": "active"}
    assert "access.refused" in actions()
    client = cast.client("lead")
    answer = press(cast, "lead", client=client, keys=[keys["other"].sid])  # the lead's to revoke, but not of this page
    assert answer.status_code == 422 and states()["other"] == "active"
    assert "1 key not revoked: no longer of owner “Engineer Person (engineer)”" in text_of(answer)


@pytest.mark.parametrize("query", ["", "owner=", "owner=engineer&team={team}", "state=live", "q=first"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_it_needs_exactly_one_scope(cast, keys, query, method):
    url = f"{PAGE}?{query.format(team=cast.team.pk)}"
    data = {"keys": [keys["first"].sid], "reason": "Leaked."} if method == "post" else {}
    answer = getattr(cast.client("security"), method)(url, data) if data else cast.client("security").get(url)
    assert answer.status_code == 422
    assert "This page needs one owner, one team or one account." in text_of(answer)
    assert states()["first"] == "active"


def test_each_key_has_its_own_events_and_the_reason(cast, keys, actions):
    before = len(actions())
    client = cast.client("lead")
    answer = press(cast, "lead", client=client, reason="The laptop was stolen.")
    assert (answer.status_code, answer["Location"]) == (302, "/keys/?owner=engineer")
    assert sorted(actions()[before:]) == ["key.revoke_started"] * 3 + ["key.revoked"] * 3
    assert {event.key_sid for event in matching(action="key.revoked")} == {keys[name].sid for name in NAMES}
    assert {ApiKey.objects.get(pk=keys[name].pk).revoke_reason for name in NAMES} == {"The laptop was stolen."}
    assert "3 keys revoked." in text_of(client.get(answer["Location"]))


def test_it_says_what_each_key_is_and_may_do(cast, keys):
    cast.issued(friendly_name="reader", permissions=READ_MESSAGES)
    text = text_of(cast.client("lead").get(OWNER))
    assert "Deletes each ticked key at Twilio, immediately." in text and "This can’t be undone." in text
    assert keys["first"].sid in text and "Engineer Person (engineer)" in text and "Shop" in text
    row = next(row for row in cast.client("lead").get(OWNER).context["rows"] if row.key.name == "reader")
    assert row.key.risk == "high" and row.does == "can read the text of every message"
    assert "Not confirmed" in text


def test_what_is_not_ticked_stays(cast, keys):
    assert press(cast, "lead", keys=[keys["first"].sid, keys["third"].sid]).status_code == 302
    assert states() == {"first": "revoked", "second": "active", "third": "revoked", "other": "active"}


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001])
def test_without_a_reason_nothing_is_revoked_and_what_was_ticked_is_kept(cast, keys, actions, reason):
    before = actions()
    ticked = [keys["first"].sid, keys["third"].sid]
    answer = press(cast, "lead", keys=ticked, reason=reason)
    assert answer.status_code == 422 and actions() == before
    form = form_of(answer)
    assert sorted(form.fields["keys"]) == sorted(ticked) and form.fields["reason"] == [reason]
    assert 'aria-describedby="reason-error"' in answer.content.decode()
    assert press(cast, "lead", shown=answer).status_code == 302
    assert states() == {"first": "revoked", "second": "active", "third": "revoked", "other": "active"}


@pytest.mark.parametrize("sent", [None, ["x"], ["SK" + "\0" * 32], ["SK" + "g" * 32], ["'; --"]])
def test_nothing_ticked_is_said_and_the_reason_kept(cast, keys, actions, sent):
    before = actions()
    answer = press(cast, "lead", keys=sent)
    assert answer.status_code == 422 and actions() == before
    assert "Nothing was ticked, so nothing was revoked." in text_of(answer)
    form = form_of(answer)
    assert "keys" not in form.fields and form.fields["reason"] == ["Leaked."]


def test_what_appeared_meanwhile_is_named_and_stays(cast, keys):
    client = cast.client("lead")
    shown = client.get(OWNER)
    late = cast.issued(friendly_name="late")[0].keys.get()
    answer = press(cast, "lead", shown=shown, client=client)
    assert answer.status_code == 302
    assert states()["late"] == "active" and {states()[name] for name in NAMES} == {"revoked"}
    text = text_of(client.get(answer["Location"]))
    assert f"Not on the page you opened, so was not revoked: “late” ({late.sid})." in text


def test_what_appeared_meanwhile_is_not_ticked_when_the_page_comes_again(cast, keys):
    shown = cast.client("lead").get(OWNER)
    late = cast.issued(friendly_name="late")[0].keys.get()
    answer = press(cast, "lead", shown=shown, reason="")
    assert answer.status_code == 422 and "Not there when you opened the page" in text_of(answer)
    assert late.sid not in form_of(answer).fields["keys"]


def test_what_was_not_ticked_is_not_called_new(cast, keys):
    client = cast.client("lead")
    answer = press(cast, "lead", client=client, keys=[keys["first"].sid])
    assert "Not on the page you opened" not in text_of(client.get(answer["Location"]))


def test_pressing_twice_is_once_and_says_so(cast, keys, actions):
    client = cast.client("lead")
    shown = client.get(OWNER)
    assert press(cast, "lead", shown=shown, client=client).status_code == 302
    client.get("/keys/")
    before = actions()
    answer = press(cast, "lead", shown=shown, client=client, reason="Again.")
    assert answer.status_code == 422 and actions() == before
    assert text_of(answer).count("This key is revoked, since") == 3 and "“Leaked.”" in text_of(answer)
    assert "Again." not in {key.revoke_reason for key in ApiKey.objects.all()}


def test_one_that_was_revoked_meanwhile_is_told_at_its_row_and_the_others_are_revoked(cast, keys):
    shown = cast.client("lead").get(OWNER)
    cast.client("engineer").post(f"/keys/{keys['second'].sid}/revoke/", {"reason": "Mine."})
    answer = press(cast, "lead", shown=shown)
    assert answer.status_code == 422
    assert {states()[name] for name in NAMES} == {"revoked"}
    text = text_of(answer)
    assert "2 keys revoked." in text and "Look at 1 key" in text and "“Mine.”" in text
    assert shown_names(answer) == {"second"}


def test_one_that_twilio_refuses_is_told_at_its_row_and_the_others_are_revoked(cast, keys, standin):
    standin.fault("error_before", operation="delete", times=1)
    client = cast.client("lead")
    answer = press(cast, "lead", client=client, keys=[keys["first"].sid, keys["third"].sid])
    assert answer.status_code == 200
    assert sorted(states()[name] for name in ("first", "third")) == ["revoked", "revoking"]
    text = text_of(answer)
    assert "1 key revoked." in text and "not deleted at Twilio yet" in text
    assert "Twilio has not deleted the key yet" in text and "keeps retrying" in text
    form = form_of(answer)
    assert "keys" not in form.fields and form.fields["reason"] == ["Leaked."]  # the second was not ticked, and is there


def test_a_key_taken_over_by_another_team_meanwhile_is_refused_among_the_others(cast, keys):
    shown = cast.client("lead").get(OWNER)
    ApiKey.objects.filter(pk=keys["second"].pk).update(team=cast.other_team)
    client = cast.client("lead")
    answer = press(cast, "lead", shown=shown, client=client)
    assert answer.status_code == 302 and states()["second"] == "active"
    assert "1 key not revoked: no longer of owner" in text_of(client.get(answer["Location"]))


def test_a_lead_no_more_revokes_nothing(cast, keys):
    shown = cast.client("lead").get(OWNER)
    TeamMembership.objects.filter(user=cast.people["lead"]).update(is_lead=False)
    assert press(cast, "lead", shown=shown).status_code == 404
    assert set(states().values()) == {"active"}


def test_more_than_a_page_shows_follow_after(cast, keys, monkeypatch):
    monkeypatch.setattr("keys_app.views.revoke_several.MOST", 2)
    client = cast.client("lead")
    shown = client.get(OWNER)
    assert "The first 2 of 3 keys are shown." in text_of(shown) and "Revoke 2 keys" in text_of(shown)
    answer = press(cast, "lead", shown=shown, client=client)
    assert (answer.status_code, answer["Location"]) == (302, OWNER)
    rest = client.get(answer["Location"])
    assert "2 keys revoked." in text_of(rest) and "1 key left." in text_of(rest)
    assert press(cast, "lead", shown=rest, client=client)["Location"] == "/keys/?owner=engineer"
    assert {states()[name] for name in NAMES} == {"revoked"}


def test_more_ticks_than_a_page_has_are_refused(cast, keys, monkeypatch, actions):
    monkeypatch.setattr("keys_app.views.revoke_several.MOST", 2)
    before = actions()
    answer = press(cast, "lead", keys=[keys[name].sid for name in NAMES])
    assert answer.status_code == 422 and "At most 2 keys" in text_of(answer) and actions() == before


def test_it_asks_to_sign_in_again_and_keeps_what_was_ticked_and_typed(cast, keys, actions):
    client, before = stale(cast, "lead"), actions()
    form = form_of(client.get(OWNER))
    ticked = [keys["first"].sid, keys["third"].sid]
    sent = form.sent(keys=ticked, reason="The laptop was stolen.")
    answer = client.post(form.action, sent, headers={"Referer": f"http://testserver{OWNER}"})
    assert answer["Location"] == "/accounts/reauthenticate/?next=%2Fkeys%2Frevoke%2F%3Fowner%3Dengineer"
    assert actions() == before
    late = cast.issued(friendly_name="late")[0].keys.get()
    session = client.session
    session[NOTED] = time.time()
    session.save()
    other = form_of(client.get(f"{PAGE}?team={cast.team.pk}"))
    assert len(other.fields["keys"]) == 5 and other.fields["reason"] == [""]  # what was typed is of the other page
    again = form_of(client.get(OWNER))
    assert sorted(again.fields["keys"]) == sorted(ticked) and again.fields["reason"] == ["The laptop was stolen."]
    assert late.sid not in again.fields["keys"]
    assert client.post(again.action, again.sent()).status_code == 302
    assert states() == {"first": "revoked", "second": "active", "third": "revoked", "other": "active", "late": "active"}


def test_ones_own_need_no_fresh_sign_in(cast, keys):
    assert press(cast, "engineer", client=stale(cast, "engineer")).status_code == 302
    assert {states()[name] for name in NAMES} == {"revoked"}


def test_the_rule_of_the_set_is_the_rule_of_one(cast, keys):
    cast.delegate("lead", "colleague")
    ApiKey.objects.filter(pk=keys["third"].pk).update(team=cast.other_team)
    cast.client("engineer").post(f"/keys/{keys['first'].sid}/revoke/", {"reason": "Mine."})
    for user in cast.people.values():
        who = access.Person(user)
        one_by_one = {key for key in ApiKey.objects.filter(state="active") if queries.can_revoke(who, key)}
        assert set(queries.revocable_keys(who)) == one_by_one, user


@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_the_list_links_to_it_once_one_scope_narrows_it(cast, keys, role):
    client = cast.client(role)
    team, account = f"team={cast.team.pk}", f"account={cast.account.sid}"

    def link(query):
        page = client.get(f"/keys/?{query}").content.decode()
        return re.findall(r'href="(/keys/revoke/[^"]*)">([^<]*)<', page)

    for scope in ("owner=engineer", team, account):
        assert link(scope) == [(f"/keys/revoke/?{scope}", "Revoke these keys…")]
    assert link("owner=engineer&q=first") == [("/keys/revoke/?owner=engineer", "Revoke all keys of this owner…")]
    for none in ("", "state=live", f"owner=engineer&{team}", "owner=nobody", "team=0"):
        assert link(none) == []
    ApiKey.objects.update(state="revoking")
    assert link("owner=engineer") == []


def test_the_list_of_those_who_left_links_to_it(cast, keys):
    cast.people["engineer"].is_active = False
    cast.people["engineer"].save()
    client = cast.client("lead")
    assert client.get("/keys/left/").content.decode().count(f'href="{OWNER}"') == 3
    assert press(cast, "lead").status_code == 302
    assert {states()[name] for name in NAMES} == {"revoked"}


def test_nothing_left_to_revoke_is_said(cast, keys):
    press(cast, "engineer")
    page = cast.client("engineer").get(OWNER)
    assert page.status_code == 200 and "No active key is left here." in text_of(page)
    assert not [form for form in forms_of(page) if form.action.startswith(PAGE)]


@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_thirty_keys_need_as_many_queries_as_three(cast, keys, role):
    def queries_of(url):
        client = cast.client(role)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        return len(captured)

    before = queries_of(OWNER)
    for number in range(27):  # as if adopted, which takes no request and no issuing of each
        ApiKey.objects.create(
            sid=f"SK{number:032x}", account=cast.account, team=cast.team, owner=cast.people["engineer"],
            friendly_name=f"more-{number}", policy_json=keys["first"].policy_json, adopted_at=timezone.now(),
            issued_at=timezone.now(), expires_at=timezone.now() + timedelta(days=30),
        )  # fmt: skip
    assert queries_of(OWNER) == before
    assert len(cast.client(role).get(OWNER).context["rows"]) == 30
