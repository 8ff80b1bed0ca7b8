from django.db import migrations, models

from keys_app.audit.search import index


class Migration(migrations.Migration):
    """Team and risk as columns, which SQLite adds without making the table anew, and the terms events are found by."""

    dependencies = [("audit", "0003_tree")]
    operations = [
        migrations.AddField("auditevent", "team", models.CharField(max_length=80, null=True)),
        migrations.AddField("auditevent", "risk", models.CharField(max_length=10, null=True)),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="EventTerm",
                    fields=[
                        ("pk", models.CompositePrimaryKey("term", "sequence", primary_key=True, serialize=False)),
                        ("term", models.CharField(max_length=180)),
                        ("sequence", models.BigIntegerField()),
                    ],
                    options={"db_table": "audit_eventterm"},
                )
            ],
            database_operations=[migrations.RunPython(index.install, index.remove)],
        ),
    ]
