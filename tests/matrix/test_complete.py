"""The tables of the matrix leave nothing out: no page, state, relation that may be empty, event or notice."""

import json
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db.models import Field
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver
from post_office.models import Email

from keys_app.audit.search import actions
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.key_requests.states import IssuanceState, RequestState
from keys_app.keys.models import ApiKey
from keys_app.keys.states import KeyState
from keys_app.notifications.models import Webhook, WebhookDelivery
from keys_app.permissions.risk import Risk
from keys_app.reports.models import ReviewedKey

from . import events
from .kinds import KINDS
from .pages import ADMINISTERED, ELSEWHERE, PAGES
from .truths import ABOUT

# What no kind leaves behind, with the test that has it.
NOT_MADE = {
    "access_review.closed": "test_access_reviews",
    "account.connected": "test_connect_account",
    "account.reachable": "test_reconcile_runs",
    "account.reconnected": "test_connect_account",
    "account.unreachable": "test_reconcile_runs",
    "alarm.account_unreachable": "test_reconcile_runs",
    "alarm.key_without_lead": "test_leavers",
    "alarm.ledger": "test_audit_verify",
    "alarm.connection_key": "test_proof",
    "alarm.contradiction": "test_contradictions",
    "alarm.ended": "test_deadlines",
    "alarm.reconciler_failed": "test_reconcile_runs",
    "alarm.refused": "test_refusals",
    "alarm.silent": "test_heartbeats",
    "alarm.stuck": "test_deadlines",
    "alarm.unguarded": "test_guards",
    "alarm.webhook_host": "test_webhook_hosts",
    "audit.checkpoint": "test_checkpoints",
    "audit.exported": "test_audit_exports",
    "audit.feed_ended": "test_audit_feeds",
    "audit.feed_reminded": "test_audit_feeds",
    "audit.recovered": "test_recover",
    "audit.search_rebuilt": "test_search_check",
    "audit.verified": "test_audit_verify",
    "catalogue.key_deleted": "test_catalogue_check",
    "catalogue.key_made": "test_catalogue_check",
    "catalogue.key_not_made": "test_catalogue_check",
    "catalogue.key_started": "test_catalogue_check",
    "alarm.database_set_back": "test_holds",
    "database.hold_ended": "test_holds",
    "database.hold_told": "test_holds",
    "database.set_back": "test_incarnation",
    "connection.broken_off": "test_kills",
    "connection.failed": "test_proof",
    "connection.key_deleted": "test_connect_account",
    "connection.key_made": "test_connect_account",
    "connection.key_not_made": "test_proof",
    "connection.key_started": "test_connect_account",
    "connection.started": "test_connect_account",
    "delegation.ended": "test_deputies",
    "factor.added": "test_factors",
    "factor.code_used": "test_factors",
    "factor.codes_made": "test_factors",
    "factor.failed": "test_factors",
    "factor.removed": "test_factors",
    "factor.renamed": "test_passkeys",
    "factor.reset": "test_factors",
    "key.breach": "test_issue_troubles",
    "key.came_back": "test_contradictions",
    "key.doubtful": "test_orphan_proof",
    "key.doubtful_deleted": "test_orphan_proof",
    "key.kept": "test_orphan_proof",
    "key.left_unmanaged": "test_orphan_proof",
    "key.owner_back": "test_leavers",
    "key.rotate_not_processed": "test_rotate",
    "key.rotate_refused": "test_rotate",
    "mail.gave_up": "test_notices",
    "reconciler.failed": "test_reconcile_runs",
    "request.approval_lapses_soon": "test_outgoing",
    "request.digest": "test_outgoing",
    "request.lapses_soon": "test_outgoing",
    "request.nudged": "test_nudge",
    "request.rated": "test_rating",
    "trouble.began": "test_deadlines",
    "trouble.ended": "test_deadlines",
    "alarm.emergency_sign_in": "test_local_sign_in",
    "identity.created": "test_join",
    "user.emergency_link": "test_local_sign_in",
    "user.created": "test_sign_in_there",
    "user.invited": "test_invitations",
    "user.password_changed": "test_sign_in",
    "user.preferences_changed": "test_preferences",
    "user.reauthenticated": "test_needs_fresh",
    "user.session_ended": "test_sessions",
    "user.sessions_ended": "test_sessions",
    "user.sign_in_failed": "test_sign_in",
    "user.signed_in": "test_sign_in",
    "user.signed_out": "test_sign_in",
    "user.turned_away": "test_password_tries",
    "user.vouched_for": "test_admin_acts",
    "webhook.gave_up": "test_webhooks",
}
# Fields that may be empty and are always so, or never, in this world.
ALWAYS_OR_NEVER = {
    "Account.proved_at": "set when an account is connected: test_connect_account",
    "ApiKey.checked_at": "empty only for keys of an older portal",
    "UnmanagedKey.created_at": "Twilio always says it",
    "UnmanagedKey.checked_at": "empty until the reconciler has had time for it: test_reconcile_outside",
    "Delegation.ended_at": "set when a lead ends it before its time: test_deputies",
    "FeedToken.warned_at": "set when it is about to expire: test_audit_feeds",
    "ReconcileRun.finished_at": "empty while one runs, or after it was killed: test_reconcile_runs",
    "NoticeRecipient.mail": "empty for who has no address: test_nudge",
    "Trouble.account": "empty only for a process: test_heartbeats",
    "Trouble.ended_at": "set when it is over: test_deadlines",
    "Trouble.reminded_at": "set after a day: test_deadlines",
    "Trouble.told_at": "set when it waits too long: test_deadlines",
    "WebhookDelivery.delivered_at": "nothing is sent here: test_webhooks",
    "WebhookDelivery.gave_up_at": "nothing is sent here: test_webhooks",
}
MAIL_ONLY = {"user.changed", "factor.changed"}


def _names(patterns: list[URLPattern | URLResolver], space: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _names(pattern.url_patterns, space + (f"{pattern.namespace}:" if pattern.namespace else ""))
        elif pattern.name:
            yield space + pattern.name


def test_every_address_is_in_the_table(world):
    """A new page stands in `pages.TABLE`, or among those that are not about keys."""
    edited = {
        f"admin:{name}_{page}" for name in ADMINISTERED for page in ("changelist", "add", "change", "delete", "history")
    }
    assert sorted(set(_names(get_resolver().url_patterns))) == sorted({*PAGES, *ELSEWHERE, *edited})
    assert set(ABOUT) <= set(PAGES)


@pytest.mark.parametrize(
    ("states", "model", "field"),
    [
        (RequestState, KeyRequest, "state"),
        (IssuanceState, Issuance, "state"),
        (KeyState, ApiKey, "state"),
        (Approval.Capacity, Approval, "capacity"),
        (Approval.Decision, Approval, "decision"),
        (ReviewedKey.Decision, ReviewedKey, "decision"),
        (Webhook.Kind, Webhook, "kind"),
        ([risk for risk in Risk if risk != Risk.MEDIUM], KeyRequest, "risk"),
    ],
)
def test_every_state_has_a_kind(world, states, model, field):
    there = set(model.objects.order_by().values_list(field, flat=True).distinct()) - {""}
    assert there == {str(state) for state in states}


def test_every_kind_is_made_and_is_what_the_table_says(world):
    assert set(world.kinds) == set(KINDS)
    for name, made in world.kinds.items():
        states = (made.request and made.request.state, made.key and made.key.state)
        assert states == (KINDS[name].request, KINDS[name].key), name


def _may_be_empty() -> Iterator[Field]:
    for model in apps.get_app_config("keys_app").get_models():
        if model.objects.exists():
            yield from (field for field in model._meta.concrete_fields if field.null)


def test_what_may_be_empty_is_so_for_one_and_not_for_another(world):
    """Whoever reads a relation or a time that may not be there meets both here."""
    wrong = []
    for field in _may_be_empty():
        rows = field.model.objects.all()
        both = {empty: rows.filter(**{f"{field.name}__isnull": empty}).exists() for empty in (True, False)}
        name = f"{field.model.__name__}.{field.name}"
        if not all(both.values()) and name not in ALWAYS_OR_NEVER:
            wrong.append(f"{name}: {'never' if both[False] else 'always'} empty")
    assert not wrong, "\n".join(wrong)


def test_every_event_that_can_be_recorded_is_made(world):
    made = set(actions.actions())
    assert sorted(events.actions() - made - set(NOT_MADE)) == []
    assert sorted(made - events.actions()) == []


def test_every_notice_that_can_be_given_is_made(world):
    given = {
        json.loads(body)["kind"]
        for body in WebhookDelivery.objects.filter(webhook__kind="generic").values_list("body", flat=True)
    }
    assert sorted(events.notices() - given - set(NOT_MADE) - MAIL_ONLY) == []
    assert Email.objects.exists()
    assert set(NOT_MADE) <= events.actions() | events.notices()
