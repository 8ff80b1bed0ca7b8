"""What the portal records and tells: every action of the ledger and every kind of notice, as its source names them.

Most are made in the world. Those that are not stand here with the test that makes them; a new one needs to be made by a
kind, or a line here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_RECORD = {"record", "note", "record_command", "_record", "Entry"}
_NOTIFY = {"notify", "tell", "_ask_deciders", "_alarm"}

# What the source puts together from parts, with what comes of it.
PARTS = {
    "key.*_*": [f"key.{do}_{how}" for do in ("issue", "rotate") for how in ("refused", "not_processed", "unknown")],
    "access_review.*": ["access_review.kept", "access_review.revoked"],
    "*.*": [
        *("user.changed", "team.changed", "account.changed", "webhook.created"),
        *("approvalrule.created", "approvalrule.changed"),
    ],
    "request.*": ["request.approved", "request.rejected"],
    "alarm.*": [
        *("alarm.key_vanished", "alarm.key_drifted", "alarm.key_reappeared"),
        *("alarm.stuck", "alarm.contradiction", "alarm.silent", "alarm.unguarded", "alarm.ended"),
        *("alarm.connection_key", "alarm.webhook_host", "alarm.refused"),
    ],
}


def _said(names: set[str], variable: str) -> Iterator[ast.expr]:
    """Return the first argument of each call of these functions, and what is put into a variable of that name."""
    for top in ("keys_app", "portal"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and node.args:
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                    if name in names:
                        yield node.args[0]
                if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == variable for one in node.targets):
                    yield node.value


def _texts(node: ast.expr) -> Iterator[str]:
    """Return what an expression may come to; `*` for a part of a text that is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)


def _named(calls: set[str], variable: str) -> set[str]:
    found = {text for said in _said(calls, variable) for text in _texts(said) if "." in text}
    return {one for text in found for one in PARTS.get(text, [text])}


def actions() -> set[str]:
    """Return every action that the source can record."""
    return _named(_RECORD, "action")


def notices() -> set[str]:
    """Return every kind of notice that the source can give."""
    return _named(_NOTIFY, "kind")
