"""Several people, processes and reconcilers at once, with real connections."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from keys_app.domain.secret import Secret
from keys_app.models import ApiKey, Issuance
from keys_app.services.accounts import connect_account
from keys_app.services.actors import Actor
from keys_app.services.reconciling import reconcile
from tests.cast import secret_in


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
        Issuance.objects.update(started_at=timezone.now() - timedelta(hours=1))
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
