"""How far a reader walks through what one press of a button does: the functions it calls, in their order.

A stay is a function that is entered for the first time. Not counted is what is the same on every way and has a meaning
of its own: values, who a user is and how often they may, which form was sent, the ledger, and HTTP. `pytest -s` prints
the ways, each stay below its caller.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "keys_app"
OWN_MEANING = re.compile(
    r"(^|/)(core|permissions|audit|twilio_iam|http)/"
    r"|(^|/)(models|decision_models|validation|content_digest|access|credentials|limits|sent_forms)\.py"
)


class Walk:
    """Collects the functions of the portal from the call of `first` to that of `last`."""

    def __init__(self, first, last):
        self.first, self.last, self.stays, self.depth, self.on = first, last, {}, 0, False

    def note(self, frame, event, _):
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(f"{ROOT}/"):
            return
        file, function = code.co_filename.removeprefix(f"{ROOT}/"), code.co_qualname.partition(".<locals>")[0]
        if OWN_MEANING.search(file):
            return
        self.depth += 1 if event == "call" else -1
        if event == "call" and (self.on or function == self.first):
            self.stays.setdefault((file, function), self.depth)
            self.on = function != self.last

    def __enter__(self):
        sys.setprofile(self.note)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        start = min(self.stays.values(), default=0)
        print(f"\n{len(self.stays)} stays in {len({file for file, _ in self.stays})} files")
        for (file, function), depth in self.stays.items():
            print(f"{'  ' * (depth - start)}{file} {function}")


def test_a_decision_is_read_in_few_stays(cast):
    key_request = cast.ask()
    client = cast.client("lead")
    with Walk("KeyRequestAdmin.change_view", "move_request") as walk:
        digest = key_request.content_digest
        client.post(f"/admin/keys_app/keyrequest/{key_request.pk}/change/", {"decision": "approve", "digest": digest})
    key_request.refresh_from_db()
    assert key_request.state == "approved"
    assert len(walk.stays) <= 33  # what can be known before the lock is read there, who decides among it


def test_an_issue_is_read_in_few_stays(cast):
    key_request = cast.approved()
    client = cast.client("engineer")
    with Walk("request_issue", "_store_key") as walk:
        client.post(f"/requests/{key_request.pk}/issue/")
    key_request.refresh_from_db()
    assert key_request.state == "issued"
    assert len(walk.stays) <= 35  # approvals are read once, with the rights of who gave them, for two checks


def test_a_request_is_read_in_few_stays(cast):
    with Walk("request_new", "matching_rule") as walk:
        key_request = cast.ask()
    assert key_request.state == "pending"
    assert len(walk.stays) <= 20
