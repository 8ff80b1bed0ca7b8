"""Whatever happens to keys, in any order and with any answer lost: the portal knows each key Twilio has.

After every run of actions the reconciler works until nothing is open. Then the stand-in's list, the portal's rows
and the ledger are compared.
"""

from django.conf import settings as portal_settings
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from keys_app.audit.ledger import matching
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from tests.cast import READ_MESSAGES, READ_USAGE, Cast, secret_in, time_passes
from tests.twilio_iam.simulator import StandIn

FAULTS = ["", "", "", "drop_before", "drop_after", "error_after", "rate_limit", "null_policy", "other_policy", "html"]
OVERLAPS = ["0", "1", "24"]
LIVE = ("active", "revoking")
WHICH = st.integers(0, 7)


class Keys(RuleBasedStateMachine):
    """One engineer's requests and keys, somebody outside, and a Twilio whose answers get lost."""

    cast: Cast
    standin: StandIn

    def __init__(self) -> None:
        super().__init__()
        self.point = transaction.savepoint()
        self.standin.clear_faults()
        self.standin.delete_keys()
        self.client = self.cast.client("engineer")
        self.shown: list[str] = []
        self.strangers: set[str] = set()
        self.requests = [self.cast.approved(friendly_name=f"key-{number}").pk for number in range(2)]
        self.press(f"/requests/{self.requests[0]}/issue/")

    def teardown(self) -> None:
        try:
            self.settle()
            self.compare()
        finally:
            self.standin.clear_faults()
            transaction.savepoint_rollback(self.point)
            (portal_settings.CHECKPOINT_DIR / "mark").unlink(missing_ok=True)  # it is of the ledger that is no more

    def press(self, url: str, fault: str = "", **fields: str) -> None:
        """Press a button while Twilio's next answer to a creation goes wrong, and note a secret that is shown."""
        if fault:
            self.standin.fault(fault)
        answer = self.client.post(url, fields)
        assert answer.status_code in (200, 302, 409, 422, 502, 503, 504), answer.status_code
        self.standin.clear_faults()
        if secret_in(answer):
            self.shown.append(secret_in(answer))

    def key(self, which: int) -> ApiKey | None:
        keys = list(ApiKey.objects.order_by("issued_at", "sid"))
        return keys[which % len(keys)] if keys else None

    @rule(which=WHICH, fault=st.sampled_from(FAULTS))
    def issue(self, which, fault):
        self.press(f"/requests/{self.requests[which % 2]}/issue/", fault)

    @rule(which=WHICH, fault=st.sampled_from(FAULTS), overlap=st.sampled_from(OVERLAPS))
    def rotate(self, which, fault, overlap):
        if key := self.key(which):
            self.press(f"/keys/{key.sid}/rotate/", fault, overlap_hours=overlap)

    @rule(which=WHICH, action=st.sampled_from(["replace", "confirm", "revoke"]))
    def end(self, which, action):
        if key := self.key(which):
            self.press(f"/keys/{key.sid}/{action}/", reason="Because.")

    @rule(which=WHICH)
    def overlap_ends(self, which):
        ApiKey.objects.filter(retires_at__isnull=False).update(retires_at=timezone.now())

    @rule(which=WHICH, how=st.sampled_from(["delete", "change", "make"]))
    def outside(self, which, how):
        with self.standin.client() as twilio:
            if how == "make":
                made = twilio.create_restricted_key(
                    account_sid=self.standin.account_sid, friendly_name="by hand", policy=Policy.of(READ_USAGE)
                )
                self.strangers.add(made.sid)
            elif (key := self.key(which)) and self.standin.key(key.sid) and how == "delete":
                twilio.delete_key(key.sid)
            elif key and self.standin.key(key.sid):
                twilio.update_key(key.sid, policy=Policy.of(READ_MESSAGES))

    @rule()
    def look(self):
        reconcile()

    @invariant()
    def one_key_of_a_request_does_not_retire(self):
        for pk in self.requests:
            assert ApiKey.objects.filter(request=pk, state="active", retires_at=None).count() <= 1

    def settle(self) -> None:
        """Let the reconciler look, with every attempt past its patience, until nothing changes any more."""
        time_passes(self.standin, minutes=20)
        for _ in range(6):
            reconcile()

    def compare(self) -> None:
        at_twilio = {key["sid"] for key in self.standin.keys()}
        live = set(ApiKey.objects.filter(state__in=LIVE).values_list("sid", flat=True))
        unmanaged = set(UnmanagedKey.objects.filter(gone_at=None).values_list("sid", flat=True))
        assert at_twilio == live | self.strangers, "a key is unaccounted for"
        assert self.strangers <= unmanaged
        assert not KeyRequest.objects.filter(pk__in=self.requests, state="issuing").exists()
        issued = set(matching().filter(action="key.issued").values_list("key_sid", flat=True))
        assert issued == set(ApiKey.objects.values_list("sid", flat=True))
        assert len(self.shown) == len(set(self.shown)) == len(issued), "each recorded key was shown once, no other"


def test_it_knows_every_key_whatever_happens(cast, standin):
    Keys.cast, Keys.standin = cast, standin
    run_state_machine_as_test(
        Keys,
        settings=settings(
            max_examples=8,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # a failure shows its steps as they were; shrinking them takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
