import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys_app", "0003_groups")]
    operations = [
        migrations.CreateModel(
            name="Probe",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("marker", models.CharField(max_length=12, unique=True)),
                ("started_at", models.DateTimeField()),
                (
                    "in_flight_until",
                    models.DateTimeField(help_text="Until then somebody may still wait for Twilio's answer."),
                ),
                ("finished_at", models.DateTimeField(null=True)),
                ("key_sid", models.CharField(blank=True, max_length=34)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="probes", to="keys_app.account"
                    ),
                ),
            ],
        ),
    ]
