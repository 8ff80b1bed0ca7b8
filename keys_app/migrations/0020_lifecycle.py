import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys_app', '0011_notices'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
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
            name='UnmanagedKey',
            fields=[
                ('sid', models.CharField(max_length=34, primary_key=True, serialize=False, validators=[django.core.validators.RegexValidator('\\ASK[0-9a-fA-F]{32}\\Z', 'A key SID is SK and 32 hexadecimal digits.')])),
                ('friendly_name', models.CharField(blank=True, max_length=200, verbose_name='name at Twilio')),
                ('created_at', models.DateTimeField(help_text='As Twilio says.', null=True)),
                ('first_seen', models.DateTimeField()),
                ('last_seen', models.DateTimeField()),
                ('missing_since', models.DateTimeField(help_text='When a listing first lacked it.', null=True)),
                ('gone_at', models.DateTimeField(null=True)),
                ('looked_at', models.DateTimeField(help_text='When its policy was fetched.', null=True)),
                ('policy_json', models.TextField(blank=True, help_text='Empty if it has none, as a Standard key.')),
                ('adopted_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-first_seen', '-sid'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='apikey',
            name='one_live_key_per_request',
        ),
        migrations.AddField(
            model_name='apikey',
            name='adopted_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='apikey',
            name='drift_json',
            field=models.TextField(blank=True, help_text='What differs at Twilio; empty if nothing does.'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='handover_by',
            field=models.DateTimeField(help_text='Its owner left: until then a lead can take it over.', null=True),
        ),
        migrations.AddField(
            model_name='apikey',
            name='handover_warned_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='apikey',
            name='looked_at',
            field=models.DateTimeField(help_text='When its policy at Twilio was compared last.', null=True),
        ),
        migrations.AddField(
            model_name='apikey',
            name='missing_since',
            field=models.DateTimeField(help_text='When Twilio first answered that it is not there.', null=True),
        ),
        migrations.AddField(
            model_name='apikey',
            name='reminded_days',
            field=models.PositiveSmallIntegerField(help_text='The last reminder: days before expiry.', null=True),
        ),
        migrations.AddField(
            model_name='apikey',
            name='retires_at',
            field=models.DateTimeField(help_text='When the overlap with the key that replaced it ends.', null=True),
        ),
        migrations.AddField(
            model_name='issuance',
            name='overlap_hours',
            field=models.PositiveSmallIntegerField(help_text='How long that key is kept afterwards.', null=True),
        ),
        migrations.AddField(
            model_name='issuance',
            name='rotates',
            field=models.ForeignKey(help_text='The key that the new one is to take over from.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rotations', to='keys_app.apikey'),
        ),
        migrations.AlterField(
            model_name='apikey',
            name='issuance',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='key', to='keys_app.issuance'),
        ),
        migrations.AlterField(
            model_name='apikey',
            name='policy_json',
            field=models.TextField(blank=True, help_text='Empty for an adopted key that Twilio shows no policy of.'),
        ),
        migrations.AlterField(
            model_name='apikey',
            name='request',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='keys', to='keys_app.keyrequest'),
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
            model_name='issuance',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('overlap_hours__isnull', True), ('rotates__isnull', True)), models.Q(('overlap_hours__isnull', False), ('rotates__isnull', False)), _connector='OR'), name='rotation_has_an_overlap'),
        ),
        migrations.AddField(
            model_name='unmanagedkey',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='unmanaged_keys', to='keys_app.account'),
        ),
        migrations.AddField(
            model_name='unmanagedkey',
            name='proposed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='proposed_keys', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='unmanagedkey',
            name='proposed_team',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='proposed_keys', to='keys_app.team'),
        ),
        migrations.AddIndex(
            model_name='unmanagedkey',
            index=models.Index(fields=['account', '-first_seen'], name='unmanaged_by_account'),
        ),
        migrations.AddConstraint(
            model_name='unmanagedkey',
            constraint=models.CheckConstraint(condition=models.Q(('policy_json', ''), ('looked_at__isnull', False), _connector='OR'), name='policy_was_looked_at'),
        ),
    ]
