"""Logins, and names of teams and rules, are one if they differ only in case: signing in, searches and commands take
them for one. Where two are there already, nothing is changed and the message says which.
"""

from collections import defaultdict

import django.db.models.functions.text
from django.core.management.base import CommandError
from django.db import migrations, models

ONE_NAME = "There is one with this name already. Choose a name that differs in more than case."
UNIQUE = [
    ("auth", "User", "username", "users"),
    ("keys_app", "Team", "name", "teams"),
    ("keys_app", "ApprovalRule", "name", "approval rules"),
]


def refuse_twins(apps, schema_editor):
    """Name all of them at once, so that one visit to the admin is enough."""
    found = []
    for app, model, field, words in UNIQUE:
        same = defaultdict(list)
        for name in apps.get_model(app, model).objects.order_by(field).values_list(field, flat=True):
            same[name.lower()].append(name)
        found += [f"{words} {', '.join(names)}" for names in same.values() if len(names) > 1]
    if found:
        raise CommandError(
            f"These differ only in case, so the portal can't tell them apart: {'; '.join(found)}. Nothing was changed. "
            "With the version from before, rename all but one of each in the admin, then migrate again. Users whose "
            "logins differ only in case can't sign in; if no portal admin can, createsuperuser makes one there."
        )


class Migration(migrations.Migration):
    dependencies = [
        ("keys_app", "0063_one_at_a_time"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [
        migrations.RunPython(refuse_twins, migrations.RunPython.noop),
        migrations.RunSQL(
            "CREATE UNIQUE INDEX one_user_of_a_login ON auth_user (LOWER(username))", "DROP INDEX one_user_of_a_login"
        ),
        migrations.AddConstraint(
            model_name="team",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("name"),
                name="one_team_of_a_name",
                violation_error_message=ONE_NAME,
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalrule",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("name"),
                name="one_rule_of_a_name",
                violation_error_message=ONE_NAME,
            ),
        ),
    ]
