"""Narrowing, deputies, rules, break-glass and questions. SQLite rebuilds changed tables, which would drop their
triggers, and refuses to rename one that a trigger speaks of: so they go first, and 0007 makes them anew.
"""

from importlib import import_module

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_first = import_module("keys_app.migrations.0002_approval_rules")


class Migration(migrations.Migration):

    dependencies = [
        ('keys_app', '0004_probe'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(_first.remove, _first.install),
        migrations.CreateModel(
            name='ApprovalRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='The ledger names the rule by this.', max_length=80, unique=True)),
                ('template', models.CharField(help_text='Only requests that ask for nothing beyond this task are approved.', max_length=60, verbose_name='task')),
                ('environment', models.CharField(choices=[('production', 'Production'), ('staging', 'Staging'), ('development', 'Development')], max_length=20)),
                ('max_lifetime_days', models.PositiveSmallIntegerField(default=30, help_text='The longest lifetime this rule approves, in days.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)])),
                ('is_active', models.BooleanField(default=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Comment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField(max_length=2000)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Delegation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['starts_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Narrowing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('from_policy_json', models.TextField()),
                ('to_policy_json', models.TextField()),
                ('from_lifetime_days', models.PositiveSmallIntegerField()),
                ('to_lifetime_days', models.PositiveSmallIntegerField()),
                ('from_digest', models.CharField(max_length=64)),
                ('to_digest', models.CharField(max_length=64)),
                ('reason', models.TextField(max_length=2000)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.AlterModelOptions(
            name='approval',
            options={'ordering': ['created_at', 'id']},
        ),
        migrations.AddField(
            model_name='account',
            name='leads_required',
            field=models.PositiveSmallIntegerField(choices=[(1, 'One lead'), (2, 'Two leads')], default=1, help_text='How many leads approve a request. Security still gives one more approval on a critical one.', verbose_name='leads required'),
        ),
        migrations.AddField(
            model_name='approval',
            name='authority',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='approval',
            name='capacity',
            field=models.CharField(choices=[('lead', 'Lead'), ('deputy', 'Deputy'), ('security', 'Security'), ('rule', 'Rule')], default='lead', max_length=10),
        ),
        migrations.AddField(
            model_name='approval',
            name='rule_name',
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name='keyrequest',
            name='incident',
            field=models.CharField(blank=True, max_length=40, verbose_name='incident number'),
        ),
        migrations.AddField(
            model_name='keyrequest',
            name='leads_required',
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name='teammembership',
            name='may_break_glass',
            field=models.BooleanField(default=False, help_text='May issue a key for an incident at once. It lives a day at most and is reviewed afterwards.', verbose_name='may break glass'),
        ),
        migrations.AlterField(
            model_name='approval',
            name='approver',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='approval',
            name='decision',
            field=models.CharField(choices=[('approved', 'Approved'), ('rejected', 'Rejected'), ('reviewed', 'Reviewed')], max_length=10),
        ),
        migrations.AlterField(
            model_name='approval',
            name='stage',
            field=models.PositiveSmallIntegerField(help_text='Which of the approvals a request needs this is, from 1.'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(('leads_required__range', (1, 2))), name='account_leads_required_in_range'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(condition=models.Q(('decision', 'approved')), fields=('request', 'authority'), name='one_approval_per_authority'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(condition=models.Q(('decision', 'reviewed')), fields=('request',), name='one_review'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approver__isnull', False), ('rule_name', '')), models.Q(models.Q(('rule_name', ''), _negated=True), ('approver__isnull', True), ('capacity', 'rule'), ('decision', 'approved')), _connector='OR'), name='decided_by_a_person_or_a_rule'),
        ),
        migrations.AddConstraint(
            model_name='keyrequest',
            constraint=models.CheckConstraint(condition=models.Q(('incident', ''), ('lifetime_days', 1), _connector='OR'), name='break_glass_key_lives_a_day_at_most'),
        ),
        migrations.AddField(
            model_name='approvalrule',
            name='team',
            field=models.ForeignKey(blank=True, help_text='Empty: every team.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='keys_app.team'),
        ),
        migrations.AddField(
            model_name='comment',
            name='author',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='comment',
            name='request',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comments', to='keys_app.keyrequest'),
        ),
        migrations.AddField(
            model_name='delegation',
            name='deputy',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='delegations_held', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='delegation',
            name='lead',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='delegations_given', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='delegation',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='delegations', to='keys_app.team'),
        ),
        migrations.AddField(
            model_name='narrowing',
            name='approver',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='narrowing',
            name='request',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='narrowings', to='keys_app.keyrequest'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.CheckConstraint(condition=models.Q(('lead', models.F('deputy')), _negated=True), name='deputy_is_somebody_else'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gte', models.F('starts_at'))), name='delegation_ends_after_it_starts'),
        ),
        migrations.AddConstraint(
            model_name='narrowing',
            constraint=models.UniqueConstraint(fields=('request', 'from_digest'), name='narrowed_once_from_the_same'),
        ),
        migrations.AddConstraint(
            model_name='narrowing',
            constraint=models.CheckConstraint(condition=models.Q(('from_digest', models.F('to_digest')), _negated=True), name='narrowing_changes_something'),
        ),
        migrations.AddConstraint(
            model_name='narrowing',
            constraint=models.CheckConstraint(condition=models.Q(('to_lifetime_days__gte', 1), ('to_lifetime_days__lte', models.F('from_lifetime_days'))), name='narrowing_does_not_lengthen'),
        ),
        migrations.AddConstraint(
            model_name='narrowing',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='narrowing_has_a_reason'),
        ),
    ]
