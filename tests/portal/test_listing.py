"""The one list of all pages: search, filters, orders and pages, on the lists of requests and keys."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keys_app.key_requests import deciders
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import visible_requests
from keys_app.keys.models import ApiKey
from keys_app.keys.queries import left_keys, visible_keys
from keys_app.organisation import access
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.queries import visible_unmanaged
from keys_app.reports import decisions
from keys_app.views import lists
from keys_app.views.http import keyset
from keys_app.views.http.keyset import page_of
from tests.cast import MAKE_KEYS, READ_MESSAGES, person, text_of

DAY = timedelta(days=1)


def names(answer):
    assert answer.status_code == 200
    return [row.friendly_name.partition(" [")[0] for row in answer.context["listing"].rows]


def shown(cast, url, role="security"):
    return names(cast.client(role).get(url))


def copies(model, first, number, **values):
    """Add rows like the first one, each a minute older, and return all in their order of `values` and time."""
    kept = {field.attname: getattr(first, field.attname) for field in model._meta.concrete_fields}
    for name in ("id", "request_id", "issuance_id"):
        kept.pop(name, None)
    return model.objects.bulk_create(
        model(**kept | {name: value(place) for name, value in values.items()}) for place in range(number)
    )


@pytest.fixture
def many(cast):
    """Sixty requests of the engineer, some of one moment, of every risk, and some that went back to pending."""
    first = cast.ask()
    risks, states = ("low", "medium", "high", "critical"), ("pending", "rejected", "cancelled")
    copies(
        KeyRequest,
        first,
        59,
        created_at=lambda n: first.created_at - timedelta(minutes=n // 3),
        reopened_at=lambda n: first.created_at if n % 7 == 0 else None,
        reopened_reason=lambda n: "Its approver left." if n % 7 == 0 else "",
        risk=lambda n: risks[n % 4],
        state=lambda n: states[n % 3],
        friendly_name=lambda n: f"copy-{n:02}",
    )
    return cast


# Pages


def walked(rows, sort, size):
    """Return the pages from the first to the last, and back from the last to the first."""
    forwards = [page_of(rows, sort, size)]
    while forwards[-1].has_next:
        forwards.append(page_of(rows, sort, size, after=sort.cursor(forwards[-1].rows[-1])))
        assert forwards[-1].has_previous
    backwards = [forwards[-1]]
    while backwards[-1].has_previous:
        backwards.append(page_of(rows, sort, size, before=sort.cursor(backwards[-1].rows[0])))
        assert backwards[-1].has_next
    return [page.rows for page in forwards], [page.rows for page in reversed(backwards)]


@pytest.mark.parametrize("sort", lists.REQUESTS.sorts, ids=lambda sort: sort.name)
@pytest.mark.parametrize("size", [1, 7, 20, 60])
def test_it_shows_each_row_once_and_in_order_both_ways(many, sort, size):
    rows = KeyRequest.objects.all()
    forwards, backwards = walked(rows, sort, size)
    assert [row.pk for page in forwards for row in page] == [row.pk for row in sort.ordered(rows)]
    assert backwards == forwards


UP = keyset.Sort("x", "X", (keyset.key("created_at", nullable=True), keyset.key("sid")))
DOWN = keyset.Sort("x", "X", (keyset.key("-created_at", nullable=True), keyset.key("-sid")))
MIXED = keyset.Sort("x", "X", (keyset.key("no_policy"), keyset.key("-created_at", nullable=True), keyset.key("sid")))


@pytest.mark.parametrize("sort", [UP, DOWN, MIXED])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moments=st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 3)), st.booleans()), min_size=1, max_size=12),
    size=st.integers(1, 5),
)
def test_it_pages_through_what_is_empty_for_some(cast, sort, moments, size):
    """Rows without the value come last, whichever way it is sorted; on both databases."""
    now = timezone.now()
    UnmanagedKey.objects.all().delete()
    UnmanagedKey.objects.bulk_create(
        UnmanagedKey(
            sid=f"SK{number:032x}", account=cast.account, first_seen=now, last_seen=now,
            created_at=None if days is None else now + days * DAY, no_policy="standard" if standard else "",
        )
        for number, (days, standard) in enumerate(moments)
    )  # fmt: skip
    forwards, backwards = walked(UnmanagedKey.objects.all(), sort, size)
    assert backwards == forwards
    falling, sign = sort is not UP, 1 if sort is not DOWN else -1

    def place(key):
        since = (
            -key.created_at.timestamp() if falling and key.created_at else key.created_at and key.created_at.timestamp()
        )
        first = key.no_policy if sort is MIXED else ""
        return first, key.created_at is None, since or 0, sign * int(key.sid[2:], 16)

    assert [row for page in forwards for row in page] == sorted(UnmanagedKey.objects.all(), key=place)


@pytest.mark.parametrize("name", ["a~b", "-", "~", "%7E", "100 %", "naïve", "a b"])
def test_a_place_may_hold_any_name(cast, name):
    sort = keyset.Sort("name", "Name", (keyset.key("friendly_name"), keyset.key("id")))
    first = cast.ask()
    copies(KeyRequest, first, 3, friendly_name=lambda n: name)
    forwards, backwards = walked(KeyRequest.objects.all(), sort, 1)
    assert len(forwards) == 4 and backwards == forwards


def test_it_is_stable_when_rows_come_in_between(many):
    client = many.client("security")
    first = client.get("/requests/").context["listing"]
    second = client.get(first.next_url).context["listing"]
    newest = many.ask(friendly_name="newest")
    assert client.get(first.next_url).context["listing"].rows == second.rows
    assert client.get(second.previous_url).context["listing"].rows == first.rows
    assert client.get("/requests/").context["listing"].rows == [newest, *first.rows[:-1]]
    before_all = client.get("/requests/", {"before": lists.REQUESTS.sorts[0].cursor(first.rows[3])}).context["listing"]
    assert before_all.rows == [newest, *first.rows[:-1]]  # less than a page before it: the first page


def test_it_says_when_there_is_nothing_after_a_place(many):
    client = many.client("security")
    page = client.get("/requests/").context["listing"]
    while page.next_url:
        page = client.get(page.next_url).context["listing"]
    place = lists.REQUESTS.sorts[0].cursor(page.rows[-1])
    answer = client.get("/requests/", {"after": place})
    assert "There are no more requests here. Back to the first page" in text_of(answer)


@pytest.mark.parametrize(
    "place", ["x", "~", "2026-01-01~x", "2026-01-01T00:00:00~x", "0001-01-01T00:00:00+23:59~x", "a~b~c", "-~-", ""]
)
@pytest.mark.parametrize("way", ["after", "before"])
def test_it_has_no_page_for_a_place_that_is_none(cast, way, place):
    cast.ask()
    assert cast.client("engineer").get("/requests/", {way: place}).status_code == (404 if place else 200)


def test_it_counts_exactly_to_a_thousand(cast):
    first = cast.ask()
    client = cast.client("security")
    assert client.get("/requests/").context["listing"].count == "1 request"
    copies(KeyRequest, first, 216)
    assert client.get("/requests/").context["listing"].count == "20 of 217 requests"
    assert client.get("/requests/?rows=100").context["listing"].count == "100 of 217 requests"
    assert client.get("/requests/?rows=7").context["listing"].count == "20 of 217 requests"
    copies(KeyRequest, first, 783)
    assert client.get("/requests/").context["listing"].count == "20 of 1,000 requests"
    copies(KeyRequest, first, 1)
    assert client.get("/requests/").context["listing"].count == "20 of 1,000+ requests"


# Search, filters, chips


@pytest.fixture
def mixed(cast):
    cast.ask(friendly_name="alpha", ticket_url="https://tickets.example.test/PAY-7")
    cast.ask("colleague", friendly_name="beta", permissions=READ_MESSAGES)
    gamma = cast.ask(friendly_name="gamma", permissions=MAKE_KEYS)
    cast.decide("lead", gamma, "reject", "No.")
    cast.ask("engineer2", friendly_name="delta", account=cast.other_account.sid)
    KeyRequest.objects.filter(friendly_name="alpha").update(created_at=timezone.now() - 8 * DAY)
    return cast


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["delta", "gamma", "beta", "alpha"]),
        ("?q=ALP", ["alpha"]),
        ("?q=PAY-7", ["alpha"]),
        ("?q=colleague", ["beta"]),
        ("?q=Colleague+Person+beta", ["beta"]),
        ("?q=Colleague+gamma", []),
        ("?q=0002", ["delta"]),
        ("?q=%25", []),
        ("?state=pending", ["delta", "beta", "alpha"]),
        ("?state=open", ["delta", "beta", "alpha"]),
        ("?state=rejected", ["gamma"]),
        ("?risk=critical", ["gamma"]),
        ("?risk=high", ["beta"]),
        ("?requester=engineer2", ["delta"]),
        ("?requester=ENGINEER2", ["delta"]),
        ("?requester=me", []),
        ("?age=7d", ["alpha"]),
        ("?age=9d", []),
        ("?team={team}", ["gamma", "beta", "alpha"]),
        ("?account={account}", ["gamma", "beta", "alpha"]),
        ("?team={team}&state=pending&risk=high", ["beta"]),
        ("?account={account}&state=pending&q=alpha&age=7d", ["alpha"]),
        ("?sort=waiting", ["alpha", "beta", "delta", "gamma"]),
        ("?sort=risk", ["gamma", "beta", "delta", "alpha"]),
        ("?sort=waiting&state=pending", ["alpha", "beta", "delta"]),
    ],
)
def test_it_searches_narrows_and_sorts(mixed, query, expected):
    query = query.format(team=mixed.team.pk, account=mixed.account.pk)
    assert shown(mixed, f"/requests/{query}") == expected


def test_it_finds_a_request_by_the_sid_of_its_key(cast):
    key_request, _ = cast.issued()
    sid = key_request.keys.get().sid
    assert shown(cast, f"/requests/?q={sid[:12].lower()}") == ["usage-report"]
    assert shown(cast, f"/requests/?q={sid[:-1]}g") == []


def test_it_finds_what_is_mine_by_one_address_for_all(mixed):
    assert shown(mixed, "/requests/?requester=me&state=pending", "colleague") == ["beta"]
    assert shown(mixed, "/requests/?requester=me", "engineer") == ["gamma", "alpha"]
    assert shown(mixed, "/requests/?requester=me", "lead") == []


@pytest.mark.parametrize("role", ["engineer2", "lead2", "stranger"])
def test_it_finds_and_offers_nothing_of_others(mixed, role):
    client = mixed.client(role)
    hidden = ("alpha", "beta", "gamma", "Payments", "Shop", mixed.account.sid, "colleague")
    for query in (
        "",
        f"?team={mixed.team.pk}",
        f"?account={mixed.account.sid}",
        "?requester=engineer",
        "?state=rejected",
    ):
        answer = client.get(f"/requests/{query}")
        assert set(names(answer)) <= ({"delta"} if role != "stranger" else set())
        words = unescape(answer.content.decode()).replace(query.partition("=")[2] or "…", "…")
        assert [word for word in hidden if re.search(rf"\b{word}\b", words)] == []


def test_each_filter_has_a_chip_that_takes_it_away_alone(mixed):
    client = mixed.client("security")
    url = f"/requests/?q=a&state=pending&team={mixed.team.pk}&sort=waiting&rows=50"
    listing = client.get(url).context["listing"]
    assert [(chip.about, chip.label) for chip in listing.chips] == [
        ("Search", "a"), ("State", "Pending"), ("Team", "Payments"),
    ]  # fmt: skip
    left = f"/requests/?q=a&team={mixed.team.pk}&sort=waiting&rows=50"
    assert listing.chips[1].url == left
    assert [chip.about for chip in client.get(left).context["listing"].chips] == ["Search", "Team"]
    assert listing.clear_url == "/requests/?sort=waiting&rows=50"
    page = unescape(client.get(url).content.decode())
    assert f'href="{left}" aria-label="Remove State: Pending"' in page
    assert '<option value="pending" selected>' in page


@pytest.mark.parametrize(
    ("query", "name"),
    [("state=nonsense", "state"), ("risk=7", "risk"), ("account=AC1", "account"), ("team=x", "team"),
     ("team=999999", "team"), ("age=week", "age"), ("age=0d", "age"), ("age=99999d", "age"), ("sort=x", ""),
     ("rows=x", "")],
)  # fmt: skip
def test_a_wrong_value_is_told_at_its_place_and_narrows_nothing(mixed, query, name):
    answer = mixed.client("security").get(f"/requests/?{query}")
    assert len(names(answer)) == 4
    assert [one.name for one in answer.context["listing"].problems] == ([name] if name else [])
    if name:
        assert f'id="filter-{name}-error">“{query.partition("=")[2]}” can’t be chosen here' in answer.content.decode()
    assert answer.context["listing"].chips == []


def test_an_empty_list_says_why_and_what_to_do_first(cast):
    engineer = cast.client("engineer")
    assert "No requests yet. Request a key" in text_of(engineer.get("/requests/"))
    assert "No keys yet." in text_of(engineer.get("/keys/"))
    assert "Request a key" not in text_of(cast.client("stranger").get("/requests/"))
    cast.ask()
    answer = engineer.get("/requests/?state=rejected&sort=risk")
    assert "No requests match. Show all requests" in text_of(answer)
    assert 'href="/requests/?sort=risk">Show all requests' in answer.content.decode()


# Keys


@pytest.fixture
def keys(cast):
    made = {name: cast.issued(friendly_name=name, permissions=READ_MESSAGES)[0].keys.get() for name in ("b", "a", "C")}
    ends = {"b": 40, "a": 13, "C": 2}
    for name, key in made.items():
        ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + ends[name] * DAY)
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["C", "a", "b"]),
        ("?sort=ending", ["C", "a", "b"]),
        ("?sort=name", ["a", "b", "C"]),
        ("?ending=14d", ["C", "a"]),
        ("?ending=14d&sort=ending&owner=engineer", ["C", "a"]),
        ("?ending=3d", ["C"]),
        ("?state=expiring", ["C", "a"]),
        ("?owner=me", []),
        ("?owner=engineer", ["C", "a", "b"]),
        ("?q=Engineer", ["C", "a", "b"]),
        ("?risk=high", ["C", "a", "b"]),
        ("?risk=low", []),
        ("?age=30d", []),
        ("?state=unconfirmed", []),
        ("?state=changed", []),
    ],
)
def test_it_narrows_and_sorts_keys(cast, keys, query, expected):
    assert shown(cast, f"/keys/{query}") == expected


def test_what_is_gone_comes_last_among_what_ends(cast, keys):
    cast.client("engineer").post(f"/keys/{keys['C'].sid}/revoke/", {"reason": "Done."})
    assert shown(cast, "/keys/?sort=ending") == ["a", "b", "C"]


def test_it_finds_keys_that_nobody_confirmed_and_that_differ_at_twilio(cast, keys):
    ApiKey.objects.filter(pk=keys["a"].pk).update(issued_at=timezone.now() - DAY, confirmed_at=None)
    ApiKey.objects.filter(pk=keys["b"].pk).update(drift_json='{"name": "x"}')
    assert shown(cast, "/keys/?state=unconfirmed") == ["a"]
    assert shown(cast, "/keys/?state=changed") == ["b"]


def test_an_adopted_key_is_found_by_the_risk_of_what_it_may_do(cast, keys):
    ApiKey.objects.create(
        sid="SK" + "a" * 32, account=cast.account, team=cast.team, owner=cast.people["engineer"],
        friendly_name="adopted", policy_json="", issued_at=timezone.now(), adopted_at=timezone.now(),
        expires_at=timezone.now() + DAY,
    )  # fmt: skip
    assert shown(cast, "/keys/?risk=critical") == ["adopted"]


def test_the_keys_of_people_who_left_are_narrowed_as_well(cast, keys):
    cast.people["engineer"].is_active = False
    cast.people["engineer"].save()
    assert shown(cast, "/keys/left/?sort=name", "lead") == ["a", "b", "C"]
    assert shown(cast, "/keys/left/?q=nothing", "lead") == []
    assert shown(cast, "/keys/left/?owner=engineer&sort=newest") == ["C", "a", "b"]


# Unmanaged keys, decisions


def found_at_twilio(cast, name, **values):
    now = timezone.now()
    sid = f"SK{UnmanagedKey.objects.count():032x}"
    made = {"account": cast.account, "friendly_name": name, "first_seen": now, "last_seen": now, "created_at": now}
    return UnmanagedKey.objects.create(sid=sid, **{**made, **values})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["c", "b", "a"]),
        ("?show=all", ["adopted", "gone", "c", "b", "a"]),
        ("?show=gone", ["gone"]),
        ("?show=adopted", ["adopted"]),
        ("?show=proposed", ["b"]),
        ("?show=nonsense", ["c", "b", "a"]),
        ("?sort=oldest", ["b", "a", "c"]),
        ("?sort=name", ["a", "b", "c"]),
        ("?sort=name&show=all", ["a", "adopted", "b", "c", "gone"]),
        ("?risk=critical", ["c"]),
        ("?risk=high", ["b"]),
        ("?age=7d", ["a"]),
        ("?q=SK0", ["c", "b", "a"]),
        ("?q=gon", []),
    ],
)
def test_it_narrows_and_sorts_unmanaged_keys(cast, query, expected):
    now = timezone.now()
    found_at_twilio(cast, "a", first_seen=now - 8 * DAY)
    policy = Policy.of(READ_MESSAGES).to_json()
    found_at_twilio(cast, "b", created_at=now - 9 * DAY, proposed_team=cast.team, policy_json=policy, checked_at=now)
    found_at_twilio(cast, "c", created_at=None, checked_at=now)
    found_at_twilio(cast, "gone", gone_at=now)
    found_at_twilio(cast, "adopted", adopted_at=now)
    assert shown(cast, f"/keys/unmanaged/{query}", "lead") == expected
    assert shown(cast, f"/keys/unmanaged/{query}", "lead2") == []


def test_it_narrows_and_sorts_decisions(cast):
    cast.approved(friendly_name="first")
    for name, decision in (("second", "reject"), ("third", "approve")):
        cast.decide("colead", cast.ask(friendly_name=name), decision, "So.")
    client = cast.client("security")

    def found(query):
        rows = client.get(f"/audit/reports/decisions/{query}").context["listing"].rows
        return [row.request.friendly_name for row in rows]

    assert found("") == ["third", "second", "first"]
    assert found("?sort=oldest") == ["first", "second", "third"]
    assert found("?sort=decision") == ["second", "third", "first"]
    assert found("?decision=rejected") == ["second"]
    assert found("?by=colead&decision=approved") == ["third"]
    assert found("?q=colead+seco") == ["second"]
    assert found(f"?team={cast.other_team.pk}&requester=engineer") == ["third", "second", "first"]  # no such team here
    assert found(f"?team={cast.team.pk}&requester=colleague") == []


def test_it_narrows_and_sorts_the_keys_of_a_review(cast, keys):
    other = ApiKey.objects.get(pk=keys["b"].pk)
    ApiKey.objects.filter(pk=other.pk).update(owner=cast.people["colleague"])
    client = cast.client("security")
    client.post("/reviews/", {"quarter": "2026-Q4"})
    client.post("/reviews/2026-Q4/decide/", {"reviewed": str(other.reviews.get().pk), "decision": "kept"})

    def found(query, role="security"):
        answer = cast.client(role).get(f"/reviews/2026-Q4/{query}")
        assert answer.status_code == 200
        return [row.key.name for row in answer.context["listing"].rows]

    assert found("?sort=name") == ["a", "C"]
    assert found("?sort=name&all") == found("?sort=name&show=all") == ["a", "b", "C"]
    assert found("?sort=ending&show=all") == ["C", "a", "b"]
    assert found("?show=all")[0] == "b"  # the first team's first owner
    assert found("?ending=3d") == ["C"]
    assert found("?risk=high&owner=engineer&sort=name") == ["a", "C"]
    assert found("?risk=low") == []
    assert found("?show=all&owner=colleague", "lead") == ["b"]
    assert found("?show=all", "lead2") == []
    page = text_of(client.get("/reviews/2026-Q4/?owner=colleague"))
    assert "Nothing of what you chose is left to decide. Show all keys to decide" in page
    listing = client.get(f"/reviews/2026-Q4/?all&team={cast.team.pk}&rows=100").context["listing"]
    assert (listing.size, listing.clear_url) == (20, "/reviews/2026-Q4/")  # at most 50: what one press decides
    assert listing.chips[0].url == f"/reviews/2026-Q4/?team={cast.team.pk}"


# What the database is asked


SEEN = {
    "requests": (lists.REQUESTS, visible_requests),
    "keys": (lists.KEYS, visible_keys),
    "left": (lists.LEFT_KEYS, left_keys),
    "unmanaged": (lists.UNMANAGED, visible_unmanaged),
    "decisions": (lists.DECISIONS, lambda who: decisions.decisions()),
}
INDEXES = {
    "requests newest": "request_newest",
    "requests waiting": "request_waiting",
    "requests risk": "request_riskiest",
    "keys newest": "key_newest",
    "keys ending": "key_ending_soonest",
    "keys name": "key_by_name",
    "left revoked": "key_by_handover",
    "unmanaged newest": "unmanaged_newest",
    "unmanaged oldest": "unmanaged_oldest",
    "unmanaged name": "unmanaged_by_name",
    "decisions newest": "approval_by_time",
    "decisions oldest": "approval_by_time",
    "decisions decision": "approval_by_decision",
}


def plan(rows):
    """Return how the database would read rows if there were many of them."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
            )
    return rows.explain()


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("order", INDEXES)
def test_each_order_is_read_from_its_index(cast, order, backwards):
    cast.issued()
    found_at_twilio(cast, "x")
    which, name = order.split()
    listing, seen = SEEN[which]
    rows = seen(access.person(cast.people["security"]))
    sort = next(one for one in listing.sorts if one.name == name)
    first = sort.ordered(type(rows)(rows.model)).first()
    ordered = sort.ordered(rows, backwards=backwards)
    for asked in (ordered, sort.beyond(ordered, sort.cursor(first), backwards=backwards)):
        told = plan(asked[:21])
        assert INDEXES[order] in told, told
        assert not re.search("TEMP B-TREE|Sort", told), told


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL goes by how many there are, and that is few")
def test_the_approvals_of_a_request_are_read_and_no_others(cast):
    asked = cast.ask()
    with CaptureQueriesContext(connection) as captured:
        deciders.approvals_of([asked])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured[0]['sql']}")
        told = str(cursor.fetchall())
    assert "approval_of_request (request_id=?" in told, told


def queries(client, url):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return [one["sql"] for one in captured]


@pytest.mark.parametrize(
    "url", ["/requests/", "/requests/?q=a&state=open&sort=risk&rows=100", "/requests/?requester=engineer"]
)
def test_it_asks_as_often_for_sixty_rows_of_many_people_as_for_three(cast, url):
    first = cast.ask()
    copies(KeyRequest, first, 2)
    client = cast.client("security")
    client.get(url)
    before = queries(client, url)
    people = [person(f"extra-{number}", access.ENGINEERS, cast.team) for number in range(20)]
    copies(KeyRequest, first, 57, requester_id=lambda n: people[n % 20].pk)
    after = queries(client, url)
    assert len(after) == len(before)
    assert sum(bool(re.search(r"LIMIT (21|101)$", sql)) for sql in after) == 1, "the list reads a page of rows, once"


AT = "2026-01-01T00:00:00Z"
FORGED = [
    ("/keys/", "name", "%00~SK1"),
    ("/keys/", "ending", f"0~{AT}~SK%00"),
    ("/keys/", "ending", f"{'9' * 22}~{AT}~SK1"),
    ("/keys/left/", "revoked", "-~SK%00"),
    ("/keys/unmanaged/", "oldest", "-~SK%00"),
    ("/requests/", "risk", f"-{'9' * 22}~{AT}~00000000-0000-0000-0000-000000000000"),
    ("/audit/reports/decisions/", "newest", f"{AT}~{'9' * 22}"),
    ("/audit/reports/decisions/", "decision", f"a%00~{AT}~1"),
]


@pytest.mark.parametrize("way", ["after", "before"])
@pytest.mark.parametrize(("url", "sort", "place"), FORGED)
def test_a_forged_place_that_no_database_can_compare_is_not_found(cast, url, sort, place, way):
    assert cast.client("security").get(url, {"sort": sort, way: place}).status_code == 404
