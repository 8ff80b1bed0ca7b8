"""How long “Issue key” takes from the press to the secret, beside one request to Twilio on a connection that is there.

Twilio is the simulator, over TLS, without delay and 30 ms away. A press comes over HTTP to gunicorn with the portal's
own configuration, on SQLite or on the database of `DATABASE_URL`. What a round trip costs is measured in the same run:
the same request, sent from here over a kept connection. The mark outside the database takes two `fsync`s, given apart.

The times depend on the machine and on what else it does, so they are printed and never judged.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import requests

from keys_app.core.http.simulator import HEADER, PATH
from tests.chaos.people import Person
from tests.chaos.portal_process import PortalProcess
from tests.chaos.world import World
from tests.twilio_iam.wire import tls_context

from .far import Far

ROUND_TRIPS = (0.0, 0.03)
SAMPLES = 20
WARM = 3
IN_A_DIALOG = {"HX-Request": "true"}


def measured(world: World, tls_files: Path) -> list[tuple[str, float, float]]:
    """Return for each distance what it is, and the medians in ms of a warm request and of a press."""
    rows = []
    for round_trip in ROUND_TRIPS:
        context, trusted = tls_context(tls_files)
        far = Far(int(world.standin.base_url.rpartition(":")[2]), context, round_trip)
        environment = {"TWILIO_IAM_BASE_URL": far.url, "BENCH_CA_FILE": trusted}
        log = tls_files / f"portal-{round_trip}.log"
        portal = PortalProcess(log, module="tests.bench.trusting", **environment).start()
        try:
            rows.append((f"{round_trip * 1000:.0f} ms away", _warm(world, far.url, trusted), _pressed(world, portal)))
        finally:
            portal.kill()
            far.close()
    return rows


def _warm(world: World, url: str, trusted: str) -> float:
    """Return the median of a create call over a connection that is there."""
    session, times = requests.Session(), []
    session.trust_env, session.verify = False, trusted
    session.auth = (world.standin.environment["TWILIO_API_KEY"], world.standin.environment["TWILIO_API_SECRET"])
    form = {"AccountSid": world.standin.account_sid, "FriendlyName": "warm", "KeyType": "restricted"}
    form["Policy"] = '{"allow":["/twilio/billing/usage/read"]}'
    for _ in range(WARM + SAMPLES):
        started = time.perf_counter()
        answer = session.post(url + PATH, data=form)
        times.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 201, answer.text
        assert HEADER in answer.headers
    return statistics.median(times[WARM:])


def _pressed(world: World, portal: PortalProcess) -> float:
    """Return the median of a press, as the dialog comes, with the secret in it."""
    engineer, lead, times = world.engineer.double(portal.url), world.lead.double(portal.url), []
    engineer._session.headers.update(IN_A_DIALOG)
    asker = Person(portal.url, "engineer")
    for number in range(WARM + SAMPLES):
        request_id = world.approved_request(f"bench-{len(world.approved)}-{number}", asker, lead)
        started = time.perf_counter()
        seen = engineer.press(f"/requests/{request_id}/issue/")
        times.append((time.perf_counter() - started) * 1000)
        assert seen.secret, seen.text[-2000:]
    return statistics.median(times[WARM:])


def _mark(directory: Path) -> float:
    """Return the median in ms of writing a small file and its directory to the disk, as the mark is."""
    from keys_app.audit.merkle.checkpoint_files import write_new

    times = []
    for _ in range(SAMPLES):
        started = time.perf_counter()
        write_new(directory / "mark-alike", b"x" * 200)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="key-portal-bench-") as directory:
        world = World(Path(directory))
        try:
            world.start()
            database = "PostgreSQL" if os.environ["DATABASE_URL"].startswith("postgres") else "SQLite"
            print(f"| issue, {database} | warm request, ms | press to secret, ms | more, ms |\n|---|---|---|---|")
            for name, warm, press in measured(world, Path(directory)):
                print(f"| {name} | {warm:.1f} | {press:.1f} | {press - warm:.1f} |")
            print(f"\nThe mark outside: {2 * _mark(Path(directory)):.1f} ms of it, in two `fsync`s each.")
        finally:
            world.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
