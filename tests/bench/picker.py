"""How long the list of permissions takes to follow a key pressed in its search field: `make bench`.

Measured is what the page itself notes for each key as `picker-filter`: the time from the key event to the frame
in which the list has been filtered, in a real Chromium on this machine, the portal beside it. Typed are words
people search for, letter by letter and with a pause, and taken back with Backspace; every key counts. It is done
with the package's own catalogue and with one of 5,000 entries. Page weight is everything the request form loads
into an empty cache, each file compressed with gzip; kB are 1,000 bytes.

The times depend on the machine and on what else it does, so they are printed and never judged.
"""

import gzip
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, Response, TimeoutError, sync_playwright

from keys_app.permissions.catalogue import ACTIONS, catalogue
from tests.browser.checkout import Demo, copy_checkout
from tests.browser.conftest import FLAGS, find_chromium
from tests.browser.screenshots import sign_in

WORDS = ("messages", "record", "sms", "phone num", "call")
PAUSE = 120  # ms between two keys
LARGE = 5_000
SUBJECTS = ("messages", "recordings", "calls", "services", "numbers", "queues", "rooms", "flows", "tasks", "verify")
TIMES = "performance.getEntriesByName('picker-filter').map((entry) => entry.duration)"
ALL_NOTED = "wanted => performance.getEntriesByName('picker-filter').length >= wanted"


@dataclass(frozen=True, slots=True)
class Result:
    entries: int
    milliseconds: list[float]
    weight: int

    def __str__(self) -> str:
        if not self.milliseconds:
            return f"{self.entries} entries: nothing was measured"
        times = sorted(self.milliseconds)
        return (
            f"{self.entries} entries: {len(times)} keys, median {statistics.median(times):.1f} ms,"
            f" p95 {times[int((len(times) - 1) * 0.95)]:.1f} ms, max {times[-1]:.1f} ms;"
            f" page weight {self.weight / 1000:.0f} kB compressed"
        )


def additions(entries: int) -> str:
    """Return an operator's file that brings the catalogue to `entries`, the wildcards that follow from it included."""
    missing = entries - len(catalogue())
    per_resource = len(ACTIONS) + 1
    whole, rest = divmod(missing, per_resource)
    lines = ["permission\tmeaning"]
    for number in range(whole + rest):
        subject = SUBJECTS[number % len(SUBJECTS)]
        name, meaning = f"/twilio/sample-{number % 25}/{subject}-{number}", f"{subject} of sample {number}"
        lines += [f"{name}/{action}\t{meaning}" for action in (ACTIONS if number < whole else ACTIONS[:1])]
    return "\n".join(lines) + "\n"


@contextmanager
def running(demo: Demo) -> Iterator[Demo]:
    try:
        yield demo.start()
    finally:
        demo.stop()


def type_words(page: Page) -> list[float]:
    """Type each word and take it back; return the times the page noted, in milliseconds."""
    page.locator("#picker-search").focus()  # keys go to the page itself: looking an element up by its label is slow
    for word in WORDS:
        for key in [*word, *["Backspace"] * len(word)]:
            page.keyboard.press("Space" if key == " " else key)
            page.wait_for_timeout(PAUSE)
    try:
        page.wait_for_function(ALL_NOTED, arg=2 * sum(map(len, WORDS)), timeout=10_000)
    except TimeoutError:
        print("not every key was measured")
    return page.evaluate(TIMES)


def measure(browser: Browser, demo: Demo) -> Result:
    signed_in = sign_in(browser, demo, "engineer")
    context = browser.new_context(base_url=demo.url, storage_state=signed_in.context.storage_state())
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("/requests/new/")
    page.wait_for_load_state("networkidle")
    weight = sum(len(gzip.compress(answer.body())) for answer in answers if answer.status == 200)
    entries = page.locator("#permissions .resource input").count()
    result = Result(entries, type_words(page), weight)
    context.close()
    signed_in.context.close()  # the portal waits for open connections when it is stopped
    return result


def main() -> int:
    chromium = find_chromium()
    if not chromium:
        raise SystemExit("no Chromium on this machine")
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        checkout, extra = Path(directory, "checkout"), Path(directory, "catalogue.tsv")
        copy_checkout(checkout)
        extra.write_text(additions(LARGE), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for environment in ({}, {"PORTAL_CATALOGUE_FILE": str(extra)}):
            with running(Demo(checkout, **environment)) as demo:
                results.append(measure(browser, demo))
                print(results[-1], flush=True)
        browser.close()
    return 0 if any(result.milliseconds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
