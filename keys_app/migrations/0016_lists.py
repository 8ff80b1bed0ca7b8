"""An index for each order of a list, so that a page reads the rows it shows.

Not made concurrently: over 100,000 rows all of them take seconds, and one that broke off would stay behind as invalid.
"""

import django.db.models.functions.comparison
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys_app", "0015_policies_as_seen"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["-issued_at", "-sid"], name="key_newest"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                models.Func(
                    models.F("state"),
                    output_field=models.IntegerField(),
                    template="(CASE %(expressions)s WHEN 'active' THEN 0 WHEN 'revoking' THEN 1 ELSE 2 END)",
                ),
                models.F("expires_at"),
                models.F("sid"),
                name="key_ending_soonest",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                django.db.models.functions.text.Lower("friendly_name"), models.F("sid"), name="key_by_name"
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["state", "handover_by", "sid"], name="key_by_handover"),
        ),
        migrations.AddIndex(
            model_name="approval",
            index=models.Index(fields=["created_at", "id"], name="approval_by_time"),
        ),
        migrations.AddIndex(
            model_name="approval",
            index=models.Index(fields=["-decision", "-created_at", "-id"], name="approval_by_decision"),
        ),
        migrations.AddIndex(
            model_name="keyrequest",
            index=models.Index(fields=["-created_at", "-id"], name="request_newest"),
        ),
        migrations.AddIndex(
            model_name="keyrequest",
            index=models.Index(
                models.Func(
                    models.F("state"),
                    output_field=models.IntegerField(),
                    template="(CASE %(expressions)s WHEN 'pending' THEN 0 ELSE 1 END)",
                ),
                django.db.models.functions.comparison.Coalesce("reopened_at", "created_at"),
                models.F("id"),
                name="request_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="keyrequest",
            index=models.Index(
                models.OrderBy(
                    models.Func(
                        models.F("risk"),
                        output_field=models.IntegerField(),
                        template="(CASE %(expressions)s WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 "
                        "WHEN 'critical' THEN 3 ELSE 4 END)",
                    ),
                    descending=True,
                ),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="request_riskiest",
            ),
        ),
        migrations.AddIndex(
            model_name="unmanagedkey",
            index=models.Index(fields=["-first_seen", "-sid"], name="unmanaged_newest"),
        ),
        migrations.AddIndex(
            model_name="unmanagedkey",
            index=models.Index(fields=["created_at", "sid"], name="unmanaged_oldest"),
        ),
        migrations.AddIndex(
            model_name="unmanagedkey",
            index=models.Index(
                django.db.models.functions.text.Lower("friendly_name"), models.F("sid"), name="unmanaged_by_name"
            ),
        ),
    ]
