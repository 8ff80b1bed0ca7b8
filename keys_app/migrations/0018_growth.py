"""An index by which the approvals of a request are found, so that a list reads those of its rows and no others."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys_app", "0017_notice_recipients"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="approval",
            index=models.Index(fields=["request", "decision", "void_at"], name="approval_of_request"),
        ),
    ]
