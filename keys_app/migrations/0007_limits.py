"""What is counted to limit it, and password resets that wait for their mail."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys_app", "0006_connections")]
    operations = [
        migrations.CreateModel(
            name="LimitedUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("counter", models.CharField(max_length=64)),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "noted",
                    models.BooleanField(default=False, help_text="Whether the block it is part of is in the audit."),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["counter", "at"], name="uses_by_counter")],
            },
        ),
        migrations.CreateModel(
            name="PasswordReset",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.EmailField(blank=True, max_length=254)),
                ("asked_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
            ],
        ),
    ]
