"""What users write is checked by the service that keeps it, so that every page, bulk action and command obeys."""

import inspect
import uuid
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

import keys_app
from keys_app.audit.ledger import matching
from keys_app.connections import connect
from keys_app.core.actor import Actor
from keys_app.core.errors import InvalidInput
from keys_app.core.secret import Secret
from keys_app.key_requests import comments, decide, reopen, submit
from keys_app.keys import revoke, revoke_several
from keys_app.notifications.models import Webhook
from keys_app.notifications.webhooks import MAX_URL, set_address, set_signing_secret
from keys_app.permissions.policy import Policy
from keys_app.reports import access_reviews
from keys_app.users import account_changes, emergency, feed_tokens
from tests.cast import READ_MESSAGES, READ_USAGE

TEXTS = {"reason", "note", "text", "purpose", "friendly_name", "ticket_url", "incident", "template", "name", "quarter"}
"""What a service calls an argument that holds a user's words."""

PRODUCT = Path(keys_app.__file__).parent
ROOMS = ["audit", "organisation", "notifications", "users", "key_requests", "keys", "catalogue", "connections"]
ROOMS += ["reconcile", "reports"]

NOT_A_DOOR = {"record.record"}
"""It writes down what the services have checked."""


def decided(service, **values):
    def call(cast, text):
        asked = cast.ask(permissions=READ_MESSAGES)
        given = {"digest": asked.content_digest, **values} if service is not decide.reject else values
        service(request_id=asked.pk, reason=text, actor=Actor.of(cast.user("lead")), **given)

    return call


def narrowed(cast, text):
    kept = Policy.parse(READ_MESSAGES[:1])
    decided(decide.narrow, policy=kept, lifetime_days=7)(cast, text)


def reviewed_glass(cast, text):
    decide.review(request_id=uuid.UUID(int=0), reason=text, actor=Actor.of(cast.user("lead")))


def withdrawn(cast, text):
    reopen.withdraw(request_id=cast.approved().pk, reason=text, actor=Actor.of(cast.user("lead")))


def revoked(service):
    def call(cast, text):
        service(key=cast.issued()[0].keys.get(), reason=text, actor=Actor.of(cast.user("engineer")))

    return call


def revoked_among_several(cast, text):
    keys = [cast.issued()[0].keys.get()]
    revoke_several.revoke_several(keys=keys, reason=text, actor=Actor.of(cast.user("engineer")))


def in_review(service):
    def call(cast, text):
        cast.issued()
        review = access_reviews.open_review(quarter="2026-Q4", actor=Actor.of(cast.user("security")))
        service(reviewed=review.reviewed_keys.get(), note=text, actor=Actor.of(cast.user("lead")))

    return call


def opened(cast, text):
    access_reviews.open_review(quarter=text, actor=Actor.of(cast.user("security")))


def commented(cast, text):
    comments.add_comment(key_request=cast.ask(), text=text, actor=Actor.of(cast.user("engineer")))


def asked(name):
    def call(cast, text):
        values = {"friendly_name": "n", "purpose": "p", "ticket_url": "", "lifetime_days": 1, name: text}
        cast.let_break_glass()
        submit.create_request(
            actor=Actor.of(cast.user("engineer")),
            account=cast.account,
            team=cast.team,
            policy=Policy.parse(READ_USAGE),
            **values,
        )

    return call


def fed(cast, text):
    feed_tokens.create_token(name=text, actor=Actor.of(cast.user("security")))


def connected(cast, text):
    connect.connect_account(
        sid=cast.account.sid,
        name=text,
        environment="staging",
        username="SK" + "1" * 32,
        password=Secret("a" * 32),
        teams=[],
        actor=Actor.system("a test"),
    )


def vouched(cast, text):
    account_changes.vouch(user=cast.user("engineer"), reason=text, actor=Actor.system("a test"))


def linked(cast, text):
    emergency.make_link(user=cast.user("engineer"), reason=text, actor=Actor.system("a test"))


DOORS = {
    "decide.approve(reason)": (decided(decide.approve), 2000),
    "decide.reject(reason)": (decided(decide.reject), 2000),
    "decide.narrow(reason)": (narrowed, 2000),
    "decide.review(reason)": (reviewed_glass, 2000),
    "reopen.withdraw(reason)": (withdrawn, 2000),
    "revoke.revoke_key(reason)": (revoked(revoke.revoke_key), 2000),
    "revoke.begin_revoking(reason)": (revoked(revoke.begin_revoking), 2000),
    "revoke_several.revoke_several(reason)": (revoked_among_several, 2000),
    "access_reviews.keep(note)": (in_review(access_reviews.keep), 2000),
    "access_reviews.revoke(note)": (in_review(access_reviews.revoke), 2000),
    "access_reviews.open_review(quarter)": (opened, 7),
    "comments.add_comment(text)": (commented, 2000),
    "submit.create_request(friendly_name)": (asked("friendly_name"), 46),
    "submit.create_request(purpose)": (asked("purpose"), 2000),
    "submit.create_request(ticket_url)": (asked("ticket_url"), 500),
    "submit.create_request(incident)": (asked("incident"), 40),
    "submit.create_request(template)": (asked("template"), 60),
    "feed_tokens.create_token(name)": (fed, 80),
    "connect.connect_account(name)": (connected, 80),
    "account_changes.vouch(reason)": (vouched, 2000),
    "emergency.make_link(reason)": (linked, 2000),
}
INVISIBLE = [door for door in DOORS if "connect_account" not in door]  # a command's argument cannot hold a NUL


def test_every_service_that_takes_words_is_here():
    found = set()
    for path in sorted(path for room in ROOMS for path in (PRODUCT / room).rglob("*.py")):
        module = import_module(".".join(path.relative_to(PRODUCT.parent).with_suffix("").parts))
        for name, function in inspect.getmembers(module, inspect.isfunction):
            arguments = inspect.signature(function).parameters
            own = function.__module__ == module.__name__ and not name.startswith("_") and "actor" in arguments
            if own and f"{path.stem}.{name}" not in NOT_A_DOOR:
                words = [one.name for one in arguments.values() if one.kind is one.KEYWORD_ONLY and one.name in TEXTS]
                found |= {f"{path.stem}.{name}({word})" for word in words}
    assert found == set(DOORS)


@pytest.mark.parametrize("door", DOORS)
def test_it_keeps_no_more_than_its_limit(cast, door):
    call, most = DOORS[door]
    refused(cast, door, call, "https://e.com/" + "x" * (most - 13))


@pytest.mark.parametrize("text", ["a\0b", "a\u202eb", "a\x1b[2Jb", "a\u200bb", "a\u3164b", "a\u2028b", "a\ue000b"])
@pytest.mark.parametrize("door", INVISIBLE)
def test_it_keeps_nothing_that_cannot_be_seen(cast, door, text):
    refused(cast, door, DOORS[door][0], text)


PROSE = [door for door in INVISIBLE if any(word in door for word in ("(reason)", "(note)", "(text)", "(purpose)"))]


@pytest.mark.parametrize("door", [door for door in PROSE if "vouch" not in door and "review(" not in door])
def test_it_keeps_one_kind_of_line_end(cast, door):
    DOORS[door][0](cast, "one\r\ntwo\rthree")
    kept = [event.reason for event in matching() if "one" in event.reason]
    assert kept and all("one\ntwo\nthree" in reason for reason in kept)


def refused(cast, door, call, text):
    with pytest.raises(InvalidInput) as error:
        call(cast, text)
    assert error.value.field == door.partition("(")[2].rstrip(")").replace("text", "comment")
    assert text not in [event.reason for event in matching()]


def test_it_keeps_what_fits(cast):
    decided(decide.approve)(cast, "x" * 2000)
    decided(decide.approve)(cast, "")
    in_review(access_reviews.keep)(cast, "")


def test_an_approval_with_a_long_reason_keeps_what_was_typed(cast):
    key_request = cast.ask()
    answer = cast.decide("lead", key_request, "approve", "y" * 2001)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "The reason has 2001 characters; at most 2000 are kept." in page and "y" * 2001 in page
    key_request.refresh_from_db()
    assert key_request.state == "pending"


def test_the_command_says_it_too(cast):
    with pytest.raises(CommandError, match="2001 characters"):
        call_command("vouch_for", "engineer", "--reason", "x" * 2001)


def test_a_webhook_takes_no_address_or_secret_that_its_form_would_refuse():
    for url in ("https://hooks.example.com/" + "x" * MAX_URL, "ftp://hooks.example.com/", ""):
        with pytest.raises(InvalidInput):
            set_address(Webhook(), url)
    with pytest.raises(InvalidInput):
        set_signing_secret(Webhook(), "whsec_short")
