"""What an event is found by: entered with it, append-only, and the same when it is made again."""

import json

import pytest
from django.db import DatabaseError, connection, transaction

from keys_app.audit.key_timeline import life
from keys_app.audit.ledger import Entry, append, matching
from keys_app.audit.models import EventTerm
from keys_app.audit.search import index
from keys_app.audit.search.tokens import address_values, permission_values, terms_of, words

POLICY = '{"allow":["/twilio/iam/api-keys/create","/twilio/iam/api-keys/read"]}'


def test_what_has_parts_is_found_by_them():
    assert address_values("10.1.2.3") == ["10.", "10.1.", "10.1.2.", "10.1.2.3"]
    assert address_values("2001:db8::1")[:2] == ["2001:", "2001:db8:"]
    assert address_values("2001:db8::1")[-1] == "2001:db8::1"
    assert address_values("") == []
    assert permission_values(["/twilio/iam/api-keys/read"]) == [
        "/twilio/iam/",
        "/twilio/iam/api-keys/",
        "/twilio/iam/api-keys/read",
    ]
    assert words("Don't re-use ÉTÉ_2026, été!") == ["don", "t", "re", "use", "été", "2026"]


def test_terms_are_entered_with_the_event_or_not_at_all(db):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        append(Entry("key.issued", "Lena Lead"))
        raise ZeroDivisionError
    assert not EventTerm.objects.exists()
    with transaction.atomic():
        append(
            Entry("key.issued", "Lena Lead", login="lena", actor_id="7", policy=POLICY, details={"a": [{"b": "C d"}]})
        )
    terms = set(EventTerm.objects.values_list("term", flat=True))
    assert {"family:key", "actor:lena lead", "actor:lead", "actor:#7", "risk:critical", "text:c", "text:d"} <= terms
    assert terms == set(terms_of(json.loads(matching().get().canonical)))


def test_long_texts_are_entered(db):
    with transaction.atomic():
        append(Entry("key.issued", "x" * 320, login="y" * 150, reason=" ".join(f"{n}{'z' * 200}" for n in range(200))))
    assert EventTerm.objects.filter(term__startswith="text:").count() == 200


@pytest.mark.parametrize(
    "statement", ["UPDATE {0} SET term = 'x'", "DELETE FROM {0}", "DELETE FROM {0} WHERE sequence = 1"]
)
def test_the_database_refuses_to_change_them(db, statement):
    with transaction.atomic():
        append(Entry("key.issued", "Lena Lead"))
    before = list(EventTerm.objects.values_list("term", "sequence"))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(index.TABLE))
    assert list(EventTerm.objects.values_list("term", "sequence")) == before


def test_a_rebuild_enters_events_of_an_earlier_version(db):
    """They have neither team, risk nor login."""
    with transaction.atomic():
        append(Entry("key.issued", "Lena Lead", actor_id="7", policy=POLICY, reason="why"))
    event = matching().get()
    old = {k: v for k, v in json.loads(event.canonical).items() if k not in ("team", "risk", "login")}
    assert set(terms_of(old)) == set(terms_of(json.loads(event.canonical)))
    rows = [row for some in index._rows(connection) for row in some]
    assert set(rows) == set(EventTerm.objects.values_list("term", "sequence"))


def test_the_columns_follow_what_was_hashed(db):
    with transaction.atomic():
        append(Entry("key.issued", "Lena Lead", team="Payments", risk="high"))
    event = matching().get()
    assert (event.team, event.risk) == ("Payments", "high")
    assert json.loads(event.canonical)["team"] == "Payments"


def test_a_life_changes_with_the_policy_and_ends(db):
    wide = '{"allow":["/twilio/iam/api-keys/create","/twilio/iam/api-keys/read"]}'
    narrow = '{"allow":["/twilio/iam/api-keys/read"]}'
    with transaction.atomic():
        for action, policy in (
            ("key.issued", wide),
            ("key.confirmed", wide),
            ("key.narrowed", narrow),
            ("key.note", ""),
            ("key.revoke_started", narrow),
            ("key.revoked", narrow),
            ("access_review.revoked", narrow),
        ):
            append(Entry(action, "somebody", key_sid="SK1", policy=policy))
    events = list(matching().order_by("sequence"))
    periods = life(events)
    assert [(one.action, len(one.policy), one.numbers) for one in periods] == [
        ("key.issued", 2, [1, 2]),
        ("key.narrowed", 1, [3, 4, 5]),
        ("key.revoked", 0, [6, 7]),
    ]
    assert periods[0].until == periods[1].start == events[2].time
    assert periods[-1].until is None
    assert [one.holds(events[2].time) for one in periods] == [False, True, False]
    assert life([]) == []


def test_an_event_with_very_many_words_is_recorded_all_the_same(db):
    with transaction.atomic():
        append(Entry("key.issued", "Lena Lead", details={"words": [f"word{n}" for n in range(20_000)]}))
    assert EventTerm.objects.count() == 5000
    assert EventTerm.objects.filter(term="actor:lena").exists()
