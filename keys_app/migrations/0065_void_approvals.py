"""Approvals that were withdrawn or no longer hold stay, marked void, and count no more; requests go back to pending.

Here too SQLite rebuilds tables, which drops their triggers, so those of 0007 go first and are made anew at the end:
void approvals are not counted, an approval changes in nothing but becoming void, once and while its request is
pending, never by the requester's hand; and a risk that is rated higher than before may be raised, never lowered.
"""

from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_before = import_module("keys_app.migrations.0007_decision_rules")
_first = import_module("keys_app.migrations.0002_approval_rules")

_FIXED = ("id", "request_id", "capacity", "rule_name", "decision", "stage", "content_digest", "reason", "created_at")
_MAY_BE_NULL = ("approver_id", "authority_id")
_SAME = " AND ".join(
    [f"NEW.{column} = OLD.{column}" for column in _FIXED]
    + [f"COALESCE(NEW.{column}, 0) = COALESCE(OLD.{column}, 0)" for column in _MAY_BE_NULL]
)
_OF_PENDING = """EXISTS (SELECT 1 FROM keys_app_keyrequest
    WHERE id = NEW.request_id AND state = 'pending' AND requester_id <> COALESCE(NEW.void_by_id, 0))"""
CHANGED_DECISION = f"NOT (OLD.void_at IS NULL AND NEW.void_at IS NOT NULL AND {_SAME} AND {_OF_PENDING})"
BORN_VOID = "NEW.void_at IS NOT NULL"


def _rank(risk):
    return f"(CASE {risk} WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 ELSE 3 END)"


_NARROWED = _before._changed(("policy_json", "lifetime_days", "content_digest"))
CHANGED_REQUEST = f"""{_before._changed(_before.FIXED)} OR NEW.leads_required < OLD.leads_required
    OR (OLD.reopened_at IS NOT NULL AND NEW.reopened_at IS NULL)
    OR (({_NARROWED} OR {_rank("NEW.risk")} < {_rank("OLD.risk")}) AND NOT EXISTS (
        SELECT 1 FROM keys_app_narrowing
        WHERE request_id = NEW.id AND OLD.state = 'pending'
          AND from_digest = OLD.content_digest AND to_digest = NEW.content_digest
          AND from_policy_json = OLD.policy_json AND to_policy_json = NEW.policy_json
          AND from_lifetime_days = OLD.lifetime_days AND to_lifetime_days = NEW.lifetime_days))"""

_GIVEN = f"{_before._GIVEN} AND void_at IS NULL"
_CRITICAL = "NEW.risk = 'critical'"
UNAPPROVED = f"""NEW.state IN ('approved', 'issuing', 'issued', 'failed') AND CASE
    WHEN NEW.incident <> '' AND NEW.reopened_at IS NULL THEN {_CRITICAL}
    ELSE ({_GIVEN}) < NEW.leads_required + CASE WHEN {_CRITICAL} THEN 1 ELSE 0 END
      OR ({_CRITICAL} AND ({_GIVEN} AND capacity = 'security') < 1) END"""

_NEW = {
    "approval_fixed": CHANGED_DECISION,
    "request_fixed": CHANGED_REQUEST,
    "request_approved_insert": UNAPPROVED,
    "request_approved_update": UNAPPROVED,
}
TRIGGERS = [
    *((name, when, table, _NEW.get(name, rule), words) for name, when, table, rule, words in _before.TRIGGERS),
    ("approval_not_void_insert", "BEFORE INSERT", _before.APPROVAL, BORN_VOID, _before.DECIDED),
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

    dependencies = [
        ('keys_app', '0064_one_name'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(_before.remove, _before.install),
        migrations.RemoveConstraint(
            model_name='approval',
            name='one_decision_per_person',
        ),
        migrations.RemoveConstraint(
            model_name='approval',
            name='one_approval_per_stage',
        ),
        migrations.RemoveConstraint(
            model_name='approval',
            name='one_approval_per_authority',
        ),
        migrations.AddField(
            model_name='approval',
            name='void_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='approval',
            name='void_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='approval',
            name='void_reason',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='delegation',
            name='ended_at',
            field=models.DateTimeField(help_text='When the lead ended it, before its planned end.', null=True),
        ),
        migrations.AddField(
            model_name='keyrequest',
            name='reopened_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='keyrequest',
            name='reopened_reason',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(condition=models.Q(('decision__in', ('approved', 'rejected')), ('void_at', None)), fields=('request', 'approver'), name='one_decision_per_person'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(condition=models.Q(('decision', 'approved'), ('void_at', None)), fields=('request', 'stage'), name='one_approval_per_stage'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(condition=models.Q(('decision', 'approved'), ('void_at', None)), fields=('request', 'authority'), name='one_approval_per_authority'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('void_at', None), ('void_by', None), ('void_reason', '')), models.Q(('decision', 'approved'), ('void_at__isnull', False), models.Q(('void_reason', ''), _negated=True)), _connector='OR'), name='void_approval_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='keyrequest',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reopened_at', None), ('reopened_reason', '')), models.Q(('reopened_at__isnull', False), models.Q(('reopened_reason', ''), _negated=True)), _connector='OR'), name='reopened_with_a_reason'),
        ),
        migrations.RunPython(install, remove),
    ]
