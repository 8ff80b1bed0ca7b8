"""A name that the team has on an account already is told: in the form, on the request and to the approver."""

import re

import pytest

from keys_app.keys.models import ApiKey
from keys_app.organisation.models import TeamMembership
from tests.cast import text_of

TOLD = "has this name on this account already"


def notice(answer):
    return re.search(r"(?:The|Your) team has this name on this account already: (.*?)\.", text_of(answer))


def summary(cast, role="engineer", **changes):
    form = {**cast.form(**changes), "summary_only": "1"}
    return cast.client(role).post("/requests/new/", form, headers={"HX-Request": "true"})


def test_the_builder_tells_it_at_the_name(cast):
    cast.issued(friendly_name="usage-report")
    answer = summary(cast, friendly_name="Usage-Report")
    assert '<div id="same-name" role="status" hx-swap-oob="true">' in answer.content.decode()
    assert "live key of Engineer Person (engineer), issued" in notice(answer).group(1)
    assert TOLD not in text_of(summary(cast, friendly_name="another"))


@pytest.mark.parametrize("state", ["open", "revoked", "elsewhere"])
def test_only_what_is_live_or_open_and_the_teams_counts(cast, state):
    if state == "open":
        cast.ask(friendly_name="twin")
    elif state == "revoked":
        cast.issued(friendly_name="twin")
        ApiKey.objects.update(state="revoked", revoked_at=ApiKey.objects.get().issued_at, revoke_reason="Old.")
    else:
        cast.ask("engineer2", friendly_name="twin", account=cast.other_account.sid)
    assert bool(notice(summary(cast, friendly_name="twin"))) is (state == "open")


def test_who_left_the_team_is_not_told_what_it_has_now(cast):
    own = cast.ask(friendly_name="twin")
    cast.ask("colleague", friendly_name="twin")
    url = f"/requests/{own.pk}/"
    assert TOLD in text_of(cast.client("engineer").get(url))
    TeamMembership.objects.filter(user=cast.people["engineer"]).delete()
    answer = cast.client("engineer").get(url)
    assert answer.status_code == 200 and "Colleague Person" not in text_of(answer)


def test_it_is_told_after_sending_and_to_the_approver_and_not_refused(cast):
    cast.ask("colleague", friendly_name="twin")
    second = cast.ask(friendly_name="twin")
    for role, url in (("engineer", "/requests/{}/"), ("lead", "/admin/keys_app/keyrequest/{}/change/")):
        told = notice(cast.client(role).get(url.format(second.pk)))
        assert "open request of Colleague Person (colleague), sent" in told.group(1)
        assert "(engineer)" not in told.group(1), "a request is no twin of itself"


def test_a_form_that_was_refused_tells_it_without_javascript(cast):
    cast.ask(friendly_name="twin")
    answer = cast.client("engineer").post("/requests/new/", cast.form(friendly_name="twin", purpose=""))
    assert answer.status_code == 422
    assert notice(answer)


def test_a_change_of_a_key_keeps_its_name_without_a_word(cast):
    sid = cast.issued(friendly_name="twin")[0].keys.get().sid
    assert not notice(cast.client("engineer").get(f"/requests/new/?key={sid}"))
    assert not notice(summary(cast, friendly_name="twin", changes_key=sid))
    change = cast.ask(friendly_name="twin", changes_key=sid)
    assert not notice(cast.client("engineer").get(f"/requests/{change.pk}/"))


@pytest.mark.parametrize("name", ["", "twin\0", "t" * 5000, "one\ntwo"])
def test_what_is_no_name_is_not_looked_for(cast, name):
    assert summary(cast, friendly_name=name).status_code == 200
