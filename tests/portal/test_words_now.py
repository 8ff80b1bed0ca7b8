"""What a page, a refusal or a mail says is true when it is said: two tabs, lost races, late runs, ended sessions."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from keys_app.catalogue.current import current_catalogue
from keys_app.core.actor import Actor
from keys_app.core.errors import Conflict
from keys_app.key_requests import states as key_requests_states
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.key_requests.states import RequestStep
from keys_app.keys import expiry
from keys_app.keys import revoke as keys_revoke
from keys_app.keys import states as keys_states
from keys_app.keys.models import ApiKey
from keys_app.keys.states import KeyStep
from keys_app.organisation.models import Delegation
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.reports import access_reviews
from keys_app.reports.models import AccessReview, ReviewedKey
from keys_app.users.models import FeedToken
from keys_app.views.builder import catalogue
from tests.cast import text_of

DAY = timedelta(days=1)


@pytest.fixture
def key(cast):
    return cast.issued()[0].keys.get()


def revoke(key):
    """Revoke a key behind the back of whoever has read it."""
    ApiKey.objects.filter(pk=key.pk).update(state="revoked", revoked_at=timezone.now(), revoke_reason="It leaked.")


def test_a_lost_race_for_a_key_is_told_from_its_state_now(cast, key):
    revoke(key)
    assert key.state == "active"
    with pytest.raises(Conflict, match="can't move from revoked to revoking"):
        keys_states.move_key(key, KeyStep.REVOKE)
    key.state = "active"
    with pytest.raises(Conflict, match=r"This key is revoked, since .*It leaked") as refused:
        keys_revoke.revoke_key(key=key, reason="Mine.", actor=Actor.system("a test"))
    assert "active" not in refused.value.message


def test_a_lost_race_for_a_request_is_told_from_its_state_now(cast):
    key_request = cast.approved()
    KeyRequest.objects.update(state="cancelled")
    with pytest.raises(Conflict, match="can't move from cancelled to issuing") as refused:
        key_requests_states.move_request(key_request, RequestStep.ISSUE)
    assert "It was approved a moment ago" in refused.value.message


@pytest.mark.parametrize("action", ["confirm", "replace", "revoke", "rotate"])
def test_each_button_of_a_revoked_keys_old_page_says_that_it_is_revoked(cast, key, actions, action):
    revoke(key)
    before = actions()
    answer = cast.client("engineer").post(f"/keys/{key.sid}/{action}/", {"reason": "Mine.", "overlap_hours": "24"})
    words = text_of(answer)
    assert answer.status_code == 409
    assert "This key is revoked, since" in words and "It leaked." in words
    assert "is active" not in words
    assert actions() == before


ENDS = {
    "issued": "key {sid} was issued to Engineer Person (engineer)",
    "cancelled": "the requester cancelled it",
    "rejected": "Lead Person (lead) decided it",
    "lapsed": "in time",
}


@pytest.mark.parametrize("state", ENDS)
def test_each_button_of_an_old_request_page_says_what_became_of_it(cast, state):
    key_request = cast.issued()[0] if state == "issued" else cast.ask()
    if state == "cancelled":
        cast.client("engineer").post(f"/requests/{key_request.pk}/cancel/")
    elif state == "rejected":
        cast.decide("lead", key_request, "reject", "No.")
    else:
        KeyRequest.objects.update(state=state)
    told = ENDS[state].format(sid=getattr(key_request.keys.first(), "sid", ""))
    engineer = cast.client("engineer")
    presses = [
        engineer.post(f"/requests/{key_request.pk}/cancel/"),
        engineer.post(f"/requests/{key_request.pk}/comment/", {"comment": "Well?"}),
        cast.decide("colead", key_request, "approve", digest=key_request.content_digest),
        cast.decide("colead", key_request, "reject"),  # without a reason, which does not matter any more
        cast.decide("colead", key_request, "ask", question="Well?"),
    ]
    for answer in presses:
        assert answer.status_code == 409
        assert f"This request is {state}" in text_of(answer)
        assert told in text_of(answer), text_of(answer)


def test_a_request_is_not_told_that_nothing_changed_when_it_lapsed(cast, actions):
    key_request = cast.approved()
    KeyRequest.objects.update(claim_until=timezone.now() - DAY)
    answer = cast.issue(key_request)
    assert actions()[-1] == "request.lapsed"
    assert "Nothing was changed" not in text_of(answer)
    assert "was not used in time" in text_of(answer)


def test_a_review_records_a_decision_with_its_revocation_or_not_at_all(cast, key, monkeypatch, actions):
    cast.client("security").post("/reviews/", {"quarter": "2026-Q4"})
    reviewed = ReviewedKey.objects.select_related("key").get()
    require = access_reviews.why_not_reviewable

    def somebody_revokes_it(who, row):
        why_not = require(who, row)
        revoke(row.key)  # after it was looked at
        return why_not

    monkeypatch.setattr(access_reviews, "why_not_reviewable", somebody_revokes_it)
    before = actions()
    values = {"reviewed": reviewed.pk, "decision": "revoked", "note": "Not needed."}
    answer = cast.client("lead").post("/reviews/2026-Q4/decide/", values)
    assert answer.status_code == 409
    assert "This key is revoked, since" in text_of(answer)
    reviewed.refresh_from_db()
    assert reviewed.decision == "", "it says that it was not done, so nothing may be"
    assert actions() == before


def test_another_lead_who_took_over_is_named(cast, key):
    cast.people["engineer"].is_active = False
    cast.people["engineer"].save()
    assert cast.client("lead").post(f"/keys/{key.sid}/take-over/").status_code == 302
    late = cast.client("colead").post(f"/keys/{key.sid}/take-over/")
    assert late.status_code == 409
    assert "This key belongs to Lead Person (lead)" in text_of(late)


def test_a_token_revoked_in_another_tab_says_since_when(cast):
    security = cast.client("security")
    security.post("/audit/feeds/", {"name": "SIEM"})
    values = {"feed": FeedToken.objects.get().pk}
    assert security.post("/audit/feeds/revoke/", values).status_code == 302
    assert "This token is revoked, since 20" in text_of(security.post("/audit/feeds/revoke/", values))


# States have one name


@pytest.mark.parametrize("lost", [False, True])
def test_an_issuing_request_has_one_name_on_every_page(cast, lost):
    key_request = cast.approved()
    KeyRequest.objects.update(state="issuing")
    started = timezone.now() - timedelta(hours=lost)
    Issuance.objects.create(request=key_request, number=1, marker="A" * 12, started_at=started)
    pages = [cast.client("engineer").get(url) for url in (f"/requests/{key_request.pk}/", "/requests/", "/")]
    decide = f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    pages += [cast.client("lead").get(url) for url in (decide, "/admin/keys_app/keyrequest/?show=all")]
    for page in pages:
        assert "Issuing" in text_of(page)
        assert ("outcome unknown" in text_of(page).lower()) is lost
    assert ("is asking Twilio" in text_of(pages[0])) is not lost, "a process that died is not asking"


KEYS = {
    "active": {"confirmed_at": timezone.now()},
    "not confirmed": {},
    "retiring": {"retires_at": timezone.now() + DAY},
    "overdue": {"issued_at": timezone.now() - 3 * DAY, "expires_at": timezone.now() - DAY},
    "revoking": {"state": "revoking", "revoke_reason": "Old."},
    "revoked": {"state": "revoked", "revoked_at": timezone.now(), "revoke_reason": "Old."},
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_has_the_same_badges_on_its_page_and_in_the_list(cast, key, kind):
    ApiKey.objects.update(**KEYS[kind])
    client = cast.client("engineer")
    shown = [re.findall(r'<span class="badge[^>]*>([^<]+)<', client.get(url).content.decode())
             for url in (f"/keys/{key.sid}/", "/keys/")]  # fmt: skip
    assert shown[0] == shown[1]
    state = KEYS[kind].get("state", "active").capitalize()
    assert shown[0][0] == state


def test_a_key_that_twilio_still_has_is_not_called_revoked_by_its_request(cast, key):
    ApiKey.objects.update(**KEYS["revoking"])
    page = text_of(cast.client("engineer").get(f"/requests/{key.request_id}/"))
    assert "may still work" in page
    ApiKey.objects.update(**KEYS["revoked"])
    assert "revoked at 20" in text_of(cast.client("engineer").get(f"/requests/{key.request_id}/"))


# Times are counted from now


@pytest.mark.parametrize(("days_left", "words"), [(13.99, "14 days"), (4, "4 days"), (2, "2 days"), (0.5, "12 hours")])
def test_a_reminder_says_how_long_there_really_is(cast, key, told, days_left, words):
    """Also one that was due long before, because the reconciler did not run."""
    end = timezone.now() + days_left * DAY
    ApiKey.objects.update(issued_at=end - 90 * DAY, expires_at=end)
    expiry.remind_of_expiry(Actor.system("reconciler"))
    assert told[0]["title"].startswith(f"Key usage-report expires in {words}, on {end:%Y-%m-%d}")


def test_twilios_wait_is_said_in_hours(cast, standin):
    key_request = cast.approved()
    standin.fault("rate_limit", retry_after=3600)
    answer = text_of(cast.issue(key_request))
    assert "again in 1 hour." in answer
    assert not re.search(r"\b3600\b", answer)  # the port of the stand-in may begin with it


def test_a_short_grace_is_not_zero_minutes(cast, settings, standin):
    settings.RECONCILE_GRACE = timedelta(seconds=20)
    key_request = cast.approved()
    standin.fault("drop_after")
    cast.issue(key_request)
    assert "at least 20 seconds" in text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))


def test_what_is_overdue_is_called_so_until_the_next_run(cast, key):
    pending, approved = cast.ask(friendly_name="late"), cast.approved(friendly_name="unused")
    KeyRequest.objects.filter(pk=pending.pk).update(created_at=timezone.now() - 15 * DAY)
    KeyRequest.objects.filter(pk=approved.pk).update(claim_until=timezone.now() - DAY)
    ApiKey.objects.update(**KEYS["overdue"])
    engineer = cast.client("engineer")
    for url in (f"/requests/{pending.pk}/", f"/requests/{approved.pk}/", f"/keys/{key.sid}/"):
        assert "Overdue" in text_of(engineer.get(url))
    assert "if no one decides" not in text_of(engineer.get(f"/requests/{pending.pk}/"))
    assert "Press “Issue key” before" not in text_of(engineer.get(f"/requests/{approved.pk}/"))
    assert "late" not in text_of(cast.client("lead").get("/")), "it waits for no decision any more"
    reconcile()
    assert "Overdue" not in text_of(engineer.get(f"/requests/{pending.pk}/"))


# A session that ended


def test_after_signing_in_again_every_address_leads_to_a_page(cast, key, standin):
    """Whatever form was sent after the session had ended, the address to go on at is a page that exists."""
    cast.delegate("lead", "colleague")
    cast.client("security").post("/reviews/", {"quarter": "2026-Q4"})
    cast.client("security").post("/audit/feeds/", {"name": "SIEM"})
    now = timezone.now()
    stranger = UnmanagedKey.objects.create(
        sid="SK" + "9" * 32, account=cast.account, first_seen=now, last_seen=now, created_at=now
    )
    samples = {
        "request_id": key.request_id,
        "delegation_id": Delegation.objects.get().pk,
        "quarter": AccessReview.objects.get().quarter,
        "sequence": 1,
        "version": catalogue.address(current_catalogue()).split("/")[-2],
    }
    who = {"deputy": "lead", "deputies": "lead", "request_issue": "engineer", "request_cancel": "engineer"}
    patterns = next(
        one for one in get_resolver().url_patterns if isinstance(one, URLResolver) and one.app_name == "portal"
    )
    seen, query = set(), f"?team={cast.team.pk}"
    for pattern in patterns.url_patterns:
        name = pattern.name
        sid = stranger.sid if name.startswith("unmanaged") else key.sid
        values = {
            arg: {**samples, "sid": sid}[arg] for arg in pattern.pattern.regex.groupindex or pattern.pattern.converters
        }
        url = reverse(f"portal:{name}", kwargs=values) + query
        ended = Client().post(url)
        if ended.status_code != 302:
            assert name in ("healthz", "readyz", "audit_feed"), name
            continue
        assert ended["Location"].startswith("/accounts/login/?next=")
        role = next((role for start, role in who.items() if name.startswith(start)), "security")
        answer = cast.client(role).get(url, follow=True)
        assert answer.status_code in (200, 422), (name, answer.redirect_chain)  # 422: a report that asks for more
        if answer.redirect_chain:
            seen.add(name)
            assert answer.redirect_chain[-1][0].endswith(query), "the page keeps its filters"
    assert {"deputy_end", "review_decide", "feed_revoke", "key_rotate", "unmanaged_adopt", "request_comment"} <= seen
