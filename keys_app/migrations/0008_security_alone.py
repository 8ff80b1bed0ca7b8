"""Requests that Security alone decides.

A request with an incident number, sent while an earlier break-glass key of its requester is not reviewed, is granted by
Security alone; the triggers that count approvals know it, and two new ones let no break-glass access through meanwhile.
"""

from django.db import migrations, models

BY_GLASS = "NEW.incident <> '' AND NOT NEW.security_alone AND NEW.reopened_at IS NULL"
GRANTED = "NEW.state IN ('approved', 'issuing', 'issued', 'failed')"
OF_SECURITY = "(CASE WHEN NEW.risk IN ('critical') OR NEW.security_alone THEN 1 ELSE 0 END)"
GIVEN = (
    "SELECT COUNT(*) FROM keys_app_approval WHERE request_id = NEW.id AND decision = 'approved' AND void_at IS NULL "
    "AND (content_digest = NEW.content_digest "
    "OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)) AND capacity"
)
UNAPPROVED = (
    f"{GRANTED} AND CASE WHEN {BY_GLASS} THEN NEW.risk IN ('critical') "
    f"ELSE NEW.leads_required - ({GIVEN} <> 'security') - MAX(0, ({GIVEN} = 'security') - {OF_SECURITY}) > 0 "
    f"OR {OF_SECURITY} - ({GIVEN} = 'security') > 0 END"
)
EARLIER = (
    "EXISTS (SELECT 1 FROM keys_app_keyrequest AS earlier "
    "WHERE earlier.requester_id = NEW.requester_id AND earlier.id <> NEW.id AND earlier.incident <> '' "
    "AND NOT earlier.security_alone AND ((earlier.state IN ('approved', 'issuing', 'issued', 'failed') "
    "AND earlier.reopened_at IS NULL) OR EXISTS (SELECT 1 FROM keys_app_apikey WHERE request_id = earlier.id)) "
    "AND NOT EXISTS (SELECT 1 FROM keys_app_approval WHERE request_id = earlier.id AND decision = 'reviewed'))"
)
OPEN_GLASS = f"{GRANTED} AND {BY_GLASS} AND {EARLIER}"
MISSING, UNREVIEWED = "the approvals this request needs are missing", "an earlier break-glass key is not reviewed"

# Name, when, what is refused, in which words.
CHANGED = [
    ("request_approved_insert", "INSERT", UNAPPROVED, MISSING),
    ("request_approved_update", "UPDATE", UNAPPROVED, MISSING),
]
NEW = [
    ("request_glass_insert", "INSERT", OPEN_GLASS, UNREVIEWED),
    ("request_glass_update", "UPDATE", f"OLD.state = 'pending' AND {OPEN_GLASS}", UNREVIEWED),
    (
        "request_alone_fixed",
        "UPDATE",
        "NEW.security_alone <> OLD.security_alone",
        "what was asked for does not change",
    ),
]


def sqlite():
    for name, *_ in CHANGED:
        yield f"DROP TRIGGER {name}"
    for name, event, refused, words in [*CHANGED, *NEW]:
        yield (
            f"CREATE TRIGGER {name} BEFORE {event} ON keys_app_keyrequest WHEN {refused} "
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
        )


def postgresql():
    for name, _, refused, words in [*CHANGED, *NEW]:
        yield (
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF ({refused.replace('MAX(', 'GREATEST(')}) THEN RAISE EXCEPTION '{words}' "
            "USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$"
        )
    for name, event, *_ in NEW:
        yield (f"CREATE TRIGGER {name} BEFORE {event} ON keys_app_keyrequest FOR EACH ROW EXECUTE FUNCTION {name}()")


def install(apps, schema_editor):
    for statement in {"sqlite": sqlite, "postgresql": postgresql}[schema_editor.connection.vendor]():
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("keys_app", "0007_limits"),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE keys_app_keyrequest ADD COLUMN security_alone bool NOT NULL DEFAULT false",
            state_operations=[
                migrations.AddField(
                    model_name="keyrequest",
                    name="security_alone",
                    field=models.BooleanField(db_default=False, default=False),
                ),
            ],
        ),
        migrations.RunPython(install),
    ]
