"""Rules that hold whatever code writes: nobody decides their own request, decisions and what was asked for
stay as they are, and no request is approved, issuing or issued without the approvals its risk needs.
"""

from django.db import migrations

NOT_OWN = "nobody decides their own request"
NOT_APPROVED = "the approvals this request needs are missing"

OWN_REQUEST = "NEW.approver_id = (SELECT requester_id FROM keys_app_keyrequest WHERE id = NEW.request_id)"
UNAPPROVED = """NEW.state IN ('approved', 'issuing', 'issued', 'failed') AND (
    SELECT COUNT(*) FROM keys_app_approval
    WHERE request_id = NEW.id AND decision = 'approved' AND content_digest = NEW.content_digest
) < CASE NEW.risk WHEN 'critical' THEN 2 ELSE 1 END"""


FIXED = (
    "requester_id",
    "team_id",
    "account_id",
    "friendly_name",
    "lifetime_days",
    "policy_json",
    "content_digest",
    "risk",
)
CHANGED = " OR ".join(f"NEW.{column} <> OLD.{column}" for column in FIXED)
REWRITTEN = "what was asked for does not change"
DECIDED = "a decision does not change"


def _sqlite(name, when, table, condition, refusal):
    return (
        f"CREATE TRIGGER {name} {when} ON {table} WHEN {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    )


def _postgresql(name, when, table, condition, refusal):
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF ({condition}) THEN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'check_violation'; END IF; "
        f"RETURN NEW; END $$; "
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
    )


TRIGGERS = [
    ("approval_not_own_insert", "BEFORE INSERT", "keys_app_approval", OWN_REQUEST, NOT_OWN),
    ("approval_fixed", "BEFORE UPDATE", "keys_app_approval", "1 = 1", DECIDED),
    ("request_fixed", "BEFORE UPDATE", "keys_app_keyrequest", CHANGED, REWRITTEN),
    ("request_approved_insert", "BEFORE INSERT", "keys_app_keyrequest", UNAPPROVED, NOT_APPROVED),
    ("request_approved_update", "BEFORE UPDATE", "keys_app_keyrequest", UNAPPROVED, NOT_APPROVED),
]


def install(apps, schema_editor):
    write = {"sqlite": _sqlite, "postgresql": _postgresql}[schema_editor.connection.vendor]
    with schema_editor.connection.cursor() as cursor:
        for trigger in TRIGGERS:
            cursor.execute(write(*trigger))


def remove(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for name, _, table, _, _ in TRIGGERS:
            if schema_editor.connection.vendor == "postgresql":
                cursor.execute(f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}()")
            else:
                cursor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [("keys_app", "0001_initial")]
    operations = [migrations.RunPython(install, remove)]
