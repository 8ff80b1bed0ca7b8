"""How long pages take while Twilio hangs, beside how long they take while it does not: `make bench`.

Gunicorn runs with the portal's own configuration, on SQLite or on the database of `DATABASE_URL`. In turns nothing
happens, or 40 people press “Issue key” while Twilio takes 30 seconds for each answer; in both, one person after the
other opens the home page, the audit and an approval. It is done with the defaults, where the portal lets 12 of the 40
calls out and refuses the others at once, and with room for 40 calls, all of which hang.

The times depend on the machine and on what else it does, so they are printed and never judged.
"""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.chaos.people import Person, Shown
from tests.chaos.portal_process import PortalProcess
from tests.chaos.world import World

PRESSES = 40
HANG_SECONDS = 30
ROUNDS = 3
SAMPLES = 24
LIMIT = 1.5
PATIENT = {
    "PORTAL_TWILIO_READ_TIMEOUT": "45",
    "PORTAL_TWILIO_DEADLINE": "50",
    "PORTAL_RECONCILE_GRACE": "900",
}
ROOM_FOR_ALL = {"PORTAL_THREADS": "64", "PORTAL_TWILIO_CONCURRENCY": "40"}

Pages = dict[str, Callable[[], str]]
Times = dict[tuple[str, bool], list[float]]


class Bench:
    """One portal of a world, its people, and the times measured so far by page and whether Twilio hangs."""

    def __init__(self, world: World, portal: PortalProcess, security: Person) -> None:
        self.world = world
        self.portal = portal
        self.times: Times = defaultdict(list)
        self.hanging: list[int] = []
        self._engineer = world.engineer.double(portal.url)
        self._lead = world.lead.double(portal.url)
        self._security = security.double(portal.url)
        self._approved: list[str] = []

    def pages(self) -> Pages:
        pending = self._engineer.ask(self.world.standin.account_sid, ["/twilio/billing/usage/read"], "pending")
        return {
            "home": lambda: self._lead.page("/"),
            "audit": lambda: self._security.page("/audit/"),
            "approval": lambda: self._lead.page(f"/admin/keys_app/keyrequest/{pending}/change/"),
        }

    def run(self) -> None:
        pages = self.pages()
        self.measure(pages, hangs=False, samples=5)
        self.times.clear()  # the first pages of a process are slower
        for _ in range(ROUNDS):
            self.prepare()
            self.measure(pages, hangs=False, samples=SAMPLES // 2)
            with ThreadPoolExecutor(PRESSES) as pool:
                pressed = self.press(pool)
                self.measure(pages, hangs=True)
                self.hanging.append(sum(not press.done() for press in pressed))
            self.measure(pages, hangs=False, samples=SAMPLES // 2)
            self._approved = [
                request_id
                for request_id, press in zip(self._approved, pressed, strict=True)
                if press.result().status == 503
            ]

    def prepare(self) -> None:
        while len(self._approved) < PRESSES:
            name = f"bench-{len(self.world.approved)}"
            self._approved.append(self.world.approved_request(name, self._engineer, self._lead))

    def press(self, pool: ThreadPoolExecutor) -> list[Future[Shown]]:
        """Let everybody press at once, and come back when every press hangs or was refused."""
        before = self.world.standin.requests()["create"]
        self.world.standin.fault("hang", seconds=HANG_SECONDS, times=PRESSES)
        pressed = [pool.submit(self.world.issue, request_id, self._engineer.double()) for request_id in self._approved]
        while True:
            hanging = self.world.standin.requests()["create"] - before
            if hanging + sum(press.done() for press in pressed) >= PRESSES:
                return pressed
            time.sleep(0.05)

    def measure(self, pages: Pages, *, hangs: bool, samples: int = SAMPLES) -> None:
        for _ in range(samples):
            for name, open_page in pages.items():
                started = time.perf_counter()
                open_page()
                self.times[name, hangs].append((time.perf_counter() - started) * 1000)

    def report(self, what: str) -> None:
        print(f"\n{what}: {', '.join(map(str, self.hanging))} calls hung to the end of each of {ROUNDS} measurements")
        print("| page | samples each | median without, ms | median with, ms | ratio |\n|---|---|---|---|---|")
        for name in ("home", "audit", "approval"):
            without, with_them = (self.times[name, hangs] for hangs in (False, True))
            quiet, loud = statistics.median(without), statistics.median(with_them)
            print(f"| {name} | {len(with_them)} | {quiet:.1f} | {loud:.1f} | {loud / quiet:.2f} (wanted: {LIMIT}) |")
        sys.stdout.flush()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="key-portal-bench-") as directory:
        world = World(Path(directory))
        room = None
        try:
            world.start(module="portal.wsgi", **PATIENT)
            security = Person(world.portal.url, "security")
            bench = Bench(world, world.portal, security)
            bench.run()
            bench.report(f"{PRESSES} presses with the defaults")
            world.standin.clear_faults()
            room = PortalProcess(Path(directory) / "room.log", module="portal.wsgi", **ROOM_FOR_ALL).start()
            bench = Bench(world, room, security)
            bench.run()
            bench.report(f"{PRESSES} presses with room for all")
        finally:
            if room is not None:
                room.kill()
            world.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
