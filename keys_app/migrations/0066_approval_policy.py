"""The triggers that count approvals do it as Python and the ORM do, in the words that the approval policy generates.

They refuse what they refused before: leads' approvals and Security's are counted apart, what Security gave beyond its
own stands in for a lead's, and neither may be missing.
"""

from django.db import migrations

GIVEN = """SELECT COUNT(*) FROM keys_app_approval WHERE request_id = NEW.id AND decision = 'approved'
    AND void_at IS NULL AND (content_digest = NEW.content_digest
    OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id))"""
SECURITY = "(CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END)"
BY_LEADS = f"({GIVEN} AND capacity <> 'security')"
BY_SECURITY = f"({GIVEN} AND capacity = 'security')"
UNAPPROVED = f"""NEW.state IN ('approved', 'issuing', 'issued', 'failed') AND CASE
    WHEN NEW.incident <> '' AND NEW.reopened_at IS NULL THEN NEW.risk IN ('critical')
    ELSE NEW.leads_required - {BY_LEADS} - %s(0, {BY_SECURITY} - {SECURITY}) > 0
      OR {SECURITY} - {BY_SECURITY} > 0 END"""
GREATEST = {"sqlite": "MAX", "postgresql": "GREATEST"}
BY_RULE = """NEW.rule_name <> '' AND NOT
    (SELECT risk FROM keys_app_keyrequest WHERE id = NEW.request_id) IN ('low')"""

MISSING = "the approvals this request needs are missing"
TOO_RISKY = "this risk is not approved without people"
REQUEST, APPROVAL = "keys_app_keyrequest", "keys_app_approval"
TRIGGERS = [
    ("request_approved_insert", "BEFORE INSERT", REQUEST, UNAPPROVED, MISSING),
    ("request_approved_update", "BEFORE UPDATE", REQUEST, UNAPPROVED, MISSING),
    ("request_incident_insert", "BEFORE INSERT", REQUEST, "NEW.incident <> '' AND NEW.risk IN ('critical')", TOO_RISKY),
    ("approval_rule_insert", "BEFORE INSERT", APPROVAL, BY_RULE, TOO_RISKY),
]


def install(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    with schema_editor.connection.cursor() as cursor:
        for name, when, table, condition, refusal in TRIGGERS:
            condition = condition.replace("%s", GREATEST[vendor])
            if vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER {name}")
                cursor.execute(
                    f"CREATE TRIGGER {name} {when} ON {table} WHEN {condition} "
                    f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
                )
            else:
                cursor.execute(
                    f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    f"IF ({condition}) THEN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'check_violation'; END IF; "
                    f"RETURN NEW; END $$"
                )


class Migration(migrations.Migration):

    dependencies = [("keys_app", "0065_void_approvals")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]  # backwards the same rule may stay
