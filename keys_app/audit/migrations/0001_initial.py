from django.db import migrations, models

# Without a rowid, SQLite keeps the rows in the index itself. PostgreSQL sorts terms by their bytes, as SQLite does.
TERMS = {
    "sqlite": """CREATE TABLE audit_eventterm (term varchar(180) NOT NULL, sequence bigint NOT NULL,
        PRIMARY KEY (term, sequence)) WITHOUT ROWID""",
    "postgresql": """CREATE TABLE audit_eventterm (term varchar(180) COLLATE "C" NOT NULL, sequence bigint NOT NULL,
        PRIMARY KEY (term, sequence))""",
}


def create_terms(apps, schema_editor):
    schema_editor.execute(TERMS[schema_editor.connection.vendor], params=None)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditCheckpoint",
            fields=[
                ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                ("root", models.BinaryField(max_length=32)),
                ("time", models.DateTimeField()),
                ("key", models.CharField(max_length=400)),
                ("note", models.TextField()),
            ],
            options={
                "db_table": "audit_checkpoint",
            },
        ),
        migrations.CreateModel(
            name="AuditNode",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "level", "position", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("level", models.SmallIntegerField()),
                ("position", models.BigIntegerField()),
                ("hash", models.BinaryField(max_length=32)),
            ],
            options={
                "db_table": "audit_node",
            },
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="EventTerm",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "term", "sequence", blank=True, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("term", models.CharField(max_length=180)),
                        ("sequence", models.BigIntegerField()),
                    ],
                    options={
                        "db_table": "audit_eventterm",
                    },
                ),
            ],
            database_operations=[migrations.RunPython(create_terms)],
        ),
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                ("sequence", models.BigIntegerField(primary_key=True, serialize=False)),
                ("time", models.DateTimeField(db_index=True)),
                ("action", models.CharField(max_length=60)),
                ("actor_id", models.CharField(blank=True, max_length=40)),
                ("actor_name", models.CharField(max_length=320)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("account_sid", models.CharField(blank=True, max_length=34)),
                ("key_sid", models.CharField(blank=True, max_length=34)),
                ("request_id", models.CharField(blank=True, max_length=36)),
                ("team", models.CharField(max_length=80, null=True)),
                ("risk", models.CharField(max_length=10, null=True)),
                ("policy", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                ("canonical", models.TextField()),
                ("leaf_hash", models.BinaryField(max_length=32)),
            ],
            options={
                "ordering": ["-sequence"],
                "indexes": [
                    models.Index(fields=["action", "-sequence"], name="audit_by_action"),
                    models.Index(fields=["actor_name", "-sequence"], name="audit_by_actor"),
                    models.Index(fields=["account_sid", "-sequence"], name="audit_by_account"),
                    models.Index(fields=["key_sid", "-sequence"], name="audit_by_key"),
                    models.Index(fields=["request_id", "-sequence"], name="audit_by_request"),
                ],
            },
        ),
    ]
