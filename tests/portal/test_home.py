"""Home is a to-do list: what is urgent first, each part with its count and its list, and nothing that is empty."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys_app.keys.models import ApiKey
from keys_app.notifications.models import Trouble
from keys_app.organisation.models import TeamMembership
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from tests.cast import text_of

DAY = timedelta(days=1)


def home(cast, role="engineer"):
    return cast.client(role).get("/")


def parts(answer):
    """Return the headings of the to-do list, in their order."""
    return [text for _, text in re.findall(r'<h2 id="(\w+)-title">([^<]+)</h2>', answer.content.decode())]


def ends_in(key_request, days, **values):
    end = timezone.now() + days * DAY
    ApiKey.objects.filter(request=key_request).update(
        issued_at=end - 90 * DAY, expires_at=end, confirmed_at=timezone.now(), **values
    )


def ask(cast, role, key_request, question="Which system?"):
    cast.decide(role, key_request, "ask", question=question)


def test_it_puts_what_is_urgent_first(cast):
    ask(cast, "lead", cast.ask(friendly_name="asked"))
    cast.approved(friendly_name="approved")
    cast.ask(friendly_name="waits")
    cast.issued(friendly_name="unsaid")
    ends_in(cast.issued(friendly_name="ending")[0], 5)
    cast.client("security").post("/reviews/", {"quarter": "2026-Q4"})
    assert parts(home(cast)) == [
        "Asked of you", "Keys to issue", "Is the secret stored?", "Keys that end within 14 days",
        "Your requests that wait for others",
    ]  # fmt: skip
    assert parts(home(cast, "lead")) == ["Waiting for your decision", "Access reviews"]
    assert parts(home(cast, "colleague")) == []


def test_security_sees_what_is_wrong_first(cast):
    key = cast.issued()[0].keys.get()
    Trouble.objects.create(key="stuck:1", kind="stuck", title="A revocation waits", words="For long.",
                           path="/reconciliation/", since=timezone.now(), told_at=timezone.now())  # fmt: skip
    UnmanagedKey.objects.create(sid=f"SK{'9' * 32}", account=cast.account, friendly_name="Old script",
                                first_seen=timezone.now(), last_seen=timezone.now())  # fmt: skip
    cast.let_break_glass()
    cast.ask(incident="INC-1", lifetime_days="1", friendly_name="glass")
    cast.ask(friendly_name="critical", permissions=["/twilio/iam/api-keys/create"])
    cast.people["engineer"].is_active = False
    cast.people["engineer"].save()
    answer = home(cast, "security")
    assert parts(answer) == [
        "Open troubles", "Glass broken, not reviewed", "Keys whose owner left", "Keys the portal never made",
    ]  # fmt: skip
    words = text_of(answer)
    assert words.index("The reconciler has never run") < words.index("A revocation waits")
    assert key.name in words and "Old script" in words


def test_each_count_leads_to_the_list_it_counts(cast):
    for number in range(7):
        cast.ask(friendly_name=f"waits-{number}")
    page = home(cast, "lead").content.decode()
    link = re.search(r'<a href="([^"]+)">5 of 7<span', page).group(1)
    assert len(re.findall("waits-", page)) == 5
    listed = cast.client("lead").get(link)
    assert listed.status_code == 200
    assert all(f"waits-{number}" in text_of(listed) for number in range(7))
    mine = home(cast).content.decode()
    assert 'href="/requests/?state=open&amp;requester=me">5 of 7<span' in mine


def test_keys_that_end_come_soonest_first_in_amber_and_red(cast):
    for name, days in (("late", 10), ("over", -1), ("soon", 2), ("far", 30)):
        ends_in(cast.issued(friendly_name=name)[0], days)
    page = home(cast).content.decode()
    assert re.findall(r'<li data-row class="(\w+)">\s*<span>\s*<a[^>]*>(\w+)</a>', page) == [
        ("pressing", "over"), ("pressing", "soon"), ("soon", "late"),
    ]  # fmt: skip
    assert "overdue" in text_of(home(cast)) and "ends in 2 days" in text_of(home(cast))


def test_a_retiring_key_ends_when_its_overlap_does(cast):
    ends_in(cast.issued(friendly_name="old")[0], 60, retires_at=timezone.now() + DAY)
    assert 'class="pressing"' in home(cast).content.decode()


def test_what_waits_for_others_says_for_whom(cast):
    cast.ask(friendly_name="waits")
    assert "Colead Person or Lead Person decides this request." in text_of(home(cast))


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("engineer", "A key starts with a request"),
        ("lead", "it stands here and you get a mail"),
        ("security", "Nothing is wrong"),
        ("admin", "connect_account"),
    ],
)
def test_with_nothing_to_do_it_teaches_the_first_step(cast, settings, role, words):
    settings.SENDS_MAIL = True
    reconcile()
    answer = home(cast, role)
    assert "Nothing waits for you" in text_of(answer)
    assert words in text_of(answer)
    if role == "engineer":
        cast.approved()
        assert "Nothing waits for you" not in text_of(home(cast))


def test_it_promises_no_mail_where_none_is_sent(cast, settings):
    settings.SENDS_MAIL = False
    reconcile()
    cast.ask("engineer2", account=cast.other_account.sid)
    for role in ("lead", "engineer2"):
        answer = text_of(home(cast, role))
        assert "Nothing waits for you" in answer and "mail" not in answer


WHY = {
    "no team": "you are in no team. Ask Admin Person to add you",
    "no role": "you are in team Payments, but neither in Engineers nor in Team leads. Ask Admin Person for that role.",
    "no account": "no Twilio account is connected for team Payments. Ask Admin Person to connect one. "
    "Colead Person or Lead Person leads it and may know which.",
}


@pytest.mark.parametrize("url", ["/", "/requests/new/"])
@pytest.mark.parametrize("why", WHY)
def test_who_cannot_ask_is_told_before_the_form_is_filled_and_whom_to_ask(cast, why, url):
    if why == "no role":
        TeamMembership.objects.create(team=cast.team, user=cast.people["stranger"])
    elif why == "no account":
        cast.account.is_active = False
        cast.account.save()
    answer = cast.client("engineer" if why == "no account" else "stranger").get(url)
    assert f"You cannot request a key: {WHY[why]}" in text_of(answer)
    assert "You cannot request a key" not in text_of(cast.client("security").get(url))


def test_who_is_in_several_teams_without_a_role_is_told_so_in_the_plural(cast):
    for team in (cast.team, cast.other_team):
        TeamMembership.objects.create(team=team, user=cast.people["stranger"])
    assert "you are in teams Payments and Support, but" in text_of(home(cast, "stranger"))


@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_it_asks_the_database_as_often_for_many_rows_as_for_few(cast, role):
    def fill(start, count):
        for number in range(start, start + count):
            ask(cast, "lead", cast.ask(friendly_name=f"asked-{number}"))
            cast.approved(friendly_name=f"approved-{number}")
            cast.ask(friendly_name=f"waits-{number}")
            ends_in(cast.issued(friendly_name=f"ending-{number}")[0], 5)
            cast.issued(friendly_name=f"unsaid-{number}")

    def queries():
        client = cast.client(role)
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/").status_code == 200
        return len(captured)

    fill(0, 2)
    few = queries()
    fill(2, 5)
    assert queries() == few
