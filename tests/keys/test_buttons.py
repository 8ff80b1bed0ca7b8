"""Buttons × states: what a page offers is what the server would accept at that moment, for every role.

Each action is posted whether its button is on the page or not, and undone. It is accepted if it answers without an
error and writes an event of its own.
"""

import re
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Account, TeamMembership
from tests.cast import READ_MESSAGES

DAY = timedelta(days=1)
ROLES = ["engineer", "colleague", "lead", "security"]
ON_REQUEST = {"issue": {}, "cancel": {}, "nudge": {}, "comment": {"comment": "Well?"}}
DECISIONS = ["approve", "reject", "narrow", "ask", "review", "withdraw"]
ON_KEY = {
    "confirm": {},
    "replace": {},
    "rotate": {"overlap_hours": "24"},
    "revoke": {"reason": "No more."},
    "take-over": {},
}


def accepted(client, url, fields, standin):
    """Tell whether an action does something, and undo it."""
    events = matching().exclude(action="access.refused")
    before = events.count()
    point = transaction.savepoint()
    answer = client.post(url, fields)
    done = answer.status_code in (302, 200, 503) and events.count() > before  # 503: an earlier try has deleted the key
    transaction.savepoint_rollback(point)
    standin.clear_faults()
    return done


def offered(page):
    """Return the actions of a page that a visible form sends, by the end of their address or their button's value."""
    html = page.content.decode() if page.status_code == 200 else ""
    forms = re.findall(r'<form[^>]*action="[^"]*/(?:requests|keys)/[^"/]+/([\w-]+)/"', html)
    return set(forms) | set(re.findall(r'name="decision" value="(\w+)"', html))


def change(model, **values):
    def apply(cast, key_request):
        model.objects.update(**values)

    return apply


def leaves(cast, key_request):
    TeamMembership.objects.filter(user=cast.people["engineer"]).delete()


def issuing(**started):
    def apply(cast, key_request):
        KeyRequest.objects.update(state="issuing")
        Issuance.objects.create(
            request=key_request, number=9, marker="A" * 12, **{"started_at": timezone.now(), **started}
        )

    return apply


def nothing(cast, key_request):
    pass


def account_off(cast, key_request):
    Account.objects.update(is_active=False)


def replaced(cast, key_request):
    """The key is given up and Twilio has not deleted it yet."""
    ApiKey.objects.update(state="revoking", revoke_reason="Lost.")
    KeyRequest.objects.update(state="approved", claim_until=timezone.now() + DAY)


def one_of_two(cast, key_request):
    Account.objects.update(leads_required=2)
    assert cast.decide("lead", key_request, "approve").status_code == 302


def guardrails(cast, key_request):
    Account.objects.update(forbidden_permissions=READ_MESSAGES[:1])


def reviewed(cast, key_request):
    assert cast.decide("colead", key_request, "review", "Looked at.").status_code == 302


past, now = timezone.now() - 20 * DAY, timezone.now()
REQUESTS = {
    "pending": ("pending", nothing),
    "pending, overdue": ("pending", change(KeyRequest, created_at=past)),
    "pending, account off": ("pending", account_off),
    "pending, guardrails": ("pending", guardrails),
    "pending, one of two": ("pending", one_of_two),
    "approved": ("approved", nothing),
    "approved, overdue": ("approved", change(KeyRequest, claim_until=past)),
    "approved, account off": ("approved", account_off),
    "approved, requester left": ("approved", leaves),
    "approved, replaced key still there": ("issued", replaced),
    "issuing": ("approved", issuing()),
    "issuing, unknown": ("approved", issuing(state="unknown")),
    "failed": ("approved", change(KeyRequest, state="failed")),
    "issued": ("issued", nothing),
    "rejected": ("pending", change(KeyRequest, state="rejected")),
    "cancelled": ("pending", change(KeyRequest, state="cancelled")),
    "lapsed": ("pending", change(KeyRequest, state="lapsed")),
    "break-glass": ("glass", nothing),
    "break-glass, reviewed": ("glass", reviewed),
}


def made(cast, start):
    if start == "glass":
        cast.let_break_glass()
        return cast.ask(permissions=READ_MESSAGES, incident="INC-7")
    make = {"pending": cast.ask, "approved": cast.approved, "issued": lambda **wanted: cast.issued(**wanted)[0]}
    return make[start](permissions=READ_MESSAGES)


@pytest.mark.parametrize("state", REQUESTS)
def test_a_request_offers_what_it_accepts(cast, standin, state):
    start, then = REQUESTS[state]
    key_request = made(cast, start)
    then(cast, key_request)
    key_request.refresh_from_db()
    page, decide = f"/requests/{key_request.pk}/", f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    for role in ROLES:
        client = cast.client(role)
        shown = offered(client.get(page)) | offered(client.get(decide))
        done = {name for name, fields in ON_REQUEST.items() if accepted(client, f"{page}{name}/", fields, standin)}
        for decision in DECISIONS:
            fields = {"decision": decision, "digest": key_request.content_digest, "reason": "So it is."}
            fields |= {"keep": READ_MESSAGES[1:], "lifetime_days": "1", "question": "Well?"}
            if accepted(client, decide, fields, standin):
                done.add(decision)
        assert shown == done, f"{role} of a request {state}"


def taken_over(cast, key_request):
    ApiKey.objects.update(owner=cast.people["lead"])


def approved_by_its_owner(cast, key_request):
    taken_over(cast, key_request)
    assert Approval.objects.get().approver == cast.people["lead"]


def taken_over_by_another(cast, key_request):
    ApiKey.objects.update(owner=cast.people["colleague"])


def expires_soon(cast, key_request):
    ApiKey.objects.update(issued_at=past, expires_at=timezone.now() + timedelta(minutes=4))


def rotated_often(cast, key_request):
    for _ in range(2):
        newest = ApiKey.objects.get(retires_at=None)
        cast.client("engineer").post(f"/keys/{newest.sid}/rotate/", {"overlap_hours": "24"})


def adopted(cast, key_request):
    ApiKey.objects.update(request=None, issuance=None, adopted_at=timezone.now())


KEYS = {
    "active": nothing,
    "confirmed": change(ApiKey, confirmed_at=now),
    "retiring": change(ApiKey, retires_at=now + DAY),
    "revoking": change(ApiKey, state="revoking", revoke_reason="Old."),
    "revoked": change(ApiKey, state="revoked", revoked_at=now, revoke_reason="Old."),
    "overdue": change(ApiKey, issued_at=past - DAY, expires_at=past),
    "expires soon": expires_soon,
    "adopted": adopted,
    "rotation open": issuing(),
    "rotated often": rotated_often,
    "account off": account_off,
    "guardrails": guardrails,
    "owner left": leaves,
    "owner left, date set": lambda cast, it: (leaves(cast, it), ApiKey.objects.update(handover_by=now + DAY)),
    "owner back before the next run": change(ApiKey, handover_by=now + DAY),
    "approved by its owner": approved_by_its_owner,
    "taken over": taken_over_by_another,
}


@pytest.mark.parametrize("state", KEYS)
def test_a_key_offers_what_it_accepts(cast, standin, state):
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    KEYS[state](cast, key_request)
    key = ApiKey.objects.order_by("issued_at").last()
    url = f"/keys/{key.sid}/"
    for role in ROLES:
        client = cast.client(role)
        shown = offered(client.get(url))
        done = {name for name, fields in ON_KEY.items() if accepted(client, f"{url}{name}/", fields, standin)}
        assert shown == done, f"{role} of a key {state}"


def test_a_key_that_was_replaced_often_offers_no_more(cast, standin, settings):
    settings.MAX_REPLACEMENTS = 0
    key = cast.issued()[0].keys.get()
    url = f"/keys/{key.sid}/"
    client = cast.client("engineer")
    assert "replace" not in offered(client.get(url))
    assert not accepted(client, f"{url}replace/", {}, standin)


def test_everything_else_waits_while_twilio_is_asked(cast):
    """Pressing Cancel then would leave the page that the secret is to be shown on."""
    key_request = cast.approved()
    page = cast.client("engineer").get(f"/requests/{key_request.pk}/").content.decode()
    assert 'hx-disabled-elt="#request-actions button" data-issue' in page
    inside = page[page.index('id="request-actions"') :]
    assert inside.index("/issue/") < inside.index("/cancel/") < inside.index("</section>")
    key = cast.issued()[0].keys.get()
    page = cast.client("engineer").get(f"/keys/{key.sid}/").content.decode()
    assert 'hx-disabled-elt="#key-actions button" data-issue' in page
