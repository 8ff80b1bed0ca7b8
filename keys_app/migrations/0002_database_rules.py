"""The rules that the database holds to whatever code writes, as far as constraints can't say them.

No one decides their own request; decisions and what was asked for stay as they are, or become less; nothing is
approved, issuing or issued without the approvals it needs. Deactivating a user ends their sessions. A login is one
whatever its case.
"""

from django.db import migrations

APPROVAL_NOT_OWN_INSERT = """
    (
        SELECT requester_id FROM keys_app_keyrequest WHERE id = NEW.request_id
    ) IN (NEW.approver_id, NEW.authority_id)
"""
APPROVAL_RIGHT_INSERT = """
    NEW.rule_name = ''
    AND (NEW.authority_id IS NULL OR (NEW.capacity <> 'deputy' AND NEW.authority_id <> NEW.approver_id))
"""
APPROVAL_FIXED = """
    NOT (
        OLD.void_at IS NULL
        AND NEW.void_at IS NOT NULL
        AND NEW.id = OLD.id
        AND NEW.request_id = OLD.request_id
        AND NEW.capacity = OLD.capacity
        AND NEW.rule_name = OLD.rule_name
        AND NEW.decision = OLD.decision
        AND NEW.stage = OLD.stage
        AND NEW.content_digest = OLD.content_digest
        AND NEW.reason = OLD.reason
        AND NEW.created_at = OLD.created_at
        AND COALESCE(NEW.approver_id, 0) = COALESCE(OLD.approver_id, 0)
        AND COALESCE(NEW.authority_id, 0) = COALESCE(OLD.authority_id, 0)
        AND EXISTS (
            SELECT 1
            FROM keys_app_keyrequest
            WHERE id = NEW.request_id
            AND state = 'pending'
            AND requester_id <> COALESCE(NEW.void_by_id, 0)
        )
    )
"""
NARROWING_NOT_OWN_INSERT = "NEW.approver_id = (SELECT requester_id FROM keys_app_keyrequest WHERE id = NEW.request_id)"
NARROWING_INSERT_SQLITE = """
    (
        EXISTS (
            SELECT 1
            FROM json_each(NEW.to_policy_json, '$.allow') AS narrow
            WHERE narrow.value NOT IN (SELECT value FROM json_each(NEW.from_policy_json, '$.allow'))
        )
    )
    OR (NEW.to_policy_json NOT LIKE '{"allow":["/%')
    OR (
        NOT EXISTS (
            SELECT 1
            FROM keys_app_keyrequest
            WHERE id = NEW.request_id
            AND state = 'pending'
            AND content_digest = NEW.from_digest
            AND policy_json = NEW.from_policy_json
            AND lifetime_days = NEW.from_lifetime_days
        )
    )
"""
NARROWING_INSERT_POSTGRESQL = """
    (NOT (NEW.to_policy_json::jsonb -> 'allow') <@ (NEW.from_policy_json::jsonb -> 'allow'))
    OR (NEW.to_policy_json NOT LIKE '{"allow":["/%')
    OR (
        NOT EXISTS (
            SELECT 1
            FROM keys_app_keyrequest
            WHERE id = NEW.request_id
            AND state = 'pending'
            AND content_digest = NEW.from_digest
            AND policy_json = NEW.from_policy_json
            AND lifetime_days = NEW.from_lifetime_days
        )
    )
"""
REQUEST_FIXED = """
    NEW.requester_id <> OLD.requester_id
    OR NEW.team_id <> OLD.team_id
    OR NEW.account_id <> OLD.account_id
    OR NEW.friendly_name <> OLD.friendly_name
    OR NEW.incident <> OLD.incident
    OR NEW.leads_required < OLD.leads_required
    OR (OLD.reopened_at IS NOT NULL AND NEW.reopened_at IS NULL)
    OR (
        (
            NEW.policy_json <> OLD.policy_json
            OR NEW.lifetime_days <> OLD.lifetime_days
            OR NEW.content_digest <> OLD.content_digest
            OR (
                CASE NEW.risk WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 ELSE 3 END
            ) < (CASE OLD.risk WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 ELSE 3 END)
        )
        AND NOT EXISTS (
            SELECT 1
            FROM keys_app_narrowing
            WHERE request_id = NEW.id
            AND OLD.state = 'pending'
            AND from_digest = OLD.content_digest
            AND to_digest = NEW.content_digest
            AND from_policy_json = OLD.policy_json
            AND to_policy_json = NEW.policy_json
            AND from_lifetime_days = OLD.lifetime_days
            AND to_lifetime_days = NEW.lifetime_days
        )
    )
"""
REQUEST_APPROVED_SQLITE = """
    NEW.state IN ('approved', 'issuing', 'issued', 'failed')
    AND CASE
        WHEN NEW.incident <> '' AND NEW.reopened_at IS NULL THEN NEW.risk IN ('critical')
        ELSE NEW.leads_required - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity <> 'security'
        ) - MAX(
            0, (
                SELECT COUNT(*)
                FROM keys_app_approval
                WHERE request_id = NEW.id
                AND decision = 'approved'
                AND void_at IS NULL
                AND (
                    content_digest = NEW.content_digest
                    OR content_digest IN (
                        SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id
                    )
                )
                AND capacity = 'security'
            ) - (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END)
        ) > 0
        OR (CASE WHEN NEW.risk IN ('critical') THEN 1 ELSE 0 END) - (
            SELECT COUNT(*)
            FROM keys_app_approval
            WHERE request_id = NEW.id
            AND decision = 'approved'
            AND void_at IS NULL
            AND (
                content_digest = NEW.content_digest
                OR content_digest IN (SELECT from_digest FROM keys_app_narrowing WHERE request_id = NEW.id)
            )
            AND capacity = 'security'
        ) > 0
    END
"""
REQUEST_APPROVED_POSTGRESQL = REQUEST_APPROVED_SQLITE.replace("MAX(", "GREATEST(")
APPROVAL_RULE_INSERT = (
    "NEW.rule_name <> '' AND NOT (SELECT risk FROM keys_app_keyrequest WHERE id = NEW.request_id) IN ('low')"
)

# Name, when, table, what is refused, in which words.
TRIGGERS = [
    (
        "approval_not_own_insert",
        "BEFORE INSERT",
        "keys_app_approval",
        APPROVAL_NOT_OWN_INSERT,
        "nobody decides their own request",
    ),
    (
        "approval_right_insert",
        "BEFORE INSERT",
        "keys_app_approval",
        APPROVAL_RIGHT_INSERT,
        "a decision needs the right of its approver or of the lead they stand in for",
    ),
    ("approval_fixed", "BEFORE UPDATE", "keys_app_approval", APPROVAL_FIXED, "a decision does not change"),
    (
        "narrowing_not_own_insert",
        "BEFORE INSERT",
        "keys_app_narrowing",
        NARROWING_NOT_OWN_INSERT,
        "nobody decides their own request",
    ),
    (
        "narrowing_insert",
        "BEFORE INSERT",
        "keys_app_narrowing",
        {"sqlite": NARROWING_INSERT_SQLITE, "postgresql": NARROWING_INSERT_POSTGRESQL},
        "a narrowing takes away and adds nothing",
    ),
    ("narrowing_fixed", "BEFORE UPDATE", "keys_app_narrowing", "1 = 1", "a decision does not change"),
    ("request_fixed", "BEFORE UPDATE", "keys_app_keyrequest", REQUEST_FIXED, "what was asked for does not change"),
    (
        "approval_not_void_insert",
        "BEFORE INSERT",
        "keys_app_approval",
        "NEW.void_at IS NOT NULL",
        "a decision does not change",
    ),
    (
        "request_approved_insert",
        "BEFORE INSERT",
        "keys_app_keyrequest",
        {"sqlite": REQUEST_APPROVED_SQLITE, "postgresql": REQUEST_APPROVED_POSTGRESQL},
        "the approvals this request needs are missing",
    ),
    (
        "request_approved_update",
        "BEFORE UPDATE",
        "keys_app_keyrequest",
        {"sqlite": REQUEST_APPROVED_SQLITE, "postgresql": REQUEST_APPROVED_POSTGRESQL},
        "the approvals this request needs are missing",
    ),
    (
        "request_incident_insert",
        "BEFORE INSERT",
        "keys_app_keyrequest",
        "NEW.incident <> '' AND NEW.risk IN ('critical')",
        "this risk is not approved without people",
    ),
    (
        "approval_rule_insert",
        "BEFORE INSERT",
        "keys_app_approval",
        APPROVAL_RULE_INSERT,
        "this risk is not approved without people",
    ),
]

SESSIONS_ENDED = """
    INSERT INTO keys_app_signin (
        user_id, sessions_ended, password_set_by, mail_set_by
    ) VALUES (
        NEW.id, 1, '', ''
    ) ON CONFLICT (user_id) DO UPDATE SET sessions_ended = keys_app_signin.sessions_ended + 1;
"""
DEACTIVATED = "OLD.is_active AND NOT NEW.is_active"


def sqlite():
    for name, when, table, refused, words in TRIGGERS:
        condition = refused if isinstance(refused, str) else refused["sqlite"]
        yield f"CREATE TRIGGER {name} {when} ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{words}'); END"
    yield (
        f"CREATE TRIGGER user_deactivated AFTER UPDATE OF is_active ON auth_user "
        f"WHEN ({DEACTIVATED}) BEGIN {SESSIONS_ENDED} END"
    )


def postgresql():
    for name, when, table, refused, words in TRIGGERS:
        condition = refused if isinstance(refused, str) else refused["postgresql"]
        yield (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF ({condition}) THEN "
            f"RAISE EXCEPTION '{words}' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$"
        )
        yield f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
    yield (
        f"CREATE FUNCTION user_deactivated() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN {SESSIONS_ENDED} RETURN NULL; END $$"
    )
    yield (
        f"CREATE TRIGGER user_deactivated AFTER UPDATE OF is_active ON auth_user "
        f"FOR EACH ROW WHEN ({DEACTIVATED}) EXECUTE FUNCTION user_deactivated()"
    )


def install(apps, schema_editor):
    for statement in {"sqlite": sqlite, "postgresql": postgresql}[schema_editor.connection.vendor]():
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("keys_app", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.RunPython(install),
        migrations.RunSQL("CREATE UNIQUE INDEX one_user_of_a_login ON auth_user (LOWER(username))"),
    ]
