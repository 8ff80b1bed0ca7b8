"""Deactivating a user ends their sessions, whatever code or statement does it: a session remembers how often that
happened before it began.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

ENDED = """INSERT INTO keys_app_signin (user_id, sessions_ended, password_set_by, mail_set_by)
    VALUES (NEW.id, 1, '', '')
    ON CONFLICT (user_id) DO UPDATE SET sessions_ended = keys_app_signin.sessions_ended + 1;"""
WHEN = "WHEN (OLD.is_active AND NOT NEW.is_active)"
CREATE = {
    "sqlite": [f"CREATE TRIGGER user_deactivated AFTER UPDATE OF is_active ON auth_user {WHEN} BEGIN {ENDED} END"],
    "postgresql": [
        f"CREATE FUNCTION user_deactivated() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {ENDED} RETURN NULL; END $$",
        f"""CREATE TRIGGER user_deactivated AFTER UPDATE OF is_active ON auth_user
        FOR EACH ROW {WHEN} EXECUTE FUNCTION user_deactivated()""",
    ],
}
DROP = {
    "sqlite": ["DROP TRIGGER user_deactivated"],
    "postgresql": ["DROP TRIGGER user_deactivated ON auth_user", "DROP FUNCTION user_deactivated()"],
}


def install(apps, schema_editor):
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def remove(apps, schema_editor):
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [
        ("keys_app", "0060_repeat_login"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [
        migrations.CreateModel(
            name="SignIn",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="sign_in",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("sessions_ended", models.PositiveIntegerField(default=0)),
                (
                    "password_set_by",
                    models.CharField(
                        blank=True,
                        help_text="Who set the password, if somebody else than the user did.",
                        max_length=400,
                    ),
                ),
                (
                    "mail_set_by",
                    models.CharField(
                        blank=True,
                        help_text="Who changed the mail address, if somebody else than the user did.",
                        max_length=400,
                    ),
                ),
            ],
        ),
        migrations.RunPython(install, remove),
    ]
