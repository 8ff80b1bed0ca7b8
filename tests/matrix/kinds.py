"""Every kind of request and key there is: one table of what is true of each, and how each is made.

A kind that a change of the portal brings needs a line here and a function that makes it; `test_complete` says so.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.keys import issue
from keys_app.permissions.policy import Policy
from keys_app.reconcile import drift
from keys_app.reconcile.models import UnmanagedKey
from keys_app.users.models import FeedToken
from tests.cast import MAKE_KEYS, READ_MESSAGES, READ_USAGE

from .world import DAY, HOUR, Made, World, ago, killed, later

# Marks: `waits` for “I have stored it”, and `late` with it; `retiring`; `drifted` at Twilio, or `unreadable` there;
# `adopted`; `left` by its owner;
# `expiring` within 30 days; `overdue`; `standard`, so without a policy; `unreviewed` broken glass; `kept` or `dropped`
# in the access review.
TABLE = """
kind               request   key      risk     marks                      decided by
issued             issued    active   low      waits                      Lead
confirmed          issued    active   low      -                          Lead
late               issued    active   low      waits,late                 Lead
expiring           issued    active   low      waits,late,expiring        Lead
rotated            issued    active   high     waits,retiring             Lead
successor          issued    active   high     waits                      Lead
rotated-at-once    issued    revoked  low      -                          Lead
successor-at-once  issued    active   low      waits                      Lead
given-up           issued    revoked  low      -                          Lead
replacing          issued    active   low      waits                      Lead
to-be-replaced     approved  revoked  low      -                          Lead
by-a-rule          issued    active   low      waits                      The rule “Usage in staging”
by-two-leads       issued    active   low      waits                      Lead; Colead
by-lead-and-sec    issued    active   critical waits                      Lead; Security for Security
by-three           issued    active   critical waits                      Lead; Colead; Security for Security
by-a-deputy        issued    active   low      waits                      Deputy for Lead
by-security-alone  issued    active   low      waits                      Security for Security
glass              issued    active   high     waits,expiring,unreviewed  -
glass-reviewed     issued    active   high     waits,expiring             Deputy for Lead
glass-unused       approved  -        high     unreviewed                 -
glass-in-turn      pending   -        high     -                          -
glass-by-security  issued    active   high     waits,expiring             Security for Security
narrowed           issued    active   low      waits                      Lead
change             issued    active   high     waits                      Lead
changed            issued    active   low      -                          Lead
change-of-gone     issued    active   high     waits                      Lead
gone-after-change  issued    revoked  low      -                          Lead
adopted            -         active   high     adopted                    -
adopted-standard   -         active   critical adopted,standard,expiring  -
adopted-drifted    -         active   low      adopted,drifted            -
adopted-revoked    -         revoked  low      adopted                    -
drifted            issued    active   low      waits,drifted              Lead
renamed            issued    active   low      waits,drifted              Lead
without-a-policy   issued    active   low      waits,drifted              Lead
unreadable         issued    active   low      waits,unreadable           Lead
set-back           issued    active   low      waits                      Lead
owner-left         issued    active   low      waits,left                 Lead
owner-deactivated  issued    active   low      waits,left                 Lead
taken-over         issued    active   low      waits                      Colead
approver-took-it   issued    active   low      waits                      Lead
overdue            issued    active   low      waits,late,overdue         Lead
expired            issued    revoked  low      -                          Lead
revoked            issued    revoked  low      -                          Lead
being-revoked      issued    revoking low      -                          Lead
gone               issued    revoked  low      -                          Lead
missing            issued    active   low      waits                      Lead
there-again        issued    revoking low      -                          Lead
kept               issued    active   low      waits,kept                 Lead
dropped            issued    revoked  low      dropped                    Lead
rotating           issuing   active   low      waits                      Lead
pending            pending   -        low      -                          -
half-approved      pending   -        critical -                          Lead
asked-about        pending   -        high     -                          -
approval-withdrawn pending   -        low      -                          Lead
approval-void      pending   -        low      -                          The rule “Usage in staging”
approved           approved  -        low      -                          Lead
started            issuing   -        low      -                          Lead
unknown            issuing   -        low      -                          Lead
found-and-deleted  approved  -        low      -                          Lead
never-made         approved  -        low      -                          Lead
not-taken          approved  -        low      -                          Lead
refused            failed    -        low      -                          Lead
withdrawn          failed    -        low      -                          Lead
rejected           rejected  -        low      -                          Colead
cancelled          cancelled -        low      -                          -
lapsed             lapsed    -        low      -                          Lead
nobodys            -         -        -        -                          -
nobodys-standard   -         -        -        -                          -
nobodys-proposed   -         -        -        -                          -
nobodys-gone       -         -        -        -                          -
in-doubt           -         -        -        -                          -
to-be-deleted      -         -        -        -                          -
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is true of a kind; empty or None for what it does not have."""

    name: str
    request: str | None
    key: str | None
    risk: str | None
    marks: frozenset[str]
    decided_by: tuple[str, ...]

    def __contains__(self, mark: str) -> bool:
        return mark in self.marks


def _read(line: str) -> Kind:
    name, request, key, risk, marks, by = ("" if word == "-" else word for word in line.split(maxsplit=5))
    people = re.sub(
        r"\b(Lead|Colead|Deputy)\b|\bSecurity(?= for)", lambda who: f"{who[0]} Person ({who[0].lower()})", by
    )
    decided_by = tuple(people.split("; ")) if by else ()
    return Kind(name, request or None, key or None, risk or None, frozenset(marks.split(",")) - {""}, decided_by)


KINDS = {kind.name: kind for kind in map(_read, TABLE.strip().splitlines()[1:])}
TWO = [*READ_USAGE, "/twilio/messaging/services/read"]


def build(world: World) -> None:
    """Make every kind. What the reconciler would change again comes after its last run."""
    for step in (_issue, _decide, _issue_otherwise, _change, _go_wrong, _ask, _meddle, _leave, _age, _follow):
        step(world)
    world.reconcile()
    _adopt(world)
    _take_over(world)
    _let_twilio_show_it_again(world)
    world.reconcile()
    _review(world)
    _after_the_last_run(world)
    for made in world.kinds.values():
        for row in filter(None, (made.request, made.key, made.unmanaged)):
            row.refresh_from_db()


def _issue(world: World) -> None:
    kinds = world.kinds
    plain = ("issued", "late", "expiring", "overdue", "drifted", "renamed", "set-back", "gone")
    for name in (*plain, "without-a-policy", "unreadable"):
        kinds[name] = world.issued(name, permissions=TWO)
    for name in ("expired", "being-revoked", "there-again", "kept", "dropped", "rotating", "missing"):
        kinds[name] = world.issued(name)
    kinds["confirmed"] = world.press(world.issued("confirmed"), "confirm")
    kinds["revoked"] = world.press(world.issued("revoked"), "revoke", reason="Not needed any more.")
    kinds["rotated"] = world.issued("rotated", permissions=READ_MESSAGES)
    kinds["successor"] = world.rotated(kinds["rotated"], 24)
    kinds["rotated-at-once"] = world.issued("rotated-at-once")
    kinds["successor-at-once"] = world.rotated(kinds["rotated-at-once"], 0)
    kinds["to-be-replaced"] = world.press(world.issued("to-be-replaced"), "replace")
    kinds["given-up"] = world.press(world.issued("replaced"), "replace")
    kinds["replacing"] = world.issue(Made(kinds["given-up"].request))


def _decide(world: World) -> None:
    """Approve in every way there is."""
    kinds = world.kinds
    kinds["by-a-deputy"] = world.issued("by-a-deputy", by=("deputy",))
    kinds["by-lead-and-sec"] = world.issued("by-lead-and-sec", by=("lead", "security"), permissions=MAKE_KEYS)
    kinds["narrowed"] = world.asked("narrowed", permissions=[*READ_USAGE, *READ_MESSAGES])
    assert world.cast.narrow("lead", kinds["narrowed"].request, READ_USAGE, 40).status_code == 302
    world.issue(kinds["narrowed"])
    world.account_wants(leads=2)
    kinds["by-two-leads"] = world.issued("by-two-leads", by=("lead", "colead"))
    kinds["by-three"] = world.issued("by-three", by=("lead", "colead", "security"), permissions=MAKE_KEYS)
    world.account_wants(leads=1)
    kinds["by-security-alone"] = world.issued("by-security-alone", "lead", by=("security",))


def _issue_otherwise(world: World) -> None:
    """Issue without a person's approval: by a rule, and by breaking glass."""
    kinds = world.kinds
    rule = {"name": "Usage in staging", "template": "read-usage", "environment": "staging", "max_lifetime_days": 60}
    world.post("admin", "/admin/keys_app/approvalrule/add/", expected=302, is_active="on", **rule)
    of_a_team = {**rule, "name": "Of a team", "team": world.cast.team.pk, "template": "read-messages"}
    world.post("admin", "/admin/keys_app/approvalrule/add/", expected=302, **of_a_team)
    kinds["by-a-rule"] = world.issue(world.asked("by-a-rule", permissions=READ_USAGE))
    kinds["approval-void"] = world.asked("approval-void", permissions=READ_USAGE)
    page = f"keys_app/approvalrule/{ApprovalRule.objects.get(name=rule['name']).pk}/change/"
    world.save_in_admin(page, is_active=None)
    world.post("engineer", f"/requests/{kinds['approval-void'].request.pk}/issue/", expected=409)
    incident = {"incident": "INC-1", "permissions": READ_MESSAGES}
    kinds["glass-unused"] = world.asked("glass-unused", "breaker2", **incident)
    kinds["glass-reviewed"] = world.issue(world.asked("glass-reviewed", "breaker", **incident), "breaker")
    world.decide(kinds["glass-reviewed"], "deputy", decision="review", reason="The log says the same.")
    kinds["glass"] = world.issue(world.asked("glass", "breaker", **incident), "breaker")
    kinds["glass-in-turn"] = world.asked("glass-in-turn", "breaker", **incident)
    kinds["glass-by-security"] = world.decide(world.asked("glass-by-security", "breaker", **incident), "security")
    world.issue(kinds["glass-by-security"], "breaker")


def _follow(world: World) -> None:
    """Let other systems follow the audit: one does, one may not any more."""
    token = world.feed("siem")
    headers = {"Authorization": f"Bearer {token}"}
    assert world.clients["stranger"].get("/audit/feed", headers=headers).status_code == 200
    world.feed("old")
    world.post("security", "/audit/feeds/revoke/", expected=302, feed=FeedToken.objects.get(name="old").pk)


def _change(world: World) -> None:
    kinds = world.kinds
    kinds["changed"] = world.press(world.issued("changed"), "confirm")
    kinds["change"] = world.issued("change", permissions=READ_MESSAGES, changes_key=kinds["changed"].key.sid)
    kinds["gone-after-change"] = world.issued("gone-after-change")
    changes = {"permissions": READ_MESSAGES, "changes_key": kinds["gone-after-change"].key.sid}
    kinds["change-of-gone"] = world.issued("change-of-gone", **changes)
    world.press(kinds["gone-after-change"], "revoke", reason="The other one is in use.")


def _go_wrong(world: World) -> None:
    """End an attempt to issue in every way that leaves no key."""
    ways = {
        "refused": "refuse",
        "withdrawn": "other_policy",
        "not-taken": "rate_limit",
        "found-and-deleted": "drop_after",
        "never-made": "drop_before",
    }
    for name, fault in ways.items():
        made = world.kinds[name] = world.decide(world.asked(name), "lead")
        world.twilio.fault(fault)
        world.post("engineer", f"/requests/{made.request.pk}/issue/")
        if name != "found-and-deleted":  # Twilio's date must be within the attempt
            later(made.request.issuances.get(), started_at=ago(HOUR))
    later(world.kinds["refused"].request.issuances.get(), incarnation=None)  # made by an earlier version
    later(world.kinds["never-made"].request.issuances.get(), times_not_listed=2)


def _ask(world: World) -> None:
    """Leave requests where nobody has issued anything."""
    kinds = world.kinds
    kinds["pending"] = world.asked("pending")
    kinds["half-approved"] = world.decide(world.asked("half-approved", permissions=MAKE_KEYS), "lead")
    kinds["asked-about"] = world.asked("asked-about", permissions=READ_MESSAGES)
    world.decide(kinds["asked-about"], "colead", decision="ask", question="Which system reads them?")
    world.post("engineer", f"/requests/{kinds['asked-about'].request.pk}/comment/", comment="The archive.")
    kinds["approved"] = world.decide(world.asked("approved"), "lead")
    kinds["approval-withdrawn"] = world.decide(world.asked("approval-withdrawn"), "lead")
    world.decide(kinds["approval-withdrawn"], "colead", decision="withdraw", reason="It is the wrong account.")
    kinds["rejected"] = world.decide(world.asked("rejected"), "colead", decision="reject", reason="Too wide.")
    kinds["cancelled"] = world.asked("cancelled")
    world.post("engineer", f"/requests/{kinds['cancelled'].request.pk}/cancel/", expected=302)
    kinds["lapsed"] = world.decide(world.asked("lapsed"), "lead")
    later(kinds["lapsed"].request, claim_until=ago(HOUR))


def _meddle(world: World) -> None:
    """Do at Twilio what should be done in the portal, and ask for what is somebody else's."""
    keys = {name: made.key for name, made in world.kinds.items()}
    assert world.clients["colleague"].get(f"/keys/{keys['issued'].pk}/").status_code == 404
    world.changed_by_hand(keys["drifted"], policy=Policy.of([*READ_USAGE, *MAKE_KEYS]))
    world.changed_by_hand(keys["renamed"], friendly_name="mine now")
    world.changed_by_hand(keys["set-back"], policy=Policy.of(READ_USAGE))
    world.twilio.change_key(keys["without-a-policy"].sid, standard=True)
    world.twilio.change_key(keys["unreadable"].sid, beside={"deny": MAKE_KEYS})
    world.deleted_by_hand(keys["gone"].sid)
    for name in ("in-doubt", "to-be-deleted"):
        copied = keys["issued" if name == "in-doubt" else "confirmed"].friendly_name
        world.kinds[name] = Made(unmanaged=world.made_by_hand(copied, READ_USAGE))
    for name in ("adopted", "nobodys", "nobodys-proposed", "nobodys-gone"):
        world.kinds[name] = Made(unmanaged=world.made_by_hand(name, READ_MESSAGES))
    for name in ("adopted-drifted", "adopted-revoked"):
        world.kinds[name] = Made(unmanaged=world.made_by_hand(name, READ_USAGE))
    for name in ("adopted-standard", "nobodys-standard"):
        world.kinds[name] = Made(unmanaged=world.made_by_hand(name, READ_USAGE, standard=True))


def _leave(world: World) -> None:
    kinds = world.kinds
    kinds["owner-left"] = world.issued("owner-left", "leaver")
    kinds["owner-deactivated"] = world.issued("owner-deactivated", "goner")
    kinds["taken-over"] = world.issued("taken-over", "heir", by=("colead",))
    kinds["approver-took-it"] = world.issued("approver-took-it", "heir", by=("lead",))
    world.in_the_team(leaver={"DELETE": "on"}, heir={"DELETE": "on"})
    world.save_in_admin(f"auth/user/{world.cast.people['goner'].pk}/change/", is_active=None)


def _age(world: World) -> None:
    """Let time go by for some."""
    kinds, now = world.kinds, timezone.now()
    later(kinds["late"].key, issued_at=ago(2 * HOUR))
    later(kinds["expiring"].key, issued_at=ago(50 * DAY), expires_at=now + 10 * DAY)
    later(kinds["expired"].key, issued_at=ago(60 * DAY), expires_at=ago(HOUR))


def _adopt(world: World) -> None:
    kinds = world.kinds
    for name in ("adopted", "adopted-drifted", "adopted-revoked", "adopted-standard"):
        days = "20" if name == "adopted-standard" else "60"
        kinds[name] = world.adopted(str(kinds[name].unmanaged), lifetime_days=days)
    for name in ("nobodys", "nobodys-standard", "nobodys-proposed", "nobodys-gone", "in-doubt", "to-be-deleted"):
        kinds[name] = Made(unmanaged=UnmanagedKey.objects.get(pk=kinds[name].unmanaged))
    later(kinds["adopted"].key, issued_at=ago(100 * DAY))
    page = f"/keys/unmanaged/{kinds['nobodys-proposed'].unmanaged.pk}/propose/"
    world.post("security", page, expected=302, team=world.cast.team.pk)
    world.press(kinds["adopted-revoked"], "revoke", "lead", reason="Nobody knows it.")
    later(kinds["owner-left"].key, handover_by=timezone.now() + 2 * DAY)
    world.changed_by_hand(kinds["adopted-drifted"].key, policy=Policy.of([*READ_USAGE, *READ_MESSAGES]))
    world.changed_by_hand(kinds["set-back"].key, policy=Policy.of(TWO))
    gone = kinds["nobodys-gone"].unmanaged
    world.deleted_by_hand(gone.pk)
    later(gone, missing_since=ago(HOUR))


def _take_over(world: World) -> None:
    for name in ("taken-over", "approver-took-it"):
        world.press(world.kinds[name], "take-over", "lead")


def _let_twilio_show_it_again(world: World) -> None:
    """Let the portal record that it has deleted a key, and Twilio list it an hour later."""
    world.twilio.fault("refuse", operation="delete", status=404, code=20404)
    world.press(world.kinds["there-again"], "revoke", expected=503, reason="It leaked.")
    later(world.kinds["there-again"].key, state="revoked", revoked_at=ago(HOUR))


def _review(world: World) -> None:
    """Open an access review with whatever is live, after another one, and decide about two keys."""
    world.post("security", "/reviews/", expected=302, quarter="2026-Q3")
    world.post("security", "/reviews/2026-Q3/close/", expected=302)
    world.post("security", "/reviews/", expected=302, quarter="2026-Q4")
    for name, decision in (("kept", "kept"), ("dropped", "revoked")):
        reviewed = world.kinds[name].key.reviews.get(review__quarter="2026-Q4")
        fields = {"reviewed": reviewed.pk, "decision": decision, "note": "Asked them."}
        world.post("lead", "/reviews/2026-Q4/decide/", expected=302, **fields)


def _after_the_last_run(world: World) -> None:
    """Make what the reconciler would settle at once."""
    kinds = world.kinds
    world.post("security", f"/keys/unmanaged/{kinds['to-be-deleted'].unmanaged.pk}/delete/", expected=302)
    drift._note_missing(kinds["missing"].key)  # no answer of the simulator's leads to this
    world.twilio.fault("error_before", operation="delete")
    world.press(kinds["being-revoked"], "revoke", expected=503, reason="Not needed any more.")
    later(kinds["overdue"].key, issued_at=ago(60 * DAY), expires_at=ago(HOUR))
    kinds["unknown"] = world.decide(world.asked("unknown"), "lead")
    world.twilio.fault("drop_after")
    world.post("engineer", f"/requests/{kinds['unknown'].request.pk}/issue/", expected=504)
    kinds["started"] = world.decide(world.asked("started"), "lead")
    _kill_while_twilio_is_asked(lambda: world.post("engineer", f"/requests/{kinds['started'].request.pk}/issue/"))
    world.twilio.fault("drop_after")
    world.account_wants(leads=2)  # more than approved it, which leads and Security are told
    world.press(kinds["rotating"], "rotate", expected=504, overlap_hours=24)
    world.account_wants(leads=1)


def _kill_while_twilio_is_asked(press: Callable[[], object]) -> None:
    """End the process between the intent and Twilio's answer; here that call is cut off."""
    asks = issue._ask_twilio

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    issue._ask_twilio = die  # type: ignore[assignment]
    try:
        with killed():
            press()
    finally:
        issue._ask_twilio = asks
