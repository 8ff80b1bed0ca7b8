"""What has to be true of a key on each page. Each check returns what is not, in a sentence each."""

import json
import re
from collections.abc import Callable, Iterable
from html import unescape
from typing import Any

from keys_app.audit.search import actions
from keys_app.core.actor import name_and_login
from keys_app.keys.models import ApiKey

from .kinds import KINDS, Kind
from .world import Made, World

Problems = Iterable[str]
_CELL = re.compile(r"<(td|dd|li|button|a)((?:\s[^>]*)?)>((?:(?!<\1[\s>]).)*?)</\1>", re.DOTALL)
_NONE = re.compile(r"(?:\b(?:by|of|on|to|is|until|since|before|rule) |[“:(] ?)None\b|\bNone UTC")
_ONE_OF_MANY = re.compile(r"(?<![\d.:,-])1 (days|hours|keys|permissions|requests|events|approvals|runs|hashes)\b")


def words(html: str) -> str:
    """Return the words of a piece of a page, with single spaces."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def body_of(answer: Any) -> str:
    """Return the whole of an answer as text, streamed or not."""
    raw = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return raw.decode()


def rows(html: str) -> dict[str, str]:
    """Return the words of each line of a table, by the SID that stands in it."""
    found = re.findall(r"<tr[\s>].*?</tr>", html, re.DOTALL)
    return {sid.group(): words(row) for row in found if (sid := re.search(r"SK[0-9a-f]{32}", row))}


def untruths(name: str, answer: Any, world: World, kind: str, who: str) -> Problems:
    """Return what is wrong with a page: holes in it, secrets, and what is not so of the keys it speaks of."""
    body = body_of(answer)
    yield from (f"the secret of {n}" for n, secret in enumerate(world.secrets) if secret in body)
    if answer["Content-Type"].startswith("text/html"):
        yield from [] if name in DJANGOS else _holes(body)
        yield from _lines_of_keys(name, body, world)
    yield from ABOUT.get(name, _nothing)(body, world, kind, who)


def _nothing(*_: object) -> Problems:
    return ()


def odd_words(text: str) -> Problems:
    """Return where a text has a None in it, or one of something in the plural."""
    for pattern in (_NONE, _ONE_OF_MANY):
        yield from (f"…{text[max(0, hit.start() - 40) : hit.end() + 20]}…" for hit in pattern.finditer(text))


DJANGOS = {"admin:index", "admin:app_list", "admin:keys_app_keyrequest_changelist"}
"""Pages that Django itself writes: their cells are its own business."""


def _holes(html: str) -> Problems:
    """No page has an empty cell, a None, or one of something in the plural."""
    without_scripts = re.sub(r"<(template|script|dialog)\b.*?</\1>", "", html, flags=re.DOTALL)
    for tag, given, inside in _CELL.findall(without_scripts):
        hidden = any(sign in given + inside for sign in ("hidden", "none", "aria-label", "<img", "<input", "value="))
        if not words(inside) and not hidden:
            yield f"an empty <{tag}{given}>"
    yield from odd_words(words(without_scripts))
    if re.search(r'data-risk=""|datetime=""|data-state=""|href=""', without_scripts):
        yield "an attribute without its value"


# Keys in tables

_LISTS = {
    "portal:home", "portal:key_list", "portal:audit_report_keys", "portal:reconciliation",
}  # fmt: skip


def by_sid(world: World) -> dict[str, tuple[Kind, ApiKey]]:
    return {made.key.pk: (KINDS[name], made.key) for name, made in world.kinds.items() if made.key}


def _lines_of_keys(name: str, html: str, world: World) -> Problems:
    """Check each line of a table of keys against what is true of its key."""
    keys = by_sid(world) if name in _LISTS else {}
    for sid, line in rows(html).items():
        if sid in keys:
            yield from (f"{keys[sid][0].name}: {what}, in “{line}”" for what in _line(line, *keys[sid]))


def _line(line: str, kind: Kind, key: ApiKey) -> Problems:
    live = kind.key == "active"
    yield from _iff("Revoked", kind.key == "revoked", line)
    yield from _iff(r"\bActive\b", live, line)
    yield from _iff("Not confirmed", "waits" in kind, line)
    yield from _iff("Retiring", "retiring" in kind, line)
    yield from _iff("Changed outside", "drifted" in kind, line)
    yield from _iff("Standard key, full access", _is_standard(kind), line)
    yield from _iff("Policy cannot be read", "unreadable" in kind, line)
    yield from _iff("Adopted", "adopted" in kind, line)
    yield from _iff(f"{key.expires_at:%Y-%m-%d}", True, line)
    yield from _iff(r"past\b|[Oo]verdue", "overdue" in kind, line)
    yield from _iff(r"\bin \d", live and "overdue" not in kind, line)


def _is_standard(kind: Kind) -> bool:
    return kind.key == "active" and ("standard" in kind or kind.name == "without-a-policy")


def _iff(pattern: str, expected: bool, text: str) -> Problems:
    """Say so if words are there that should not be, or are not that should."""
    if bool(re.search(pattern, text)) is not expected:
        yield f"{'no ' if expected else ''}“{pattern}”"


# One key


def _key(html: str, world: World, kind: str, who: str) -> Problems:
    """The page of a key."""
    true, key, text = KINDS[kind], world.kinds[kind].key, words(html)
    above, _, history = text.partition(" History ")
    yield from _iff(key.pk, True, above)
    yield from _iff(re.escape(name_and_login(key.owner)), True, above)
    yield from _iff(r"This key is active|\bis live\b", False, above if true.key != "active" else "")
    yield from _iff("works until", "retiring" in true, above)
    yield from _iff("may still work", true.key == "revoking" or "overdue" in true, above)
    yield from _badges(html, true)
    yield from _iff("Gone at Twilio since|Deleted at Twilio", true.key == "revoked", above)
    yield from _iff("Changed outside the portal", "drifted" in true, above)
    yield from _iff("Its policy cannot be read", "unreadable" in true, above)
    yield from _iff("its secret was never here", "adopted" in true, above)
    yield from _iff("it may do nearly everything", "standard" in true or kind == "without-a-policy", above)
    yield from _iff("Its owner left|Its owner is gone", "left" in true, above)
    yield from _iff("A lead of the team can take the key over", "left" in true, above)
    yield from _iff(f"Expires {key.expires_at:%Y-%m-%d}|Expire[ds].*{key.expires_at:%Y-%m-%d}", True, above)
    yield from _iff("Highest risk: " + (true.risk or "").capitalize(), "standard" not in true, above)
    yield from _iff("(?<!not )(?<!Not )confirmed [0-9]", key.confirmed_at is not None, above)
    yield from _buttons(html, true, key, who)
    yield from _history(history)


def _badges(html: str, true: Kind) -> Problems:
    """The page has the same words for the state, and for what there is to know beside it, as a list."""
    panel = re.search(r'<section class="panel stack" id="key-status".*?</p>', html, re.DOTALL)
    found = [words(one) for one in re.findall(r'<span class="badge.*?</span>', panel.group() if panel else "")]
    marks = {
        "Overdue": "overdue" in true,
        "Not confirmed": "waits" in true,
        "Retiring": "retiring" in true,
        "Changed outside": "drifted" in true,
        "Standard key, full access": _is_standard(true),
        "Policy cannot be read": "unreadable" in true,
        "Adopted": "adopted" in true,
    }
    expected = [said for said, applies in marks.items() if applies]
    if found[1:] != expected:
        yield f"marked {found[1:]}, not {expected}"


def _buttons(html: str, true: Kind, key: ApiKey, who: str) -> Problems:
    mine, active = key.owner.get_username() == who, true.key == "active"
    yield from _iff(">I have stored it<", mine and "waits" in true, html)
    yield from _iff(">Revoke key<", active, html)
    newest = active and not {"retiring", "adopted"} & true.marks
    yield from _iff(">Rotate key<|Rotate key</button>", False, "" if mine and newest else html)
    yield from _iff(">Take over<", "left" in true and who == "lead", html)


def _history(text: str) -> Problems:
    """A history is in words: no name of an action stands in it, and whoever acted does."""
    yield from (f"“{action}” in the history" for action in actions.actions() if action in text)


def _request(html: str, world: World, kind: str, who: str) -> Problems:
    true, made, text = KINDS[kind], world.kinds[kind], words(html)
    above, _, history = text.partition(" History ")
    current = made.request.keys.first() if true.request == "issued" else None
    label = {"issuing": "Issuing|Outcome unknown", "issued": "Issued"}.get(true.request or "", true.request or "")
    yield from _iff(f"(?i){label}", True, above)
    yield from _iff("was issued, and revoked at", bool(current and current.state == "revoked"), above)
    yield from _iff("is to be revoked", bool(current and current.state == "revoking"), above)
    yield from _iff(
        "stays until it is revoked", made.request.changes_key_id is not None and _live(made.request.changes_key), above
    )
    can_press = made.request.requester.get_username() == who and true.request in ("approved", "failed")
    yield from _iff("Issue key</button>|>Issue key<", can_press, html)
    yield from _iff("(Nobody|[Nn]o one) has reviewed it yet", "unreviewed" in true, above)
    yield from _iff("Highest risk: " + made.request.risk.capitalize(), True, above)
    yield from _history(history)


def _live(key: ApiKey) -> bool:
    return key.state == "active"


def _decision(html: str, world: World, kind: str, who: str) -> Problems:
    """The approver's page names everybody who approved, in whose right, and says of the keys held what is true."""
    true, made, text = KINDS[kind], world.kinds[kind], words(html)
    given = re.search(r'<ul class="decide-given">(.*?)</ul>', html, re.DOTALL)
    lines = re.findall(r"<li>(.*?)</li>", given.group(1), re.DOTALL) if given else []
    names = [words(line).partition(" No longer counts")[0].replace(" approved", "").rstrip(". ") for line in lines]
    expected = [] if true.request == "rejected" or kind == "glass-reviewed" else list(true.decided_by)
    if names != expected:
        yield f"approved by {names}, not {expected}"
    yield from _iff("Mark as reviewed", "unreviewed" in true, html)
    yield from _iff(">Approve<", true.request == "pending" and _decides(made, who), html)
    yield from _iff(
        "stays until it is revoked", made.request.changes_key_id is not None and _live(made.request.changes_key), text
    )
    _, _, history = text.partition(" History ")
    yield from _history(history)


def _decides(made: Made, who: str) -> bool:
    securitys = made.request.security_alone or made.request.approvals.standing().exists()
    return who == "security" if securitys else who in ("lead", "deputy")


# Reports and files


def _overview(html: str, world: World, kind: str, who: str) -> Problems:
    live = [true for true, _ in by_sid(world).values() if true.key in ("active", "revoking")]
    yield from _iff(f"{len(live)} live keys", True, words(html))
    legend = words(re.search(r'<ul class="bar-legend".*?</ul>', html, re.DOTALL).group())
    for risk in ("low", "medium", "high", "critical"):
        yield from _iff(f"{risk.capitalize()} {sum(true.risk == risk for true in live)}\\b", True, legend)
    yield from _iff(f"\\b{_count(world, 'late')} never confirmed", True, words(html))
    yield from _iff(f"\\b{_count(world, 'drifted', 'unreadable')} different at Twilio", True, words(html))


def _count(world: World, *marks: str) -> int:
    return sum(bool(true.marks & set(marks)) for true, _ in by_sid(world).values())


def _keys_to_look_at(html: str, world: World, kind: str, who: str) -> Problems:
    if "<strong>30 days</strong>" not in html:
        return
    parts = re.split(r'<h2 id="(\w+)-title">', html)
    lists = dict(zip(parts[1::2], parts[2::2], strict=True))
    wanted = {"expiring": {"expiring", "overdue"}, "unconfirmed": {"late"}, "drifted": {"drifted", "unreadable"}}
    for name, marks in wanted.items():
        shown = {by_sid(world)[sid][0].name for sid in rows(lists[name])}
        expected = {true.name for true, _ in by_sid(world).values() if true.marks & marks}
        yield from (f"{one} in “{name}”: {one in shown}" for one in sorted(shown ^ expected))


def _decisions(html: str, world: World, kind: str, who: str) -> Problems:
    """Every decision has a name, and the order of several is told."""
    if " selected" in html:
        return  # only some of them are shown
    found: dict[str, list[str]] = {}
    for row in re.findall(r"<tr[\s>].*?</tr>", html, re.DOTALL)[1:]:
        number = re.search(r"/requests/([0-9a-f-]{36})/", row).group(1)
        by = words(re.search(r'data-label="By">(.*?)</td>', row, re.DOTALL).group(1))
        ordinal = re.search(r"\b(second|third)\b", words(row))
        found.setdefault(number, []).insert(0, f"{by}{', ' + ordinal.group() if ordinal else ''}")
    for name, made in world.kinds.items():
        by = KINDS[name].decided_by if made.request else ()
        expected = [one + ("", ", second", ", third")[n] for n, one in enumerate(by)]
        shown = found.get(str(made.request.pk), []) if made.request else []
        if shown != expected:
            yield f"{name}: decided by {shown}, not {expected}"


def _about(text: str, world: World, kind: str, who: str) -> Problems:
    """The file about a key: what it is, and who decided."""
    header, *events, _ = [json.loads(line) for line in text.splitlines()]
    records = header["header"]["records"]
    decided = [one["decision"] for one in records if "decision" in one]
    yield from ("a decision by nobody" for one in decided if not one["by"])
    yield from (f"{event['event']['action']} is about “None”" for event in events if "None" in event["event"].values())
    if kind:
        true, key = KINDS[kind], records[0]["key"]
        known_of = (key["state"], key["risk"], key["policy"] is None, key["adopted_at"] is not None)
        expected = (true.key, true.risk, "standard" in true, "adopted" in true)
        yield from [f"{known_of}, not {expected}"] if known_of != expected else []
        yield from [f"{len(decided)} decisions"] if len(decided) != len(true.decided_by) else []
        numbers = {event["event"]["key_sid"] for event in events} | {event["event"]["request_id"] for event in events}
        others = numbers - {"", key["sid"], str(world.kinds[kind].request and world.kinds[kind].request.pk)}
        siblings = (
            set(world.kinds[kind].request.keys.values_list("pk", flat=True)) if world.kinds[kind].request else set()
        )
        yield from (f"an event about {other}" for other in others - siblings if not other.startswith("SK"))


def _life(html: str, world: World, kind: str, who: str) -> Problems:
    """What the key can do now is the first line of its life."""
    true = KINDS[kind]
    newest = words(re.search(r'<ol class="life">\s*<li.*?</li>', html, re.DOTALL).group())
    yield from _iff("it was gone", true.key == "revoked", newest)
    yield from _iff("until now|since", True, newest)
    yield from _iff(
        "it had no policy",
        "standard" in true or kind == "without-a-policy",
        newest if true.key == "active" else "it had no policy" if "standard" in true else "",
    )


def _left(html: str, world: World, kind: str, who: str) -> Problems:
    if who == "lead2":
        return
    shown = {by_sid(world)[sid][0].name for sid in rows(html)}
    expected = {true.name for true, _ in by_sid(world).values() if "left" in true}
    yield from (f"{one}: {one in shown}" for one in sorted(shown ^ expected))


def _review(html: str, world: World, kind: str, who: str) -> Problems:
    if who == "lead2" or "Keys to decide" in words(html):
        return
    items = re.findall(r'<li class="panel" id="reviewed-.*?</li>', html, re.DOTALL)
    lines = {sid.group(1): words(item) for item in items if (sid := re.search(r"/keys/(SK[0-9a-f]{32})/", item))}
    for sid, (true, key) in by_sid(world).items():
        line = lines.get(sid)
        if (line is not None) is not bool(key.reviews.exists()):
            yield f"{true.name}: in the review {line is not None}"
        if line:
            yield from _iff((true.risk or "").capitalize(), True, line)
            yield from _iff(r"\bKept\b", "kept" in true, line)
            yield from _iff(r"\bRevoked\b", "dropped" in true, line)
            yield from _iff(f"expires {key.expires_at:%Y-%m-%d}", True, line)


def _unmanaged(html: str, world: World, kind: str, who: str) -> Problems:
    if who == "lead2":
        return
    lines, all_shown = rows(html), '?show=all">Gone' not in html
    states = {"nobodys-proposed": "Proposed to Payments", "nobodys-gone": "Gone"}
    states |= {"in-doubt": "Keep or delete", "to-be-deleted": "Being deleted"}
    for name, made in world.kinds.items():
        if made.unmanaged is None:
            continue
        line = lines.get(made.unmanaged.pk, "")
        yield from _iff(".", all_shown or not (made.key or name == "nobodys-gone"), line)
        if line:
            state = "Adopted" if made.key else states.get(name, "No one’s|No owner")
            yield from (f"{name}: {what}" for what in _iff(state, True, line))
            yield from (f"{name}: {what}" for what in _iff("Standard key, full access", "standard" in name, line))


def _several(html: str, world: World, _kind: str, _who: str) -> Problems:
    """The page that revokes several keys has a box, ticked, for each active key, and nothing of those that are gone."""
    ticked = re.findall(r'<input type="checkbox" name="keys" value="(SK[0-9a-f]{32})"[^>]*?checked', html)
    yield from _iff(f"Revoke {len(ticked)} keys?", True, words(html))
    for sid, line in rows(html).items():
        yield from [] if sid in ticked else [f"no box for {sid}"]
        true, key = by_sid(world).get(sid, (None, None))
        if true and key:
            yield from (f"{true.name}: {what}, in “{line}”" for what in _to_revoke(line, true, key))


def _to_revoke(line: str, true: Kind, key: ApiKey) -> Problems:
    yield from [] if true.key == "active" else ["it is not active"]
    yield from _iff(re.escape(name_and_login(key.owner)), True, line)
    yield from _iff(key.risk.capitalize(), True, line)
    yield from _iff("may do nearly everything", not key.policy_json, line)
    yield from _iff("Changed outside", "drifted" in true, line)
    yield from _iff("Adopted", "adopted" in true, line)


ABOUT: dict[str, Callable[[str, World, str, str], Problems]] = {
    "portal:key_detail": _key,
    "portal:request_detail": _request,
    "admin:keys_app_keyrequest_change": _decision,
    "portal:audit_reports": _overview,
    "portal:audit_report_keys": _keys_to_look_at,
    "portal:audit_report_decisions": _decisions,
    "portal:audit_report_about": _about,
    "portal:audit_key": _life,
    "portal:key_left_list": _left,
    "portal:key_revoke_several": _several,
    "portal:review_detail": _review,
    "portal:unmanaged_list": _unmanaged,
}
