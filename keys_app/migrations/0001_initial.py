import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Account',
            fields=[
                ('allowed_products', models.JSONField(blank=True, default=list)),
                ('forbidden_permissions', models.JSONField(blank=True, default=list)),
                ('max_risk', models.CharField(blank=True, choices=[('low', 'Low'), ('medium', 'Medium'), ('high', 'High'), ('critical', 'Critical')], max_length=10)),
                ('sid', models.CharField(max_length=34, primary_key=True, serialize=False, validators=[django.core.validators.RegexValidator('\\AAC[0-9a-fA-F]{32}\\Z', 'An account SID is AC and 32 hexadecimal digits.')])),
                ('name', models.CharField(max_length=80)),
                ('environment', models.CharField(choices=[('production', 'Production'), ('staging', 'Staging'), ('development', 'Development')], max_length=20)),
                ('max_lifetime_days', models.PositiveSmallIntegerField(blank=True, help_text='The longest lifetime of a key on this account, in days.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)])),
                ('leads_required', models.PositiveSmallIntegerField(choices=[(1, 'One lead'), (2, 'Two leads')], default=1, help_text='How many leads approve a request. Security still gives one more approval on a critical one.', verbose_name='leads required')),
                ('is_active', models.BooleanField(default=True, help_text='Without it, no new key is asked for or issued on this account.')),
                ('credential_user', models.CharField(editable=False, max_length=34)),
                ('credential_ciphertext', models.TextField(editable=False)),
                ('connected_at', models.DateTimeField(editable=False)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='CataloguePermission',
            fields=[
                ('name', models.CharField(max_length=200, primary_key=True, serialize=False, validators=[django.core.validators.RegexValidator('\\A/twilio/[a-z0-9-]+/[a-z0-9.-]+/(?:[a-z]+|\\*)\\Z', 'A permission looks like /twilio/product/resource/action.')])),
                ('meaning', models.CharField(blank=True, max_length=200)),
                ('removed', models.BooleanField(default=False, help_text='Nobody can ask for it any more; old requests still show it.')),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='NoticeKey',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=200, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='PushPosition',
            fields=[
                ('target', models.CharField(help_text='The SHA-256 of its address.', max_length=64, primary_key=True, serialize=False)),
                ('sequence', models.BigIntegerField(default=0)),
                ('moved_at', models.DateTimeField(null=True)),
                ('holder', models.UUIDField(help_text='Which process pushes.', null=True)),
                ('held_until', models.DateTimeField(help_text='Then another process may go on, should that one be dead.', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ReconcileRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField(db_index=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('findings', models.JSONField(default=dict)),
                ('found_something', models.BooleanField(default=False)),
                ('error', models.CharField(blank=True, max_length=400)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='SignIn',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='sign_in', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('sessions_ended', models.PositiveIntegerField(default=0)),
                ('password_set_by', models.CharField(blank=True, help_text='Who set the password, if somebody else than the user did.', max_length=400)),
                ('mail_set_by', models.CharField(blank=True, help_text='Who changed the mail address, if somebody else than the user did.', max_length=400)),
            ],
        ),
        migrations.CreateModel(
            name='Team',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('allowed_products', models.JSONField(blank=True, default=list)),
                ('forbidden_permissions', models.JSONField(blank=True, default=list)),
                ('max_risk', models.CharField(blank=True, choices=[('low', 'Low'), ('medium', 'Medium'), ('high', 'High'), ('critical', 'Critical')], max_length=10)),
                ('name', models.CharField(max_length=80, unique=True)),
                ('max_lifetime_days', models.PositiveSmallIntegerField(default=365, help_text='The longest lifetime of a key this team may ask for, in days.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)])),
                ('notice_email', models.EmailField(blank=True, help_text='An address of the whole team that gets its notices too.', max_length=254, verbose_name='mail address')),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='AccessReview',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('quarter', models.CharField(help_text='For example 2026-Q4.', max_length=7, unique=True)),
                ('opened_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('opened_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-opened_at'],
            },
        ),
        migrations.CreateModel(
            name='AccountCheck',
            fields=[
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='check_state', serialize=False, to='keys_app.account')),
                ('last_complete_at', models.DateTimeField(null=True)),
                ('keys_listed', models.PositiveIntegerField(default=0)),
                ('failed_runs', models.PositiveIntegerField(default=0, help_text='How many runs failed in a row.')),
                ('failing_since', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, max_length=400)),
            ],
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('sid', models.CharField(max_length=34, primary_key=True, serialize=False, validators=[django.core.validators.RegexValidator('\\ASK[0-9a-fA-F]{32}\\Z', 'A key SID is SK and 32 hexadecimal digits.')])),
                ('friendly_name', models.CharField(max_length=64, verbose_name='name at Twilio')),
                ('policy_json', models.TextField(blank=True, help_text='Empty for an adopted key that Twilio shows no policy of.')),
                ('state', models.CharField(choices=[('active', 'Active'), ('revoking', 'Revoking'), ('revoked', 'Revoked')], default='active', max_length=10)),
                ('issued_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('retires_at', models.DateTimeField(help_text='When the overlap with the key that replaced it ends.', null=True)),
                ('adopted_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('revoke_reason', models.TextField(blank=True, max_length=2000)),
                ('reminded_days', models.PositiveSmallIntegerField(help_text='The last reminder: days before expiry.', null=True)),
                ('checked_at', models.DateTimeField(help_text='When its policy at Twilio was compared last.', null=True)),
                ('drift_json', models.TextField(blank=True, help_text='What differs at Twilio; empty if nothing does.')),
                ('missing_since', models.DateTimeField(help_text='When Twilio first answered that it is not there.', null=True)),
                ('handover_by', models.DateTimeField(help_text='Its owner left: until then a lead can take it over.', null=True)),
                ('handover_warned_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='keys', to='keys_app.account')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='api_keys', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-issued_at', '-sid'],
            },
        ),
        migrations.CreateModel(
            name='CatalogueObservation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('permission', models.CharField(max_length=200)),
                ('accepted', models.BooleanField()),
                ('seen_at', models.DateTimeField()),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='observations', to='keys_app.account')),
            ],
        ),
        migrations.CreateModel(
            name='FeedToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('warned_at', models.DateTimeField(help_text='When Security was told that it expires.', null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('end_reason', models.CharField(blank=True, help_text='Why it ended, if no one pressed Revoke.', max_length=80)),
                ('last_used_at', models.DateTimeField(null=True)),
                ('last_recorded_at', models.DateTimeField(help_text='When a read was put into the audit last.', null=True)),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['revoked_at', 'name', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Issuance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('marker', models.CharField(max_length=12, unique=True)),
                ('state', models.CharField(choices=[('started', 'Started'), ('unknown', 'Unknown'), ('issued', 'Issued'), ('refused', 'Refused'), ('not_processed', 'Not processed'), ('never_created', 'Never created'), ('orphan_deleted', 'Orphan deleted'), ('breach', 'Breach')], default='started', max_length=20)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('twilio_code', models.IntegerField(null=True)),
                ('message', models.CharField(blank=True, max_length=400)),
                ('key_sid', models.CharField(blank=True, max_length=34)),
                ('orphan_sid', models.CharField(blank=True, help_text='The key found at Twilio whose secret is lost, until its deletion is recorded.', max_length=34)),
                ('times_not_listed', models.PositiveSmallIntegerField(default=0)),
                ('overlap_hours', models.PositiveSmallIntegerField(help_text='How long that key is kept afterwards.', null=True)),
                ('rotates', models.ForeignKey(help_text='The key that the new one is to take over from.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rotations', to='keys_app.apikey')),
            ],
            options={
                'ordering': ['request', 'number'],
            },
        ),
        migrations.AddField(
            model_name='apikey',
            name='issuance',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='key', to='keys_app.issuance'),
        ),
        migrations.CreateModel(
            name='KeyRequest',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('friendly_name', models.CharField(max_length=46, verbose_name='name')),
                ('purpose', models.TextField(max_length=2000)),
                ('ticket_url', models.URLField(blank=True, max_length=500, verbose_name='ticket')),
                ('lifetime_days', models.PositiveSmallIntegerField()),
                ('policy_json', models.TextField()),
                ('content_digest', models.CharField(max_length=64)),
                ('risk', models.CharField(choices=[('low', 'Low'), ('medium', 'Medium'), ('high', 'High'), ('critical', 'Critical')], max_length=10)),
                ('leads_required', models.PositiveSmallIntegerField(default=1)),
                ('incident', models.CharField(blank=True, max_length=40, verbose_name='incident number')),
                ('template', models.CharField(blank=True, max_length=60)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('approved', 'Approved'), ('issuing', 'Issuing'), ('issued', 'Issued'), ('failed', 'Failed'), ('rejected', 'Rejected'), ('cancelled', 'Cancelled'), ('lapsed', 'Lapsed')], default='pending', max_length=10)),
                ('created_at', models.DateTimeField()),
                ('approved_at', models.DateTimeField(null=True)),
                ('claim_until', models.DateTimeField(help_text='When an approval that nobody used lapses.', null=True)),
                ('reopened_at', models.DateTimeField(null=True)),
                ('reopened_reason', models.TextField(blank=True, db_default='', default='')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='key_requests', to='keys_app.account')),
                ('changes_key', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='change_requests', to='keys_app.apikey')),
                ('requester', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='key_requests', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='key_requests', to='keys_app.team')),
            ],
            options={
                'verbose_name': 'key request',
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='issuance',
            name='request',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='issuances', to='keys_app.keyrequest'),
        ),
        migrations.CreateModel(
            name='Comment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField(max_length=2000)),
                ('created_at', models.DateTimeField()),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('request', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comments', to='keys_app.keyrequest')),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('capacity', models.CharField(choices=[('lead', 'Lead'), ('deputy', 'Deputy'), ('security', 'Security'), ('rule', 'Rule')], default='lead', max_length=10)),
                ('rule_name', models.CharField(blank=True, max_length=80)),
                ('decision', models.CharField(choices=[('approved', 'Approved'), ('rejected', 'Rejected'), ('reviewed', 'Reviewed')], max_length=10)),
                ('stage', models.PositiveSmallIntegerField(help_text='Which of the approvals a request needs this is, from 1.')),
                ('content_digest', models.CharField(max_length=64)),
                ('reason', models.TextField(blank=True, max_length=2000)),
                ('created_at', models.DateTimeField()),
                ('void_at', models.DateTimeField(null=True)),
                ('void_reason', models.TextField(blank=True, db_default='', default='')),
                ('approver', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to=settings.AUTH_USER_MODEL)),
                ('authority', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('void_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('request', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='keys_app.keyrequest')),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.AddField(
            model_name='apikey',
            name='request',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='keys', to='keys_app.keyrequest'),
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
                ('approver', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('request', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='narrowings', to='keys_app.keyrequest')),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Probe',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('marker', models.CharField(max_length=12, unique=True)),
                ('started_at', models.DateTimeField()),
                ('in_flight_until', models.DateTimeField(help_text="Until then somebody may still wait for Twilio's answer.")),
                ('finished_at', models.DateTimeField(null=True)),
                ('key_sid', models.CharField(blank=True, max_length=34)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='probes', to='keys_app.account')),
            ],
        ),
        migrations.CreateModel(
            name='Repeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('action', models.CharField(max_length=60)),
                ('hour', models.DateTimeField()),
                ('actor_id', models.CharField(blank=True, max_length=40)),
                ('login', models.CharField(blank=True, max_length=150)),
                ('actor_name', models.CharField(max_length=320)),
                ('address', models.CharField(blank=True, max_length=45)),
                ('key_sid', models.CharField(blank=True, max_length=34)),
                ('request_id', models.CharField(blank=True, max_length=36)),
                ('times', models.PositiveIntegerField(default=0)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('action', 'hour', 'actor_id', 'actor_name', 'address', 'key_sid', 'request_id'), name='one_count_per_hour')],
            },
        ),
        migrations.CreateModel(
            name='ReviewedKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('decision', models.CharField(blank=True, choices=[('kept', 'Kept'), ('revoked', 'Revoked')], max_length=10)),
                ('note', models.TextField(blank=True, max_length=2000)),
                ('decided_at', models.DateTimeField(null=True)),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('key', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='keys_app.apikey')),
                ('review', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reviewed_keys', to='keys_app.accessreview')),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='keys_app.team')),
            ],
            options={
                'ordering': ['team__name', 'key__owner__username', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Delegation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(help_text='When the lead ended it, before its planned end.', null=True)),
                ('deputy', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='delegations_held', to=settings.AUTH_USER_MODEL)),
                ('lead', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='delegations_given', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='delegations', to='keys_app.team')),
            ],
            options={
                'ordering': ['starts_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='ApprovalRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='The ledger names the rule by this.', max_length=80, unique=True)),
                ('template', models.CharField(help_text='Only requests that ask for nothing beyond this task are approved.', max_length=60, verbose_name='task')),
                ('environment', models.CharField(choices=[('production', 'Production'), ('staging', 'Staging'), ('development', 'Development')], max_length=20)),
                ('max_lifetime_days', models.PositiveSmallIntegerField(default=30, help_text='The longest lifetime this rule approves, in days.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)])),
                ('is_active', models.BooleanField(default=True)),
                ('team', models.ForeignKey(blank=True, help_text='Empty: every team.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='keys_app.team')),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.AddField(
            model_name='apikey',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='keys', to='keys_app.team'),
        ),
        migrations.AddField(
            model_name='account',
            name='teams',
            field=models.ManyToManyField(blank=True, related_name='accounts', to='keys_app.team'),
        ),
        migrations.CreateModel(
            name='TeamMembership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_lead', models.BooleanField(default=False, verbose_name='leads the team')),
                ('may_break_glass', models.BooleanField(default=False, help_text='May issue a key for an incident at once. It lives a day at most and is reviewed afterwards.', verbose_name='may break glass')),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='keys_app.team')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.AddField(
            model_name='team',
            name='members',
            field=models.ManyToManyField(related_name='portal_teams', through='keys_app.TeamMembership', to=settings.AUTH_USER_MODEL),
        ),
        migrations.CreateModel(
            name='UnmanagedKey',
            fields=[
                ('sid', models.CharField(max_length=34, primary_key=True, serialize=False, validators=[django.core.validators.RegexValidator('\\ASK[0-9a-fA-F]{32}\\Z', 'A key SID is SK and 32 hexadecimal digits.')])),
                ('friendly_name', models.CharField(blank=True, max_length=200, verbose_name='name at Twilio')),
                ('created_at', models.DateTimeField(help_text='As Twilio says.', null=True)),
                ('first_seen', models.DateTimeField()),
                ('last_seen', models.DateTimeField()),
                ('missing_since', models.DateTimeField(help_text='When a listing first lacked it.', null=True)),
                ('gone_at', models.DateTimeField(null=True)),
                ('checked_at', models.DateTimeField(help_text='When its policy was fetched.', null=True)),
                ('policy_json', models.TextField(blank=True, help_text='Empty if it has none, as a Standard key.')),
                ('adopted_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='unmanaged_keys', to='keys_app.account')),
                ('proposed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='proposed_keys', to=settings.AUTH_USER_MODEL)),
                ('proposed_team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='proposed_keys', to='keys_app.team')),
            ],
            options={
                'ordering': ['-first_seen', '-sid'],
            },
        ),
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('kind', models.CharField(choices=[('generic', 'JSON, signed'), ('slack', 'Slack-compatible')], default='generic', max_length=10)),
                ('event_kinds', models.JSONField(blank=True, default=list)),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('url_ciphertext', models.TextField(editable=False)),
                ('url_host', models.CharField(editable=False, max_length=260, verbose_name='host')),
                ('signing_secret_ciphertext', models.TextField(blank=True, editable=False)),
                ('team', models.ForeignKey(blank=True, help_text='Only what concerns this team. Empty: everything of all teams.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='webhooks', to='keys_app.team')),
            ],
            options={
                'ordering': ['name', 'id'],
            },
        ),
        migrations.CreateModel(
            name='WebhookDelivery',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('body', models.TextField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_try_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('gave_up_at', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, max_length=200)),
                ('webhook', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='keys_app.webhook')),
            ],
            options={
                'verbose_name_plural': 'webhook deliveries',
                'ordering': ['created_at'],
            },
        ),
        migrations.AddConstraint(
            model_name='accessreview',
            constraint=models.UniqueConstraint(models.ExpressionWrapper(models.Q(('closed_at__isnull', True)), output_field=models.BooleanField()), condition=models.Q(('closed_at__isnull', True)), name='one_open_review'),
        ),
        migrations.AddConstraint(
            model_name='catalogueobservation',
            constraint=models.UniqueConstraint(fields=('account', 'permission'), name='one_observation_per_permission'),
        ),
        migrations.AddConstraint(
            model_name='feedtoken',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='feed_expires_after_it_was_created'),
        ),
        migrations.AddConstraint(
            model_name='issuance',
            constraint=models.UniqueConstraint(fields=('request', 'number'), name='issuances_are_numbered'),
        ),
        migrations.AddConstraint(
            model_name='issuance',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['started', 'unknown'])), fields=('request',), name='one_open_issuance'),
        ),
        migrations.AddConstraint(
            model_name='issuance',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['started', 'unknown', 'issued', 'refused', 'not_processed', 'never_created', 'orphan_deleted', 'breach'])), name='issuance_state_known'),
        ),
        migrations.AddConstraint(
            model_name='issuance',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('overlap_hours__isnull', True), ('rotates__isnull', True)), models.Q(('overlap_hours__isnull', False), ('rotates__isnull', False)), _connector='OR'), name='rotation_has_an_overlap'),
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
            constraint=models.UniqueConstraint(condition=models.Q(('decision', 'reviewed')), fields=('request',), name='one_review'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(('decision', 'approved'), models.Q(('reason', ''), _negated=True), _connector='OR'), name='rejection_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approver__isnull', False), ('rule_name', '')), models.Q(models.Q(('rule_name', ''), _negated=True), ('approver__isnull', True), ('capacity', 'rule'), ('decision', 'approved')), _connector='OR'), name='decided_by_a_person_or_a_rule'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('void_at', None), ('void_by', None), ('void_reason', '')), models.Q(('decision', 'approved'), ('void_at__isnull', False), models.Q(('void_reason', ''), _negated=True)), _connector='OR'), name='void_approval_has_a_reason'),
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
        migrations.AddConstraint(
            model_name='reviewedkey',
            constraint=models.UniqueConstraint(fields=('review', 'key'), name='one_review_of_a_key_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='reviewedkey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decided_by__isnull', True), ('decision', '')), models.Q(('decided_at__isnull', False), ('decided_by__isnull', False), ('decision__in', ('kept', 'revoked'))), _connector='OR'), name='review_decision_has_a_person'),
        ),
        migrations.AddConstraint(
            model_name='reviewedkey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decision', 'revoked'), _negated=True), models.Q(('note', ''), _negated=True), _connector='OR'), name='review_revoked_with_a_note'),
        ),
        migrations.AddIndex(
            model_name='keyrequest',
            index=models.Index(fields=['state', 'created_at'], name='request_by_state'),
        ),
        migrations.AddIndex(
            model_name='keyrequest',
            index=models.Index(fields=['requester', '-created_at'], name='request_by_requester'),
        ),
        migrations.AddIndex(
            model_name='keyrequest',
            index=models.Index(fields=['team', '-created_at'], name='request_by_team'),
        ),
        migrations.AddConstraint(
            model_name='keyrequest',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'approved', 'issuing', 'issued', 'failed', 'rejected', 'cancelled', 'lapsed'])), name='request_state_known'),
        ),
        migrations.AddConstraint(
            model_name='keyrequest',
            constraint=models.CheckConstraint(condition=models.Q(('risk__in', ['low', 'medium', 'high', 'critical'])), name='request_risk_known'),
        ),
        migrations.AddConstraint(
            model_name='keyrequest',
            constraint=models.CheckConstraint(condition=models.Q(('lifetime_days__range', (1, 365))), name='request_lifetime_in_range'),
        ),
        migrations.AddConstraint(
            model_name='keyrequest',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['approved', 'issuing', 'issued', 'failed']), _negated=True), ('approved_at__isnull', False), _connector='OR'), name='request_approved_before_issuing'),
        ),
        migrations.AddConstraint(
            model_name='keyrequest',
            constraint=models.CheckConstraint(condition=models.Q(('incident', ''), ('lifetime_days', 1), _connector='OR'), name='break_glass_key_lives_a_day_at_most'),
        ),
        migrations.AddConstraint(
            model_name='keyrequest',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reopened_at', None), ('reopened_reason', '')), models.Q(('reopened_at__isnull', False), models.Q(('reopened_reason', ''), _negated=True)), _connector='OR'), name='reopened_with_a_reason'),
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
            model_name='approvalrule',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='one_rule_of_a_name', violation_error_message='There is one with this name already. Choose a name that differs in more than case.'),
        ),
        migrations.AddIndex(
            model_name='apikey',
            index=models.Index(fields=['owner', '-issued_at'], name='key_by_owner'),
        ),
        migrations.AddIndex(
            model_name='apikey',
            index=models.Index(fields=['team', '-issued_at'], name='key_by_team'),
        ),
        migrations.AddIndex(
            model_name='apikey',
            index=models.Index(fields=['state', 'expires_at'], name='key_by_expiry'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.UniqueConstraint(condition=models.Q(('retires_at__isnull', True), ('state', 'active')), fields=('request',), name='one_live_key_per_request'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('adopted_at__isnull', True), ('issuance__isnull', False), ('request__isnull', False)), models.Q(('adopted_at__isnull', False), ('issuance__isnull', True), ('request__isnull', True), ('retires_at__isnull', True)), _connector='OR'), name='key_is_made_or_adopted'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('policy_json', ''), _negated=True), ('request__isnull', True), _connector='OR'), name='made_key_has_a_policy'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['active', 'revoking', 'revoked'])), name='key_state_known'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('revoked_at__isnull', False), ('state', 'revoked')), models.Q(models.Q(('state', 'revoked'), _negated=True), ('revoked_at__isnull', True)), _connector='OR'), name='key_revoked_at_matches_state'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('issued_at'))), name='key_expires_after_issue'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(('credential_ciphertext', ''), _negated=True), name='account_has_a_credential'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(('leads_required__range', (1, 2))), name='account_leads_required_in_range'),
        ),
        migrations.AddConstraint(
            model_name='teammembership',
            constraint=models.UniqueConstraint(fields=('team', 'user'), name='one_membership_per_team'),
        ),
        migrations.AddConstraint(
            model_name='team',
            constraint=models.CheckConstraint(condition=models.Q(('max_lifetime_days__range', (1, 365))), name='team_max_lifetime_in_range'),
        ),
        migrations.AddConstraint(
            model_name='team',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='one_team_of_a_name', violation_error_message='There is one with this name already. Choose a name that differs in more than case.'),
        ),
        migrations.AddIndex(
            model_name='unmanagedkey',
            index=models.Index(fields=['account', '-first_seen'], name='unmanaged_by_account'),
        ),
        migrations.AddConstraint(
            model_name='unmanagedkey',
            constraint=models.CheckConstraint(condition=models.Q(('policy_json', ''), ('checked_at__isnull', False), _connector='OR'), name='policy_was_looked_at'),
        ),
        migrations.AddConstraint(
            model_name='webhook',
            constraint=models.CheckConstraint(condition=models.Q(('url_ciphertext', ''), _negated=True), name='webhook_has_an_address'),
        ),
        migrations.AddConstraint(
            model_name='webhook',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'generic'), _negated=True), models.Q(('signing_secret_ciphertext', ''), _negated=True), _connector='OR'), name='webhook_is_signed'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(condition=models.Q(('delivered_at__isnull', True), ('gave_up_at__isnull', True)), fields=['next_try_at'], name='delivery_due'),
        ),
    ]
