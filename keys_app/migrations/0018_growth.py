"""Indexes by which the approvals of a request are found, and the rules that ever approved: a list reads no others."""

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
        migrations.AddIndex(
            model_name="approval",
            index=models.Index(fields=["rule_name"], name="approval_by_rule", condition=~models.Q(rule_name="")),
        ),
    ]
