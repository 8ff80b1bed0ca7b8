"""How many queries a form takes when it is sent: as many with a hundred users in each group as with a few."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.organisation.models import Delegation, TeamMembership
from keys_app.organisation.sent_forms import FIELD, new_token
from tests.cast import text_of
from tests.matrix.test_complete import _names
from tests.users.test_needs_fresh import _address

from .presses import APPROVAL, NOT_PRESSED, PRESSES

MORE = 99
MOST = 45
LIMITED = ("portal:request_new", "portal:request_comment", "portal:request_nudge", APPROVAL)
"""Sending, asking, answering, reminding and deciding: what most people do most."""


def is_sent(place: int, name: str) -> bool:
    """All are on SQLite; on PostgreSQL what most people do most, and a third of the others."""
    return connection.vendor == "sqlite" or name in LIMITED or place % 3 == 0


SENT = [what for place, (what, (name, _)) in enumerate(PRESSES.items()) if is_sent(place, name)]


def crowd(cast):
    """Add users until there are a hundred in Security, portal admins, leads of the team, members and their deputies."""
    groups = {"security": "Security", "lead": "Team leads", "deputy": "Engineers", "admin": None}
    kinds = [kind for kind in groups for _ in range(MORE)]
    users = User.objects.bulk_create(
        User(username=f"{kind}-{n}", email=f"{kind}-{n}@example.test", is_superuser=kind == "admin")
        for n, kind in enumerate(kinds)
    )
    of_kind = list(zip(users, kinds, strict=True))
    group_of = {name: Group.objects.get(name=name) for name in filter(None, groups.values())}
    In = User.groups.through
    In.objects.bulk_create(In(user=user, group=group_of[groups[kind]]) for user, kind in of_kind if groups[kind])
    in_team = [(user, kind) for user, kind in of_kind if kind in ("lead", "deputy")]
    TeamMembership.objects.bulk_create(
        TeamMembership(team=cast.team, user=user, is_lead=kind == "lead") for user, kind in in_team
    )
    now, day = timezone.now(), timedelta(days=1)
    period = {"starts_at": now - day, "ends_at": now + day, "created_at": now - day}
    Delegation.objects.bulk_create(
        Delegation(team=cast.team, lead=cast.people["lead"], deputy=user, **period)
        for user, kind in in_team
        if kind == "deputy"
    )


@pytest.fixture
def busy(cast, settings):
    """The cast, with what a portal in use has: mail to everyone, and limits."""
    settings.SENDS_MAIL = True
    settings.LIMITS = dict.fromkeys(settings.LIMITS, 1000)
    cast.get_mail()
    return cast


@pytest.fixture
def sent(busy, standin, django_capture_on_commit_callbacks):
    """Send a form after `prepare` was called, and take all back; return the answer, and what it asked the database."""

    def send(what, prepare=lambda cast: None):
        point = transaction.savepoint()
        standin.delete_keys()  # which no rollback takes back
        for user in busy.people.values():
            user.refresh_from_db()
        prepare(busy)
        press = PRESSES[what][1](busy, standin)
        press.data.setdefault(FIELD, new_token())
        client = busy.client(press.role)
        while matching().count() % 4 != 3:  # where an event completes two subtrees, and takes the most
            record("test.filled", Actor.system("test"))
        with CaptureQueriesContext(connection) as asked, django_capture_on_commit_callbacks(execute=True):
            answer = press.by(client)
        transaction.savepoint_rollback(point)
        return answer, [one["sql"][:150] for one in asked]

    return send


@pytest.mark.parametrize("what", SENT)
def test_it_takes_as_many_for_many_users_as_for_few(sent, what):
    sent(what)  # what is looked up once
    answer, few = sent(what)
    assert answer.status_code in EXPECTED.get(what, (200, 302)), text_of(answer)
    answer, many = sent(what, crowd)
    assert answer.status_code in EXPECTED.get(what, (200, 302)), text_of(answer)
    assert len(many) == len(few), "\n".join(many)
    if PRESSES[what][0] in LIMITED:
        assert len(many) <= MOST, "\n".join(many)


EXPECTED = {
    "ask for nothing": (422,),
    "approve one's own": (409,),
    "issue what is void": (409,),
    "issue, refused by Twilio": (502,),
}
"""Refusals count as well: they say who decides."""


def test_every_form_is_sent(cast):
    """A new address is among the presses, or says why it is not, or takes no form."""
    known = {*NOT_PRESSED, *(name for name, _ in PRESSES.values())}
    names = sorted(set(_names(get_resolver().url_patterns)) - known)
    left = [name for name in names if not name.endswith(("_changelist", "_history"))]  # without an action, no form
    clients = [cast.client("security"), cast.client("admin")]
    answers = {name: {client.post(_address(name)).status_code for client in clients} for name in left}
    assert {name: codes for name, codes in answers.items() if not codes <= {403, 404, 405}} == {}
