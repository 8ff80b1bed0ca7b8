"""A form that creates something creates it once, however often it is sent."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from keys_app.key_requests.decision_models import Comment
from keys_app.key_requests.models import KeyRequest
from keys_app.notifications.models import Webhook
from keys_app.organisation.models import Delegation, SentForm
from keys_app.organisation.sent_forms import KEPT
from keys_app.reconcile.run import reconcile
from keys_app.reports.models import AccessReview
from keys_app.users.models import FeedToken
from tests.cast import text_of

SECRET = "whsec_" + "QUJD" * 11


def _deputy(cast):
    today = timezone.now().date()
    who = {"team": cast.team.pk, "deputy": cast.user("colleague").pk}
    return {**who, "since": today.isoformat(), "until": (today + timedelta(days=2)).isoformat()}


def _asked(cast):
    return KeyRequest.objects.filter(friendly_name="asked").first() or cast.ask(friendly_name="asked")


def _review_form(cast):
    return {"quarter": "2026-Q4"}


def _webhook(cast):
    return {
        "name": "Chat",
        "kind": "generic",
        "url": "https://hooks.example.com/x",
        "signing_secret": SECRET,
        "event_kinds": [],
        "is_active": "on",
    }


# What is created, by whom, on which page, by posting what, and where the others are led.
FORMS = {
    "request": (KeyRequest, "engineer", lambda cast: "/requests/new/", lambda cast: cast.form()),
    "break-glass request": (
        KeyRequest,
        "engineer",
        lambda cast: "/requests/new/",
        lambda cast: cast.let_break_glass() or cast.form(incident="INC-1"),
    ),
    "comment": (
        Comment,
        "engineer",
        lambda cast: f"/requests/{_asked(cast).pk}/comment/",
        lambda cast: {"comment": "When?"},
    ),
    "question": (
        Comment,
        "lead",
        lambda cast: f"/admin/keys_app/keyrequest/{_asked(cast).pk}/change/",
        lambda cast: {"decision": "ask", "question": "Why?"},
    ),
    "deputy": (Delegation, "lead", lambda cast: "/deputies/", _deputy),
    "feed token": (FeedToken, "security", lambda cast: "/audit/feeds/", lambda cast: {"name": "SIEM"}),
    "review": (AccessReview, "security", lambda cast: "/reviews/", _review_form),
    "webhook": (Webhook, "admin", lambda cast: "/admin/keys_app/webhook/add/", _webhook),
}


def _form(cast, kind):
    model, role, url, fields = FORMS[kind]
    return model, role, url(cast), fields(cast)


def _press(cast, role, url, fields):
    try:
        return cast.client(role).post(url, fields)
    finally:
        connection.close()


@pytest.mark.parametrize("kind", FORMS)
def test_three_presses_at_once_create_one(live_cast, kind):
    model, role, url, fields = _form(live_cast, kind)
    before = model.objects.count()
    sent = {**fields, "once": "a-token-of-one-form"}
    with ThreadPoolExecutor(3) as pool:
        answers = [one.result() for one in [pool.submit(_press, live_cast, role, url, sent) for _ in range(3)]]
    assert model.objects.count() == before + 1
    assert sum(answer.status_code == 302 for answer in answers) >= 2, [text_of(answer) for answer in answers]
    assert all(answer.status_code in (200, 302) for answer in answers)
    made = SentForm.objects.get().path.partition("#")[0]
    assert live_cast.client(role).get(made).status_code == 200


@pytest.mark.parametrize("kind", ["request", "comment", "feed token"])
def test_a_script_without_a_token_creates_each_time(cast, kind):
    model, role, url, fields = _form(cast, kind)
    before = model.objects.count()
    for _ in range(2):
        assert cast.client(role).post(url, fields).status_code in (200, 302)
    assert model.objects.count() == before + 2
    assert not SentForm.objects.exists()


def test_what_was_refused_can_be_sent_again(cast):
    sent = {**cast.form(purpose=""), "once": "a-token-of-one-form"}
    assert cast.client("engineer").post("/requests/new/", sent).status_code == 422
    sent["purpose"] = "A monthly report."
    made = cast.client("engineer").post("/requests/new/", sent)
    again = cast.client("engineer").post("/requests/new/", sent)
    assert made["Location"] == again["Location"] == KeyRequest.objects.get().get_absolute_url()


def test_another_users_token_is_another_form(cast):
    sent = {**cast.form(), "once": "a-token-of-one-form"}
    for role in ("engineer", "colleague"):
        assert cast.client(role).post("/requests/new/", sent).status_code == 302
    assert KeyRequest.objects.count() == 2


@pytest.mark.parametrize("once", ["", "x", "y" * 65, "a\0b-a-token", "tök-a-token"])
def test_what_is_no_token_counts_as_none(cast, once):
    assert cast.client("engineer").post("/requests/new/", {**cast.form(), "once": once}).status_code == 302
    assert not SentForm.objects.exists()


@pytest.mark.parametrize(
    ("role", "url"),
    [
        ("engineer", "/requests/new/"),
        ("lead", "/deputies/"),
        ("security", "/audit/feeds/"),
        ("security", "/reviews/"),
        ("admin", "/admin/keys_app/webhook/add/"),
        ("admin", "/admin/keys_app/team/add/"),
        ("admin", "/admin/keys_app/approvalrule/add/"),
    ],
)
def test_each_page_gives_its_form_a_token_of_its_own(cast, role, url):
    pages = [cast.client(role).get(url).content.decode() for _ in range(2)]
    tokens = [re.findall(r'name="once" value="([\w-]{22})"', page) for page in pages]
    assert [len(found) for found in tokens] == [1, 1] and tokens[0] != tokens[1]


@pytest.mark.parametrize(("role", "prefix"), [("engineer", "/requests/"), ("lead", "/admin/keys_app/keyrequest/")])
def test_so_does_a_request_for_its_thread(cast, role, prefix):
    page = cast.client(role).get(f"{prefix}{_asked(cast).pk}/{'change/' if role == 'lead' else ''}").content.decode()
    assert len(re.findall(r'name="once" value="[\w-]{22}"', page)) == 1


def test_a_feed_token_is_shown_once_and_its_page_offers_another_form(cast):
    client, sent = cast.client("security"), {"name": "SIEM", "once": "a-token-of-one-form"}
    shown = client.post("/audit/feeds/", sent)
    again = client.post("/audit/feeds/", sent)
    assert "kpf_" in shown.content.decode() and "a-token-of-one-form" not in shown.content.decode()
    assert again.status_code == 302 and again["Location"] == "/audit/feeds/"


def test_forms_are_forgotten_after_a_day(cast):
    cast.client("engineer").post("/requests/new/", {**cast.form(), "once": "a-token-of-one-form"})
    reconcile()
    assert SentForm.objects.count() == 1
    SentForm.objects.update(sent_at=timezone.now() - KEPT - timedelta(seconds=1))
    reconcile()
    assert not SentForm.objects.exists()
