"""Many presses of the same button at the same moment, on two portals with one database. One outcome."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from .figures import Figures
from .people import Person, Shown
from .portal_process import PortalProcess
from .settling import settle_for_good
from .world import World


def run_rush(world: World, presses: int, rounds: int) -> Figures:
    """Let `presses` people press at once, `rounds` times for each action."""
    figures = Figures("rush")
    second = PortalProcess(world.directory / "portal-2.log").start()
    try:
        windows = [world.engineer.double(url) for url in (world.portal.url, second.url) for _ in range(presses // 2)]
        for number in range(rounds):
            _issue(world, windows, number, figures)
    finally:
        second.kill()
    figures.leaks = world.leaks()
    return figures


def _issue(world: World, windows: list[Person], number: int, figures: Figures) -> None:
    """Issue, replace, rotate and revoke the same key, each time everybody at once."""
    request_id = world.approved_request(f"rush-{number}")
    seen = _all_at_once(windows, f"/requests/{request_id}/issue/")
    sids = _noted(world, request_id, seen)
    _judge(world, figures, "issue", seen, [] if len(sids) == 1 else [f"{len(sids)} secrets shown for {request_id}"])
    world.ended.add(sids[0])
    if number % 2:
        seen = _all_at_once(windows, f"/keys/{sids[0]}/replace/")
        _judge(world, figures, "replace", seen, _wrong_winners(seen, sids[0]))
        sids = [world.issue(request_id).sid]
        world.ended.add(sids[0])
    seen = _all_at_once(windows, f"/keys/{sids[0]}/rotate/", overlap_hours="24" if number % 2 else "0")
    sids = _noted(world, request_id, seen)
    _judge(world, figures, "rotate", seen, [] if len(sids) == 1 else [f"{len(sids)} successors shown"])
    world.ended.add(sids[0])
    seen = _all_at_once(windows, f"/keys/{sids[0]}/revoke/", reason="A kill test.")
    _judge(world, figures, "revoke", seen, _wrong_winners(seen, sids[0]))


def _noted(world: World, request_id: str, seen: list[Shown]) -> list[str]:
    """Note every secret that was shown and return the SIDs."""
    for one in seen:
        world.note(request_id, one)
    return [one.sid for one in seen if one.secret]


def _wrong_winners(seen: list[Shown], sid: str) -> list[str]:
    """Exactly one press is carried out, and leads to a page that says so."""
    winners = sum(one.status == 302 for one in seen)
    return [] if winners == 1 else [f"{winners} presses ended {sid}"]


def _all_at_once(windows: list[Person], path: str, **fields: str) -> list[Shown]:
    start = threading.Barrier(len(windows))

    def press(window: Person) -> Shown:
        start.wait()
        return window.press(path, **fields)

    with ThreadPoolExecutor(len(windows)) as pool:
        return list(pool.map(press, windows))


def _judge(world: World, figures: Figures, verb: str, seen: list[Shown], wrong: list[str]) -> None:
    figures.cases += len(seen)
    figures.unaccounted += wrong
    figures.add(settle_for_good(world), f"[rush, {verb}] ")
    statuses = Counter(one.status for one in seen)
    figures.notes.append(f"{verb}: " + ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items())))
