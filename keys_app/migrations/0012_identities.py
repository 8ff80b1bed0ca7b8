"""Users that the sign-in provider knows: one user a subject, whichever issuer it came with."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("keys_app", "0011_decisions_stay"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="Identity",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="identity",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("issuer", models.CharField(max_length=255)),
                (
                    "subject",
                    models.CharField(
                        help_text="What the provider calls the user for good: “sub”, never a name or mail address.",
                        max_length=255,
                        unique=True,
                    ),
                ),
                ("joined_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "identities",
                "constraints": [
                    models.CheckConstraint(
                        condition=~Q(issuer="") & ~Q(subject=""), name="identity_has_issuer_and_subject"
                    )
                ],
            },
        ),
    ]
