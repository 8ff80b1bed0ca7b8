"""Several people, processes and reconcilers at once, with real connections."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from keys_app.connections.connect import connect_account
from keys_app.core.actor import Actor
from keys_app.core.secret import Secret
from keys_app.key_requests.models import Issuance
from keys_app.keys.models import ApiKey
from keys_app.permissions.policy import Policy
from keys_app.reconcile.run import reconcile
from tests.cast import MAKE_KEYS, secret_in, time_passes


def _in_thread(action):
    """Run an action and close the connection its thread opened."""
    try:
        return action()
    finally:
        connection.close()


def test_it_does_not_show_a_key_that_the_reconciler_has_claimed(live_cast, standin):
    """Whatever made the attempt look dead, a late process or a clock that is off: a deleted key is not shown."""
    key_request = live_cast.approved(friendly_name="claimed")
    standin.fault("hang", seconds=1.5)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_in_thread, lambda: live_cast.issue(key_request))
        while not [key for key in standin.keys() if "claimed" in (key["friendly_name"] or "")]:
            time.sleep(0.02)
        time_passes(standin)
        assert reconcile().orphans_deleted == 1
        answer = answer.result()
    key_request.refresh_from_db()
    assert not secret_in(answer)
    assert answer.status_code == 504
    assert key_request.state == "approved"
    assert not ApiKey.objects.exists()


def test_it_reconciles_in_two_places_at_once(live_cast, standin):
    requests = [live_cast.approved(friendly_name=f"lost-{number}") for number in range(4)]
    for key_request in requests:
        standin.fault("drop_after")
        assert live_cast.issue(key_request).status_code == 504
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: _in_thread(reconcile), range(3)))
    assert sum(item.accounts_failed for item in found) == 3  # Support's account has nobody who answers
    assert {state for (state,) in Issuance.objects.values_list("state")} == {"orphan_deleted"}
    for key_request in requests:
        key_request.refresh_from_db()
        assert key_request.state == "approved"


def test_it_has_no_deadlock_between_an_account_and_the_ledger(live_cast, standin):
    """New rows lock their account at commit, when they hold the ledger's lock; connecting locks it before."""
    stop = threading.Event()

    def connect():
        done = 0
        while not stop.is_set():
            connect_account(
                sid=standin.account_sid,
                name="Shop",
                environment="staging",
                username=standin.api_key,
                password=Secret(standin.api_secret),
                teams=[],
                actor=Actor.system("a test"),
            )
            done += 1
        return done

    def ask(worker):
        return [live_cast.ask(friendly_name=f"n-{worker}-{number}").pk for number in range(10)]

    with ThreadPoolExecutor(4) as pool:
        connecting = pool.submit(_in_thread, connect)
        asking = [pool.submit(_in_thread, lambda worker=worker: ask(worker)) for worker in range(3)]
        made = [pk for future in asking for pk in future.result()]
        stop.set()
        assert connecting.result() > 0
    assert len(set(made)) == 30


def test_it_decides_once_when_two_leads_press_at_once(live_cast, actions):
    key_request = live_cast.ask()
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(
            lambda role: _in_thread(lambda: live_cast.decide(role, key_request, "approve")), ["lead", "colead"]
        )
        statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [302, 409]
    assert actions(key_request.pk) == ["request.created", "request.approved"]


@pytest.mark.parametrize("rival", ["cancel", "issue"])
def test_it_has_one_outcome_of_issue_and_a_rival(live_cast, standin, rival):
    key_request = live_cast.approved()
    urls = [f"/requests/{key_request.pk}/issue/", f"/requests/{key_request.pk}/{rival}/"] * 3
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda url: _in_thread(lambda: live_cast.client("engineer").post(url)), urls))
    key_request.refresh_from_db()
    shown = [secret for answer in answers if (secret := secret_in(answer))]
    live = ApiKey.objects.filter(request=key_request, state="active").count()
    assert len(shown) == live == (1 if key_request.state == "issued" else 0)
    assert key_request.state in ("issued", "cancelled")


@pytest.mark.parametrize("hours", [0, 24])
def test_it_rotates_once_of_many_presses(live_cast, standin, actions, hours):
    key_request, _ = live_cast.issued()
    url = f"/keys/{key_request.keys.get().sid}/rotate/"
    with ThreadPoolExecutor(6) as pool:
        press = lambda _: _in_thread(lambda: live_cast.client("engineer").post(url, {"overlap_hours": hours}))  # noqa: E731
        answers = list(pool.map(press, range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert len([secret for answer in answers if (secret := secret_in(answer))]) == 1
    assert key_request.keys.filter(state="active", retires_at=None).count() == 1
    assert len(standin.keys()) == (2 if hours else 1)
    assert actions(key_request.pk).count("key.rotate_started") == 1


@pytest.mark.parametrize("rival", ["revoke", "replace"])
def test_it_has_one_outcome_of_rotate_and_a_rival(live_cast, standin, rival):
    """A new key is shown and live, or it is not shown and deleted; none is left over."""
    key_request, _ = live_cast.issued()
    old = key_request.keys.get()
    urls = [f"/keys/{old.sid}/rotate/", f"/keys/{old.sid}/{rival}/"] * 3
    fields = {"overlap_hours": "24", "reason": "No more."}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda url: _in_thread(lambda: live_cast.client("engineer").post(url, fields)), urls))
    assert {answer.status_code for answer in answers} <= {200, 302, 409, 504}
    shown = [answer.context["key"].pk for answer in answers if secret_in(answer)]
    time_passes(standin)
    reconcile()
    live = set(key_request.keys.filter(state="active").values_list("sid", flat=True))
    assert set(shown) == live - {old.sid}
    assert {key["sid"] for key in standin.keys()} == live
    assert not key_request.keys.filter(state="revoking").exists()
    assert not Issuance.objects.filter(state__in=("started", "unknown")).exists()
    key_request.refresh_from_db()
    assert key_request.state == ("approved" if rival == "replace" and not live else "issued")


def test_two_reconcilers_find_each_thing_once(live_cast, standin, actions):
    keys = [live_cast.issued(friendly_name=f"n-{number}")[0].keys.get() for number in range(4)]
    with standin.client() as client:
        client.delete_key(keys[0].sid)
        client.update_key(keys[1].sid, policy=Policy.of(MAKE_KEYS))
        for number in range(8):
            client.create_restricted_key(
                account_sid=standin.account_sid, friendly_name=f"by hand {number}", policy=Policy.of(MAKE_KEYS)
            )
    past = timezone.now() - timedelta(days=1)
    ApiKey.objects.filter(pk=keys[2].pk).update(issued_at=past - timedelta(days=1), expires_at=past)
    soon = timezone.now() + timedelta(days=2)
    ApiKey.objects.filter(pk=keys[3].pk).update(issued_at=soon - timedelta(days=30), expires_at=soon)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: _in_thread(reconcile), range(4)))
    done = actions()
    counted = {name: done.count(name) for name in ("key.vanished", "key.drifted", "key.revoked", "key.reminded")}
    assert counted == dict.fromkeys(counted, 1)
    assert done.count("key.unmanaged_seen") == 8


def test_one_lead_takes_a_key_over(live_cast, actions):
    key = live_cast.issued()[0].keys.get()
    live_cast.people["engineer"].is_active = False
    live_cast.people["engineer"].save()
    url = f"/keys/{key.sid}/take-over/"
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda role: _in_thread(lambda: live_cast.client(role).post(url)), ["lead", "colead"])
        assert sorted(answer.status_code for answer in answers) == [302, 409]
    assert actions().count("key.handed_over") == 1
