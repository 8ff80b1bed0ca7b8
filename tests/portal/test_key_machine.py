"""Whatever people, Twilio and outsiders do to keys, in any order: in the end every key is accounted for."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from keys_app.domain.naming import find_marker
from keys_app.domain.policy import Policy
from keys_app.models import ApiKey, Issuance, KeyRequest, UnmanagedKey
from keys_app.services.reconciling import reconcile
from tests.cast import MAKE_KEYS, READ_USAGE, secret_in

FAULTS = ["", "", "drop_after", "error_after", "null_policy", "rate_limit", "refuse", "drop_before"]
DELETE_FAULTS = ["", "", "", "error_before", "drop_after", "drop_before"]
OVERLAPS = [0, 1, 24]


class Keys(RuleBasedStateMachine):
    """`cast` and `standin` are set on the class by the test below. One request, and what happens to its keys."""

    cast = standin = None

    @initialize()
    def approve(self):
        self.standin.clear_faults()
        self.standin.delete_keys()
        UnmanagedKey.objects.all().delete()
        self.request = self.cast.approved()
        self.shown = set()
        self.by_hand = set()

    def _post(self, url, fields=None, *, create="", delete=""):
        if create:
            self.standin.fault(create)
        if delete:
            self.standin.fault(delete, operation="delete")
        answer = self.cast.client("engineer").post(url, fields or {})
        self.standin.clear_faults()
        assert answer.status_code in (200, 302, 409, 422, 502, 503, 504), answer.content.decode()
        assert bool(secret_in(answer)) == (answer.status_code == 200)
        if answer.status_code == 200:
            sid = answer.context["key"].pk
            assert sid not in self.shown
            assert self.standin.key(sid)["policy"] == READ_USAGE
            self.shown.add(sid)

    def _keys(self):
        return ApiKey.objects.filter(request=self.request).order_by("issued_at")

    def _any(self, number):
        keys = list(self._keys())
        return keys[number % len(keys)]

    @rule(fault=st.sampled_from(FAULTS))
    def issue(self, fault):
        self._post(f"/requests/{self.request.pk}/issue/", create=fault)

    @precondition(lambda self: self._keys().exists())
    @rule(number=st.integers(0, 5), hours=st.sampled_from(OVERLAPS), fault=st.sampled_from(FAULTS))
    def rotate(self, number, hours, fault):
        self._post(f"/keys/{self._any(number).sid}/rotate/", {"overlap_hours": hours}, create=fault)

    @precondition(lambda self: self._keys().exists())
    @rule(number=st.integers(0, 5), fault=st.sampled_from(DELETE_FAULTS))
    def replace(self, number, fault):
        self._post(f"/keys/{self._any(number).sid}/replace/", delete=fault)

    @precondition(lambda self: self._keys().exists())
    @rule(number=st.integers(0, 5), fault=st.sampled_from(DELETE_FAULTS))
    def revoke(self, number, fault):
        self._post(f"/keys/{self._any(number).sid}/revoke/", {"reason": "No more."}, delete=fault)

    @precondition(lambda self: self._keys().exists())
    @rule(number=st.integers(0, 5))
    def confirm(self, number):
        self._post(f"/keys/{self._any(number).sid}/confirm/")

    @precondition(lambda self: self.standin.keys())
    @rule(number=st.integers(0, 5))
    def delete_outside(self, number):
        there = self.standin.keys()
        with self.standin.client() as client:
            client.delete_key(there[number % len(there)]["sid"])

    @precondition(lambda self: [key for key in self.standin.keys() if key["policy"]])
    @rule(number=st.integers(0, 5), policy=st.sampled_from([MAKE_KEYS, READ_USAGE]))
    def change_outside(self, number, policy):
        there = [key for key in self.standin.keys() if key["policy"]]
        with self.standin.client() as client:
            client.update_key(there[number % len(there)]["sid"], policy=Policy.of(policy))

    @rule()
    def make_outside(self):
        with self.standin.client() as client:
            made = client.create_restricted_key(
                account_sid=self.standin.account_sid, friendly_name="by hand", policy=Policy.of(MAKE_KEYS)
            )
        self.by_hand.add(made.sid)

    @rule()
    def let_overlaps_end(self):
        self._keys().filter(retires_at__isnull=False).update(retires_at=timezone.now())

    @rule()
    def reconcile_once(self):
        reconcile(wait=lambda _: None)

    @invariant()
    def no_key_is_live_beside_another(self):
        assert self._keys().filter(state="active", retires_at=None).count() <= 1

    @invariant()
    def no_key_is_unknown(self):
        """Every key at Twilio is one of the portal's, on its way to be settled, or made by hand."""
        markers = set(Issuance.objects.filter(request=self.request).values_list("marker", flat=True))
        known = {key.sid for key in self._keys()}
        for key in self.standin.keys():
            assert key["sid"] in known | self.by_hand or find_marker(key["friendly_name"]) in markers

    def teardown(self):
        """Let the reconciler come to rest, and compare the two lists."""
        self.standin.clear_faults()
        let_go = timezone.now() - timedelta(hours=1)
        Issuance.objects.filter(request=self.request).update(started_at=let_go)
        for _ in range(4):
            reconcile(wait=lambda _: None)
        at_twilio = {key["sid"]: key for key in self.standin.keys()}
        live = {key.sid: key for key in self._keys().filter(state="active")}
        entered = set(UnmanagedKey.objects.filter(gone_at=None).values_list("sid", flat=True))
        assert set(at_twilio) == set(live) | entered
        assert entered == self.by_hand & set(at_twilio)
        assert not self._keys().filter(state="revoking").exists()
        assert not Issuance.objects.filter(request=self.request, state__in=("started", "unknown")).exists()
        assert KeyRequest.objects.get(pk=self.request.pk).state in ("approved", "failed", "issued")
        for sid, key in live.items():
            assert bool(key.drift_json) == (at_twilio[sid]["policy"] != READ_USAGE)
            assert sid in self.shown


@pytest.fixture
def machine(cast, standin, settings):
    settings.RECONCILE_GRACE = timedelta(0)
    settings.RECONCILE_LOOK_EVERY = timedelta(0)
    settings.MAX_REPLACEMENTS = 100
    cast.other_account.delete()
    return type("OneRequest", (Keys,), {"cast": cast, "standin": standin})


def test_every_key_is_accounted_for_in_the_end(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
