"""The search line: what it reads, what it refuses and how, and that nothing else comes out of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.audit.search.qualifiers import KEYS, moments
from keys_app.audit.search.query import Query, QueryError, Term, combine, parse

AC, SK, UUID = "AC" + "0" * 32, "SK" + "a" * 32, "00000000-0000-4000-8000-000000000001"
LINE = (
    f'action:key.issued actor:engineer account:{AC} team:"Mobile Apps" key:{SK} request:{UUID} permission:/twilio/iam/ '
    'product:messaging risk:high address:10. created:>=2026-11-01 created:2026-11-01..2026-11-30 "free text" '
    "-action:audit.exported"
)


def test_it_reads_every_key_and_renders_the_same_line():
    query = parse(LINE)
    assert query.render() == LINE
    assert query.of("team") == ["Mobile Apps"]
    assert query.of("text") == ["free text"]
    assert query.of("action", negated=True) == ["audit.exported"]
    assert {term.key for term in query.terms} == {*KEYS, "text"}


def test_several_of_one_key_and_doubles():
    query = parse("action:key.issued action:key.revoked action:key.issued")
    assert query.of("action") == ["key.issued", "key.revoked"]
    assert query.single("action") == ""


def test_a_bare_sid_or_number_is_looked_for_where_it_belongs():
    assert parse(f"{SK} {AC} -{UUID.upper()}").terms == (
        Term("key", SK),
        Term("account", AC),
        Term("request", UUID, negated=True),
    )
    assert parse(f'"{SK}"').terms == (Term("text", SK),)


@pytest.mark.parametrize(
    ("line", "part", "words"),
    [
        ("risk:high colour:red", "colour:red", "not something to search by"),
        ("acton:key.issued", "acton:key.issued", "Did you mean “action:”?"),
        ("actor: lena", "actor:", "needs a value"),
        ("key:SK12", "key:SK12", "SK and 32 hexadecimal digits"),
        ("account:XX", "account:XX", "AC and 32"),
        ("request:7", "request:7", "request's number"),
        ("permission:/twilio/mess", "permission:/twilio/mess", "whole beginning"),
        ("permission:/twilio/", "permission:/twilio/", "whole beginning"),
        ("risk:huge", "risk:huge", "low, medium, high, critical"),
        ("address:10.1", "address:10.1", "write 10.1.2.3, 10.1."),
        ("address:300.", "address:300.", "not an address"),
        ("created:yesterday", "created:yesterday", "not a time"),
        ("created:2026-02-30", "created:2026-02-30", "not in the calendar"),
        ("created:0001-01-01T00:00+23:59", "created:0001-01-01T00:00+23:59", "not in the calendar"),
        ("created:2026-11-30..2026-11-01", "created:2026-11-30..2026-11-01", "ends before it begins"),
        ("created:>=2026-11-30..2026-12-01", "created:>=2026-11-30..2026-12-01", "not a time"),
        ("action:key.issued.*", "action:key.issued.*", "only the first part"),
        ('team:"Mobile', 'team:"Mobile', "does not end"),
        ("risk:low ---", "---", "neither a letter nor a digit"),
        ("product:a/b", "product:a/b", "product's name"),
        ("text:word", "text:word", "not something to search by"),
    ],
)
def test_it_points_at_what_it_does_not_understand(line, part, words):
    with pytest.raises(QueryError) as caught:
        parse(line)
    assert [text for text, message in caught.value.pieces() if message] == [part]
    assert words in caught.value.message
    assert "".join(text for text, _ in caught.value.pieces()) == line


def test_it_names_every_trouble_at_once():
    with pytest.raises(QueryError) as caught:
        parse("risk:huge action:key.issued key:7")
    assert [problem.start for problem in caught.value.problems] == [0, 28]


def test_ranges_that_exclude_each_other_are_refused():
    with pytest.raises(QueryError, match="exclude each other"):
        parse("created:>=2026-12-01 created:<=2026-11-01")
    assert parse("created:>=2026-11-01 created:<=2026-11-01")
    assert parse("-created:2026-11-01 created:2026-12-01")


def test_too_much_is_refused():
    with pytest.raises(QueryError, match="at most 1000"):
        parse("x" * 1001)
    with pytest.raises(QueryError, match="more than 40"):
        parse(" ".join(f"word{n}" for n in range(41)))


@pytest.mark.parametrize(
    ("value", "start", "end"),
    [
        ("2026-11-01", "2026-11-01T00:00", "2026-11-02T00:00"),
        (">2026-11-01", "2026-11-02T00:00", None),
        ("<2026-11-01", None, "2026-11-01T00:00"),
        ("*..2026-11-01", None, "2026-11-02T00:00"),
        ("2026-11-01T10:30+02:00", "2026-11-01T08:30", "2026-11-01T08:31"),
    ],
)
def test_ranges_of_time(value, start, end):
    found = moments(value)
    assert [moment and f"{moment:%Y-%m-%dT%H:%M}" for moment in (found.start, found.end)] == [start, end]


def test_fields_and_line_are_one_query():
    query = combine("-risk:low", [("actor", 'Lena "Lead'), ("risk", ""), ("text", "two words")])
    assert query.render() == '-risk:low actor:"Lena Lead" two words'
    assert query.without_singles(["actor", "risk"]).render() == "-risk:low two words"


@given(st.text(max_size=200))
def test_parsing_raises_nothing_but_its_own_error(line):
    try:
        query = parse(line)
    except QueryError as error:
        assert error.message
        assert all(error.line[t.start : t.end] or t.message for t in error.problems)
    else:
        assert parse(query.render()) == query


LIKELY = st.lists(
    st.one_of(
        st.sampled_from([*LINE.split(" "), "-", '"', "--risk:low", '-"a b"', 'team:"', "created:>", "*", "a:b:c", ":"]),
        st.text(alphabet='ab:-"./* é\t>=<', max_size=8),
    ),
    max_size=8,
).map(" ".join)


@given(LIKELY)
def test_rendering_is_stable(line):
    try:
        query = parse(line)
    except QueryError:
        return
    assert parse(query.render()) == query
    assert parse(query.render()).render() == query.render()


@given(LIKELY, st.lists(st.tuples(st.sampled_from([*KEYS, "text"]), st.text(max_size=30)), max_size=4))
def test_fields_raise_nothing_else_either(line, fields):
    try:
        assert isinstance(combine(line, fields), Query)
    except QueryError as error:
        assert error.problems
