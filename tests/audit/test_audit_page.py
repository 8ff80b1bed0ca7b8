"""The audit's list: for Security, newest first, searched by a line or by fields, paged in a stable order."""

import re

import pytest
from django.db import transaction

from keys_app.audit import ledger
from keys_app.audit.merkle import checkpoints
from keys_app.audit.merkle.inclusion import evidence
from tests.cast import READ_MESSAGES, text_of

SK = "SK" + "a" * 32


def append(*entries):
    with transaction.atomic():
        return [ledger.append(entry) for entry in entries]


def entry(action="test.event", actor="a test", **values):
    return ledger.Entry(action=action, actor_name=actor, **values)


def found(client, line="", **fields):
    answer = client.get("/audit/", {"q": line, **fields})
    assert answer.status_code == 200, text_of(answer)
    return [event.sequence for event in answer.context["events"]]


@pytest.mark.parametrize(
    ("role", "status"), [("security", 200), ("engineer", 403), ("lead", 403), ("admin", 403), ("stranger", 403)]
)
@pytest.mark.parametrize("url", ["/audit/", "/audit/1/", "/audit/complete/?q=act"])
def test_it_is_for_security_only(cast, role, status, url):
    cast.ask()
    assert cast.client(role).get(url).status_code == status


def test_it_shows_sid_creator_account_policy_action_and_time_newest_first(cast):
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    key = key_request.keys.get()
    answer = cast.client("security").get("/audit/")
    page = text_of(answer)
    for shown in (key.sid, "Engineer Person", cast.account.sid, *READ_MESSAGES, "key.issued", f"{key.issued_at:%H:%M}"):
        assert shown in page
    numbers = [event.sequence for event in answer.context["events"]]
    assert numbers == sorted(numbers, reverse=True)
    assert page.index("key.issued") < page.index("request.created")


def test_it_filters_by_fields(cast):
    cast.issued()
    client = cast.client("security")
    events = client.get("/audit/", {"action": "request.approved", "actor": "Lead Person"}).context["events"]
    assert [event.action for event in events] == ["request.approved"]
    assert client.get("/audit/", {"account": cast.other_account.sid}).context["events"] == []


def test_every_key_finds_what_the_portal_recorded(cast):
    key_request, _ = cast.issued(permissions=READ_MESSAGES, purpose="Nightly réconciliation of Messages")
    key = key_request.keys.get()
    client = cast.client("security")
    everything = found(client)
    for line in (
        "action:key.issued",
        "action:key.*",
        "actor:engineer",
        'actor:"engineer person"',
        f"account:{cast.account.sid}",
        "team:payments",
        f"key:{key.sid}",
        key.sid,
        f"request:{key_request.pk}",
        "permission:/twilio/messaging/",
        "permission:/twilio/messaging/messages/",
        "permission:/twilio/messaging/messages/list",
        "product:messaging",
        "risk:high",
        "address:127.",
        "address:127.0.0.1",
        "created:>=2020-01-01",
        "RÉCONCILIATION messages",
    ):
        hits, others = found(client, line), found(client, "-" + line if " " not in line else "-risk:high")
        assert hits, line
        assert set(hits) <= set(everything)
        if " " not in line:
            assert sorted([*hits, *others]) == sorted(everything), line
    for line in (
        "actor:engi",
        "team:support",
        "risk:low",
        "product:iam",
        "address:10.",
        "created:<2020-01-01",
        "réconcil",
    ):
        assert found(client, line) == [], line


def test_conditions_combine(cast):
    low, high, other = append(
        entry("key.issued", "Ann Lee", team="Payments", risk="low", reason="alpha beta"),
        entry("key.issued", "Ann Lee", team="Payments", risk="high", reason="alpha"),
        entry("key.revoked", "Bo Lee", team="Support", risk="high", reason="beta"),
    )
    client = cast.client("security")
    assert found(client, "actor:lee risk:high") == [other, high]
    assert found(client, "action:key.issued action:key.revoked team:support") == [other]
    assert found(client, "actor:lee alpha beta") == [low]
    assert found(client, "actor:lee -risk:low -action:key.revoked") == [high]
    assert found(client, "actor:ann risk:low risk:high") == [high, low]
    assert found(client, "actor:lee", risk="high", team="Payments") == [high]
    assert found(client, "actor:lee created:2020-01-01..2020-02-01") == []


def test_the_line_and_the_fields_show_the_same(cast):
    append(entry("key.issued", "Ann Lee", team="Mobile Apps", risk="high"))
    client = cast.client("security")
    answer = client.get("/audit/", {"q": "-risk:low", "team": "Mobile Apps", "from": "2026-11-01", "to": "2030-11-30"})
    line = '-risk:low team:"Mobile Apps" created:2026-11-01..2030-11-30'
    assert answer.context["line"] == line
    again = client.get("/audit/", {"q": line})
    assert again.context["form"] == answer.context["form"]
    assert again.context["form"]["team"] == "Mobile Apps"
    assert (again.context["form"]["from"], again.context["form"]["to"]) == ("2026-11-01", "2030-11-30")
    assert again.context["form"]["rest"] == "-risk:low"
    page = again.content.decode()
    assert 'name="q" value="-risk:low"' in page
    assert "/audit/export.csv?q=-risk%3Alow" in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("before=x", "does not exist"),
        ("before=-1", "does not exist"),
        ("before=" + "9" * 30, "does not exist"),
        ("before=5", "another search"),
        ("before=5.0123456789&q=risk:low", "another search"),
        ("actor=" + "x" * 5000, "at most 1000"),
        ("actor=...", "neither a letter nor a digit"),
        ("account=AC1", "account's SID"),
        ("key=1", "key's SID"),
        ("request=1", "request's number"),
        ("permission=iam", "not a permission"),
        ("product=!", "product's name"),
        ("risk=none", "not a risk"),
        ("address=1", "not an address"),
        ("from=2026-13-01", "not in the calendar"),
        ("from=2026-11-30&to=2026-11-01", "ends before it begins"),
        ("q=created:2026-11-30..2026-11-01", "ends before it begins"),
        ("q=colour:red", "not something to search by"),
        ("q=%22open", "does not end"),
    ],
)
def test_it_says_what_it_does_not_understand_and_keeps_it(cast, query, words):
    cast.ask()
    answer = cast.client("security").get("/audit/?" + query)
    assert answer.status_code == 422
    assert words in text_of(answer)
    name, _, value = query.partition("&")[0].partition("=")
    if name in ("actor", "account", "key", "permission") and len(value) < 100:
        assert f'name="{name}" value="{value}"' in answer.content.decode()


def test_it_marks_the_part_that_was_not_understood_and_nothing_gets_out_of_it(cast):
    answer = cast.client("security").get("/audit/", {"q": "risk:high <script>:alert(1) colour:<b>"})
    page = answer.content.decode()
    assert "<mark>colour:&lt;b&gt;</mark>" in page
    assert "<script>:alert" not in page


@pytest.mark.parametrize("line", ["", "action:test.event", "action:test.event actor:test -risk:low", "number"])
def test_it_pages_through_every_event_once_while_others_come_in(cast, line):
    numbers = append(*(entry(details={"number": number, "word": "number"}) for number in range(230)))
    client, url, seen = cast.client("security"), "/audit/?q=" + line.replace(" ", "+"), []
    while url:
        answer = client.get(url)
        seen += [event.sequence for event in answer.context["events"]]
        append(entry("test.event", details={"word": "number"}))
        url = answer.context["next_url"] and "/audit/" + answer.context["next_url"]
    assert seen == numbers[::-1]


def test_a_page_reads_a_bounded_number_of_rows(cast, django_assert_max_num_queries):
    """The list counts nothing: no statement reads more than a page and one more."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    append(*(entry() for _ in range(150)))
    client = cast.client("security")
    client.get("/audit/")
    with CaptureQueriesContext(connection) as captured:
        client.get("/audit/?q=action:test.event+actor:test")
    of_ledger = [one["sql"] for one in captured if "audit_" in one["sql"] and not one["sql"].startswith("SAVEPOINT")]
    assert of_ledger
    assert not [sql for sql in of_ledger if "COUNT(" in sql.upper()]
    assert all(re.search(r"LIMIT \d|MAX\(|MIN\(|IN \(|BETWEEN", sql) for sql in of_ledger), of_ledger


def test_the_page_of_an_event_shows_all_of_it_and_leads_on(cast):
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    client = cast.client("security")
    event = client.get("/audit/?q=action:key.issued").context["events"][0]
    answer = client.get(f"/audit/{event.sequence}/")
    page = text_of(answer)
    for shown in (event.canonical, bytes(event.leaf_hash).hex(), "engineer", "Payments", "High"):
        assert shown in page
    links = set(re.findall(r'href="([^"]+)"', answer.content.decode()))
    sid = key_request.keys.get().sid
    assert {f"/audit/keys/{sid}/", f"/requests/{key_request.pk}/", f"/audit/{event.sequence - 1}/"} <= links
    for link in links:
        if link.startswith("/") and not link.startswith(("/static", "/accounts")):
            assert client.get(link.replace("&amp;", "&")).status_code == 200, link


def test_the_page_of_a_signed_event_shows_each_hash_of_its_proof(cast):
    cast.issued(permissions=READ_MESSAGES)
    checkpoints.sign()
    client = cast.client("security")
    event = client.get("/audit/?q=action:key.issued").context["events"][0]
    path = evidence(event).path
    assert path
    proof = re.search(r"index \d+ of \d+\n([^<]+)</pre>", client.get(f"/audit/{event.sequence}/").content.decode())
    assert proof[1].split() == list(path)


def test_details_are_shown_in_words_and_hashed_as_they_were(cast):
    details = {
        "groups": ["Security", "Engineers"],
        "superuser": True,
        "leads_required": False,
        "allowed_products": [],
        "max_risk": None,
        "ticket": "",
        "runs": 0,
        "members": {"ann_lee": "lead", "bo": "member"},
        "changes": [{"added": {"object": "A & B"}}, {"changed": {"fields": ["Groups", "Active"]}}],
    }
    (number,) = append(entry(details=details))
    shown = {
        "groups": "Security, Engineers",
        "superuser": "yes",
        "leads required": "no",
        "allowed products": "none",
        "max risk": "none",
        "ticket": "none",
        "runs": "0",
        "members": "ann_lee: lead, bo: member",  # a user name keeps its underscore
        "changes": "added: object: A &amp; B; changed: fields: Groups, Active",
    }
    client = cast.client("security")
    for url in ("/audit/", f"/audit/{number}/"):
        page = client.get(url).content.decode()
        for name, text in shown.items():
            assert f'<dt>{name}</dt><dd translate="no">{text}</dd>' in page
    assert ledger.event(number).details == details


@pytest.mark.parametrize("number", ["0", "999", "9" * 40])
def test_there_is_no_page_for_an_event_that_does_not_exist(cast, number):
    assert cast.client("security").get(f"/audit/{number}/").status_code == 404


def test_the_pages_of_key_and_request_lead_to_their_events_for_security_only(cast):
    key_request, _ = cast.issued()
    sid = key_request.keys.get().sid
    for url, link in (
        (f"/keys/{sid}/", f"/audit/keys/{sid}/"),
        (f"/requests/{key_request.pk}/", f"/audit/?q=request:{key_request.pk}"),
    ):
        assert link in cast.client("security").get(url).content.decode()
        assert link not in cast.client("engineer").get(url).content.decode()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("act", "action:"),
        ("risk:low -act", "risk:low -action:"),
        ("action:key.is", "action:key.issued"),
        ("action:ke", "action:key.*"),
        ("-actor:Eng", "-actor:engineer"),
        ("account:shop", "account:AC"),
        ("team:pay", "team:Payments"),
        ("key:usage", "key:SK"),
        ("risk:h", "risk:high"),
        ("product:mess", "product:messaging"),
        ("permission:usage/read", "permission:/twilio/billing/usage/read"),
        ('risk:low team:"pay', "risk:low team:Payments"),
    ],
)
def test_it_completes_the_line(cast, typed, offered):
    cast.issued()
    page = cast.client("security").get("/audit/complete/", {"q": typed}).content.decode()
    assert f'value="{offered}' in page


@pytest.mark.parametrize("typed", ["", "zzz:", "created:", '"', "-", "action:" + "x" * 3000, "\u2028", "actor:'"])
def test_it_completes_nothing_out_of_nonsense(cast, typed):
    answer = cast.client("security").get("/audit/complete/", {"q": typed})
    assert answer.status_code == 200
    assert "<option" not in answer.content.decode()


def test_names_from_elsewhere_are_found_whatever_their_letters(cast):
    (number,) = append(entry("key.issued", "Zoë Ångström", team="Équipe Ω", reason="naïve ＡＢＣ 支払い"))
    client = cast.client("security")
    for line in ("actor:zoë", "actor:ZOE\u0308", "actor:ångström", 'team:"équipe ω"', "NAÏVE", "abc", "支払い"):
        assert found(client, line) == [number], line


def test_a_key_nobody_has_a_row_of_has_a_life_all_the_same(cast):
    append(entry("key.orphan_deleted", "reconciler", key_sid=SK))
    answer = cast.client("security").get(f"/audit/keys/{SK}/")
    assert answer.status_code == 200
    assert "no record of" in text_of(answer)
    assert cast.client("security").get(f"/audit/keys/SK{'b' * 32}/").status_code == 404
    assert cast.client("lead").get(f"/audit/keys/{SK}/").status_code == 403


@pytest.mark.parametrize("column", ["policy", "canonical"])
@pytest.mark.parametrize("nonsense", ["{", '{"allow":3}', '{"allow":[7,"x"],"details":4}', "[]", "null"])
def test_a_row_somebody_wrote_nonsense_into_is_shown_and_exported_all_the_same(cast, column, nonsense):
    from django.db import connection

    from keys_app.audit import triggers

    (number,) = append(entry("key.issued", key_sid=SK, policy='{"allow":["/twilio/iam/api-keys/read"]}'))
    triggers.drop(connection, "audit_auditevent")
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE audit_auditevent SET {column} = %s WHERE sequence = %s", [nonsense, number])
    client = cast.client("security")
    for url in ("/audit/", f"/audit/{number}/", f"/audit/keys/{SK}/"):
        assert client.get(url).status_code == 200
    if column == "canonical":
        assert "not what was hashed" in text_of(client.get(f"/audit/{number}/"))
    for ending in ("csv", "ocsf.jsonl"):
        assert b"".join(client.get(f"/audit/export.{ending}").streaming_content)
