"""Rules that hold whatever code writes: nobody decides their own request, nor does their deputy for them;
decisions stay as they are; what was asked for is only ever narrowed; and no request is approved, issuing or
issued without the approvals it needs, unless glass was broken for an incident.
"""

from importlib import import_module

from django.db import migrations

_first = import_module("keys_app.migrations.0002_approval_rules")

NOT_OWN = "nobody decides their own request"
DECIDED = "a decision does not change"
WIDER = "a narrowing takes away and adds nothing"
REWRITTEN = "what was asked for does not change"
NOT_APPROVED = "the approvals this request needs are missing"
NO_RIGHT = "a decision needs the right of its approver or of the lead they stand in for"
TOO_RISKY = "this risk is not approved without people"

OWN = """(SELECT requester_id FROM keys_app_keyrequest WHERE id = NEW.request_id) IN (NEW.approver_id, NEW.authority_id)"""
OWN_NARROWING = "NEW.approver_id = (SELECT requester_id FROM keys_app_keyrequest WHERE id = NEW.request_id)"
NOBODYS = """NEW.rule_name = '' AND (
    NEW.authority_id IS NULL OR (NEW.capacity <> 'deputy' AND NEW.authority_id <> NEW.approver_id))"""
RULE_RISK = """NEW.rule_name <> '' AND (SELECT risk FROM keys_app_keyrequest WHERE id = NEW.request_id) <> 'low'"""

WIDENS = {
    "sqlite": """EXISTS (
        SELECT 1 FROM json_each(NEW.to_policy_json, '$.allow') AS narrow
        WHERE narrow.value NOT IN (SELECT value FROM json_each(NEW.from_policy_json, '$.allow')))""",
    "postgresql": """NOT (NEW.to_policy_json::jsonb -> 'allow') <@ (NEW.from_policy_json::jsonb -> 'allow')""",
}
NOT_OF_NOW = """NOT EXISTS (
    SELECT 1 FROM keys_app_keyrequest
    WHERE id = NEW.request_id AND state = 'pending' AND content_digest = NEW.from_digest
      AND policy_json = NEW.from_policy_json AND lifetime_days = NEW.from_lifetime_days)"""
EMPTY = """NEW.to_policy_json NOT LIKE '{"allow":["/%'"""
BAD_NARROWING = {vendor: f"({widens}) OR ({EMPTY}) OR ({NOT_OF_NOW})" for vendor, widens in WIDENS.items()}

FIXED = ("requester_id", "team_id", "account_id", "friendly_name", "incident")
NARROWED = ("policy_json", "lifetime_days", "content_digest", "risk")


def _changed(columns):
    return " OR ".join(f"NEW.{column} <> OLD.{column}" for column in columns)


CHANGED = f"""{_changed(FIXED)} OR NEW.leads_required < OLD.leads_required OR (({_changed(NARROWED)}) AND NOT EXISTS (
    SELECT 1 FROM keys_app_narrowing
    WHERE request_id = NEW.id AND OLD.state = 'pending'
      AND from_digest = OLD.content_digest AND to_digest = NEW.content_digest
      AND from_policy_json = OLD.policy_json AND to_policy_json = NEW.policy_json
      AND from_lifetime_days = OLD.lifetime_days AND to_lifetime_days = NEW.lifetime_days))"""

# Whoever approved more has approved less: approvals from before a narrowing count.
_GIVEN = """SELECT COUNT(*) FROM keys_app_approval
    WHERE request_id = NEW.id AND decision = 'approved' AND (content_digest = NEW.content_digest
      OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id))"""
_CRITICAL = "NEW.risk = 'critical'"
UNAPPROVED = f"""NEW.state IN ('approved', 'issuing', 'issued', 'failed') AND NEW.incident = '' AND (
    ({_GIVEN}) < NEW.leads_required + CASE WHEN {_CRITICAL} THEN 1 ELSE 0 END
    OR ({_CRITICAL} AND ({_GIVEN} AND capacity = 'security') < 1))"""
CRITICAL_INCIDENT = f"NEW.incident <> '' AND {_CRITICAL}"

REQUEST, APPROVAL, NARROWING = "keys_app_keyrequest", "keys_app_approval", "keys_app_narrowing"
TRIGGERS = [
    ("approval_not_own_insert", "BEFORE INSERT", APPROVAL, OWN, NOT_OWN),
    ("approval_right_insert", "BEFORE INSERT", APPROVAL, NOBODYS, NO_RIGHT),
    ("approval_rule_insert", "BEFORE INSERT", APPROVAL, RULE_RISK, TOO_RISKY),
    ("approval_fixed", "BEFORE UPDATE", APPROVAL, "1 = 1", DECIDED),
    ("narrowing_not_own_insert", "BEFORE INSERT", NARROWING, OWN_NARROWING, NOT_OWN),
    ("narrowing_insert", "BEFORE INSERT", NARROWING, BAD_NARROWING, WIDER),
    ("narrowing_fixed", "BEFORE UPDATE", NARROWING, "1 = 1", DECIDED),
    ("request_fixed", "BEFORE UPDATE", REQUEST, CHANGED, REWRITTEN),
    ("request_incident_insert", "BEFORE INSERT", REQUEST, CRITICAL_INCIDENT, TOO_RISKY),
    ("request_approved_insert", "BEFORE INSERT", REQUEST, UNAPPROVED, NOT_APPROVED),
    ("request_approved_update", "BEFORE UPDATE", REQUEST, UNAPPROVED, NOT_APPROVED),
]


def install(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    write = {"sqlite": _first._sqlite, "postgresql": _first._postgresql}[vendor]
    with schema_editor.connection.cursor() as cursor:
        for name, when, table, condition, refusal in TRIGGERS:
            fitting = condition if isinstance(condition, str) else condition[vendor]
            cursor.execute(write(name, when, table, fitting, refusal))


def remove(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for name, _, table, _, _ in TRIGGERS:
            if schema_editor.connection.vendor == "postgresql":
                cursor.execute(f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}()")
            else:
                cursor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [("keys_app", "0006_whose_right")]
    operations = [migrations.RunPython(install, remove)]
