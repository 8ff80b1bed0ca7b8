"""Whom notices were for, so that a page can say who was told."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys_app", "0016_lists"),
        ("post_office", "0014_alter_email_recipient_delivery_status_and_more"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NoticeRecipient",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("about", models.CharField(max_length=60)),
                ("kind", models.CharField(max_length=60)),
                (
                    "how",
                    models.CharField(
                        choices=[
                            ("mail", "Mail"),
                            ("daily", "once a day, or not, as they chose"),
                            ("no address", "No Address"),
                            ("no mail", "the portal sends no mail"),
                        ],
                        max_length=10,
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "mail",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="post_office.email",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["at", "id"],
                "indexes": [models.Index(fields=["about", "at"], name="recipient_about")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("how", "mail"), ("mail__isnull", True), _connector="OR"),
                        name="mailed_by_a_mail",
                    )
                ],
            },
        ),
    ]
