"""Rates pages as Lighthouse does on a phone: `make lighthouse`, on a machine that does nothing else.

Prints for each page the median of the runs: accessibility, best practices and performance, of 100. It needs Node, npm
and Chromium. The portal is the demo, started in a copy of its own; its static files are what gunicorn serves.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from tests.browser.checkout import ROOT, Demo, copy_checkout
from tests.browser.conftest import FLAGS, find_chromium

NODE = ROOT / "tests" / "node" / "lighthouse"
CATEGORIES = ("accessibility", "best-practices", "performance")


def addresses(demo: Demo) -> dict[str, tuple[str, str]]:
    """Return for each page its role and address; no role is one who has not signed in."""
    found = {}
    for what in ("requests", "keys"):
        text = demo.sign_in("engineer").get(f"{demo.url}/{what}/", timeout=30).text
        match = re.search(rf"/{what}/(?:[0-9a-f-]{{36}}|SK[0-9a-f]{{32}})/", text)
        assert match, what
        found[what] = match.group()
    return {
        "sign-in": ("", "/accounts/login/"),
        "home": ("engineer", "/"),
        "form": ("engineer", "/requests/new/"),
        "request": ("engineer", found["requests"]),
        "keys": ("engineer", "/keys/"),
        "key": ("engineer", found["keys"]),
        "approvals": ("lead", "/admin/keys_app/keyrequest/"),
        "audit": ("security", "/audit/"),
    }


def rate(url: str, cookies: str) -> dict[str, float]:
    """Return the ratings of one run, and print what is short of 100 but for speed."""
    command = [str(NODE / "node_modules/.bin/lighthouse"), url, "--output=json", "--quiet"]
    command += [f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags={' '.join(['--headless=new', *FLAGS])}"]
    command += [f"--extra-headers={json.dumps({'Cookie': cookies})}"] if cookies else []
    environment = {**os.environ, "CHROME_PATH": find_chromium() or "", "LIGHTHOUSE_CHROMIUM_PATH": ""}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["finalDisplayedUrl"] == url, f"{url} led to {report['finalDisplayedUrl']}"
    for name in CATEGORIES[:2]:
        for part in report["categories"][name]["auditRefs"]:
            audit = report["audits"][part["id"]]
            if part["weight"] and audit["score"] is not None and audit["score"] < 1:
                print(f"    {name}: {audit['title']}")
    return {name: 100 * report["categories"][name]["score"] for name in CATEGORIES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how often each page is rated")
    parser.add_argument("--pages", nargs="*", help="the names of those to rate; all without it")
    given = parser.parse_args()
    runs = given.runs
    if not find_chromium():
        raise SystemExit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as directory:
        copy_checkout(Path(directory))
        demo = Demo(Path(directory)).start()
        try:
            print(f"{'page':12} {'accessibility':>14} {'best practices':>15} {'performance':>12}")
            chosen = {name: one for name, one in addresses(demo).items() if not given.pages or name in given.pages}
            for name, (role, path) in chosen.items():
                cookies = demo.sign_in(role).cookies if role else {}
                text = "; ".join(f"{key}={value}" for key, value in cookies.items())
                rated = [rate(demo.url + path, text) for _ in range(runs)]
                middle = [statistics.median(one[category] for one in rated) for category in CATEGORIES]
                print(f"{name:12} {middle[0]:14.0f} {middle[1]:15.0f} {middle[2]:12.0f}", flush=True)
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
