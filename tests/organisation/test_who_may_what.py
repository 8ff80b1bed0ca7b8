"""Who may do what: every role, every action, on one's own, one's team's and a foreign object.

Each number is what the page answers. A refusal (4xx, or 302 with a dash) changes nothing at all; any other
answer to an action does. People who do not decide are not let into the admin (403), whatever they ask for there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.core.actor import Actor
from keys_app.key_requests import decide as key_requests_decide
from keys_app.key_requests import submit
from keys_app.key_requests.decision_models import Approval, Comment, Narrowing
from keys_app.key_requests.models import KeyRequest
from keys_app.keys import issue
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Delegation, TeamMembership
from keys_app.permissions.policy import Policy
from tests.cast import MAKE_KEYS, READ_MESSAGES, READ_USAGE, Cast, person

# deputy stands in for lead; breaker may break glass; both leads in Payments; leadsec is in Security too; super has
# every group and right; former was a lead and is switched off. Security, admin and stranger are in no team.
TABLE = """
action        object  engineer deputy breaker lead colead leadsec super engineer2 lead2 security admin stranger former
see           own     200      200    200     200  200    200     200   200       200   -        -     -        302-
see           team    404      200    404     200  200    200     200   404       200   -        -     -        302-
see           foreign 404      404    404     404  404    200     200   404       404   200      404   404      302-
decide-page   own     403      200    403     200  200    200     200   403       200   -        -     -        302-
decide-page   team    403      200    403     200  200    200     200   403       200   -        -     -        302-
decide-page   foreign 403      404    403     404  404    200     200   403       404   200      404   403      302-
approve       own     403      409    403     409  409    409     409   403       409   -        -     -        302-
approve       team    403      302    403     302  302    302     302   403       302   -        -     -        302-
approve       foreign 403      404    403     404  404    409     409   403       404   409      404   403      302-
approve       lead's  403      409    403     409  302    302     302   403       404   302      404   403      302-
approve       second  403      409    403     409  409    302     302   403       404   302      404   403      302-
reject        own     403      409    403     409  409    409     409   403       409   -        -     -        302-
reject        team    403      302    403     302  302    302     302   403       302   -        -     -        302-
reject        foreign 403      404    403     404  404    409     409   403       404   409      404   403      302-
narrow        own     403      409    403     409  409    409     409   403       409   -        -     -        302-
narrow        team    403      302    403     302  302    302     302   403       302   -        -     -        302-
narrow        foreign 403      404    403     404  404    409     409   403       404   409      404   403      302-
ask           own     403      302    403     302  302    302     302   403       302   -        -     -        302-
ask           team    403      302    403     302  302    302     302   403       302   -        -     -        302-
ask           foreign 403      404    403     404  404    302     302   403       404   302      404   403      302-
withdraw      own     403      409    403     409  409    409     409   403       409   -        -     -        302-
withdraw      team    403      302    403     302  302    302     302   403       302   -        -     -        302-
withdraw      foreign 403      404    403     404  404    302     302   403       404   302      404   403      302-
withdraw      lead's  403      409    403     409  302    302     302   403       404   302      404   403      302-
several-page  team    403      200    403     200  200    200     200   403       200   -        -     -        302-
several       own     403      302-   403     302- 302-   302-    302-  403       302-  -        -     -        302-
several       team    403      302    403     302  302    302     302   403       302   -        -     -        302-
several       foreign 403      302-   403     302- 302-   302-    302-  403       302-  302-     403   403      302-
review        own     403      409    403     409  409    409     409   403       409   -        -     -        302-
review        team    403      302    403     302  302    302     302   403       302   -        -     -        302-
review        foreign 403      404    403     404  404    302     302   403       404   302      404   403      302-
comment       own     302      302    302     302  302    302     302   302       302   -        -     -        302-
comment       team    404      302    404     302  302    302     302   404       302   -        -     -        302-
comment       foreign 404      404    404     404  404    302     302   404       404   302      404   404      302-
cancel        own     302      302    302     302  302    302     302   302       302   -        -     -        302-
cancel        team    404      403    404     403  403    403     403   404       403   -        -     -        302-
cancel        foreign 404      404    404     404  404    403     403   404       404   403      404   404      302-
issue         own     200      200    200     200  200    200     200   200       200   -        -     -        302-
issue         team    404      403    404     403  403    403     403   404       403   -        -     -        302-
issue         foreign 404      404    404     404  404    403     403   404       404   403      404   404      302-
see-key       own     200      200    200     200  200    200     200   200       200   -        -     -        302-
see-key       team    404      200    404     200  200    200     200   404       200   -        -     -        302-
see-key       foreign 404      404    404     404  404    200     200   404       404   200      404   404      302-
confirm       own     302      302    302     302  302    302     302   302       302   -        -     -        302-
confirm       team    404      403    404     403  403    403     403   404       403   -        -     -        302-
confirm       foreign 404      404    404     404  404    403     403   404       404   403      404   404      302-
replace       own     302      302    302     302  302    302     302   302       302   -        -     -        302-
replace       team    404      403    404     403  403    403     403   404       403   -        -     -        302-
replace       foreign 404      404    404     404  404    403     403   404       404   403      404   404      302-
revoke        own     302      302    302     302  302    302     302   302       302   -        -     -        302-
revoke        team    404      302    404     302  302    302     302   404       302   -        -     -        302-
revoke        foreign 404      404    404     404  404    302     302   404       404   302      404   404      302-
ask-for-key   team    302      302    302     302  302    302     302   302       302   422      422   422      302-
ask-for-key   foreign 422      422    422     422  422    422     422   422       422   422      422   422      302-
break-glass   team    422      422    302     422  422    422     422   422       422   422      422   422      302-
name-deputy   team    404      404    404     302  302    302     302   404       302   404      404   404      302-
name-deputy   foreign 404      404    404     422  422    422     422   404       422   404      404   404      302-
end-deputy    lead's  404      404    404     302  404    404     404   404       404   404      404   404      302-
list-page     any     403      200    403     200  200    200     200   403       200   200      403   403      302-
deputies-page any     404      404    404     200  200    200     200   404       200   404      404   404      302-
audit         any     403      403    403     403  403    200     200   403       403   200      403   403      302-
"""
TWO_LOW = [*READ_USAGE, "/twilio/messaging/services/read"]
DECISIONS = ("approve", "reject", "narrow", "ask", "review", "withdraw")
KEY_ACTIONS = ("see-key", "confirm", "replace", "revoke")
PENDING = (*DECISIONS, "see", "decide-page", "several", "several-page", "comment", "cancel")
STATES = dict.fromkeys(PENDING, "pending") | dict.fromkeys(KEY_ACTIONS, "issued")
STATES |= {"review": "glass", "issue": "approved", "withdraw": "approved"}
ADMIN = "/admin/keys_app/keyrequest/"


ROLES, *LINES = [line.split() for line in TABLE.strip().splitlines()]


def rows(role: str) -> list[tuple[str, str, str]]:
    """Return the role's column: action, object, expected answer."""
    assert {len(line) for line in LINES} == {len(ROLES)}
    column = ROLES.index(role)
    return [(line[0], line[1], line[column]) for line in LINES if line[column] != "-"]


class World:
    """The cast with the other roles, and objects in the state each action needs, made when first asked for."""

    def __init__(self, cast: Cast, role: str) -> None:
        self.cast, self.role = cast, role
        self.made: dict[tuple[str, str], KeyRequest] = {}
        cast.account.teams.add(cast.other_team)  # shared, so that only the team makes an object foreign
        for name in ("deputy", "breaker"):
            cast.people[name] = person(name, "Engineers", cast.team)
        for name in ("leadsec", "super", "former"):
            cast.people[name] = person(name, "Team leads", cast.team, is_lead=True)
        cast.people["leadsec"].groups.add(Group.objects.get(name="Security"))
        cast.people["super"].groups.set(Group.objects.all())
        cast.people["super"].is_superuser = cast.people["super"].is_staff = True
        cast.people["super"].save()
        cast.let_break_glass("breaker")
        assert cast.delegate("lead", "deputy").status_code == 302

    def prepare(self, column: list[tuple[str, str, str]]) -> None:
        """Make every object the column needs; `former` is switched off after that."""
        for action, whose, _ in column:
            if action in STATES:
                self.object(whose, STATES[action])
        User.objects.filter(username="former").update(is_active=False)

    @property
    def in_support(self) -> bool:
        return self.role in ("engineer2", "lead2")

    def owner(self, whose: str) -> str:
        """Return who sent the object: for a team's, somebody of it who decides nothing."""
        if whose in ("lead's", "second"):
            return "lead" if whose == "lead's" else "colleague"
        if whose == "own":
            return self.role
        here = self.in_support is (whose == "team")
        if not here:
            return "colleague"
        return "engineer2" if self.role != "engineer2" else "lead2"

    def object(self, whose: str, state: str) -> KeyRequest:
        if (whose, state) not in self.made:
            self.made[whose, state] = self._make(whose, self.owner(whose), state)
        return KeyRequest.objects.get(pk=self.made[whose, state].pk)

    def _make(self, whose: str, owner: str, state: str) -> KeyRequest:
        person = self.cast.people[owner]
        team = self.cast.other_team if owner in ("engineer2", "lead2") else self.cast.team
        allowed = TeamMembership.objects.get(user=person).may_break_glass
        TeamMembership.objects.filter(user=person).update(may_break_glass=allowed or state == "glass")
        critical = whose == "second"
        made = submit.create_request(
            actor=Actor.of(person),
            account=self.cast.account,
            team=team,
            friendly_name="wanted",
            purpose="A table.",
            ticket_url="",
            lifetime_days=1 if state == "glass" else 30,
            policy=Policy.of(MAKE_KEYS if critical else TWO_LOW),
            incident="INC-1" if state == "glass" else "",
        )
        TeamMembership.objects.filter(user=person).update(may_break_glass=allowed)
        if state in ("approved", "issued") or critical:
            by = next(name for name in self._deciders(owner) if name != owner)
            key_requests_decide.approve(
                request_id=made.pk, digest=made.content_digest, actor=Actor.of(self.cast.people[by])
            )
        if state == "issued":
            issue.issue_key(key_request=KeyRequest.objects.get(pk=made.pk), actor=Actor.of(person))
        return made

    def _deciders(self, owner: str) -> list[str]:
        return ["lead2", "security2"] if owner in ("engineer2", "lead2") else ["colead", "lead"]


@contextmanager
def undone() -> Iterator[None]:
    """Take everything back afterwards, so that one set-up serves a whole column of the table."""
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


def everything() -> list[object]:
    """Return all that an action could change. That access was refused is recorded, and changes nothing."""
    states = KeyRequest.objects.values_list("pk", "state", "policy_json", "lifetime_days", "claim_until")
    keys = ApiKey.objects.values_list("pk", "state", "confirmed_at")
    counts = [model.objects.count() for model in (Approval, Narrowing, Comment, Delegation)]
    return [sorted(states), sorted(keys), counts, matching().exclude(action="access.refused").count()]


def press(world: World, client, action: str, whose: str):
    """Do one action through its page as a browser would."""
    wanted = world.object(whose, STATES[action]) if action in STATES else None
    if action in (*DECISIONS, "decide-page"):
        return decide(client, action, wanted)
    if action in KEY_ACTIONS:
        url = f"/keys/{wanted.keys.get().sid}/"
        return client.get(url) if action == "see-key" else client.post(f"{url}{action}/", {"reason": "Why not."})
    if action in ("see", "comment", "cancel", "issue"):
        url = f"/requests/{wanted.pk}/"
        return client.get(url) if action == "see" else client.post(f"{url}{action}/", {"comment": "Is it so?"})
    if action in ("several", "several-page"):
        return several(client, action, wanted)
    if action in ("ask-for-key", "break-glass"):
        return ask(world, client, action, whose)
    if action in ("name-deputy", "end-deputy"):
        return deputies(world, client, action, whose)
    pages = {"list-page": ADMIN, "deputies-page": "/deputies/", "audit": "/audit/"}
    return client.get(pages[action])


def decide(client, action: str, wanted: KeyRequest):
    url = f"{ADMIN}{wanted.pk}/change/"
    if action == "decide-page":
        return client.get(url)
    fields = {"decision": action, "digest": wanted.content_digest, "reason": "Because.", "question": "Is it so?"}
    return client.post(url, {**fields, "keep": list(wanted.policy)[:1], "lifetime_days": "7"})


def several(client, action: str, wanted: KeyRequest):
    if action == "several-page":
        return client.get(f"{ADMIN}several/", {"id": str(wanted.pk)})
    return client.post(f"{ADMIN}several/", {"approve": str(wanted.pk), f"digest-{wanted.pk}": wanted.content_digest})


def ask(world: World, client, action: str, whose: str):
    """Ask for a key on the team's account, or on one that only the other team has."""
    account = world.cast.account
    if whose == "foreign":
        account = world.cast.other_account
        account.teams.set([world.cast.team if world.in_support else world.cast.other_team])
    incident = "INC-2" if action == "break-glass" else ""
    fields = world.cast.form(account=account.sid, incident=incident, permissions=READ_MESSAGES)
    return client.post("/requests/new/", fields)


def deputies(world: World, client, action: str, whose: str):
    if action == "end-deputy":  # the one that lead named
        return client.post(f"/deputies/{Delegation.objects.get().pk}/end/")
    support = world.in_support is (whose == "team")
    team, deputy = (world.cast.other_team, "engineer2") if support else (world.cast.team, "engineer")
    today = timezone.now().date()
    fields = {"team": team.pk, "deputy": world.cast.people[deputy].pk, "since": today, "until": today}
    return client.post("/deputies/", fields)


@pytest.mark.parametrize("role", ROLES[2:])
def test_it_lets_everybody_do_what_the_table_says_and_nothing_else(cast, role):
    world = World(cast, role)
    holds(world, cast.client(role), rows(role))


def holds(world: World, client, column: list[tuple[str, str, str]]) -> None:
    """Press everything that the column of a world's role names, and compare."""
    role = world.role
    world.prepare(column)
    for action, whose, expected in column:
        with undone():
            before = everything()
            answer = press(world, client, action, whose)
            changed = everything() != before
            if answer.status_code == 302 and answer["Location"].startswith("/admin/login/"):
                answer = client.get(answer["Location"])
        if action == "revoke" and b"there is no such key" in answer.content:
            answer.status_code = 302  # what an earlier press has deleted at Twilio stays deleted there
        got = f"{answer.status_code}{'-' if expected.endswith('-') else ''}"
        assert got == expected, f"{role}: {action} {whose} object answered {got}, not {expected}"
        reads = action in ("see", "see-key", "audit") or action.endswith("-page")
        refused = answer.status_code >= 400 or expected.endswith("-")
        assert changed is not (reads or refused), f"{role}: {action} {whose} object, {expected}"
