"""The tree's nodes and the checkpoints. Events that are there already get their nodes."""

from django.db import migrations, models

from keys_app.audit import triggers
from keys_app.audit.merkle.tree import Frontier
from keys_app.audit.merkle.tree import leaf_hash

BATCH = 2000


def build(apps, schema_editor):
    """Compute the nodes from what was hashed, the events' canonical JSON."""
    AuditNode = apps.get_model("audit", "AuditNode")
    events = apps.get_model("audit", "AuditEvent").objects.using(schema_editor.connection.alias).order_by("sequence")
    tree, done = Frontier(), []
    for canonical in events.values_list("canonical", flat=True).iterator(BATCH):
        done += tree.add(leaf_hash(canonical.encode()))
        if len(done) >= BATCH:
            _store(AuditNode, schema_editor, done)
            done = []
    _store(AuditNode, schema_editor, done)


def _store(AuditNode, schema_editor, done):
    AuditNode.objects.using(schema_editor.connection.alias).bulk_create(
        AuditNode(level=level, position=position, hash=value) for (level, position), value in done
    )


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [
        migrations.CreateModel(
            name="AuditNode",
            fields=[
                ("pk", models.CompositePrimaryKey("level", "position", blank=True, editable=False, primary_key=True, serialize=False)),
                ("level", models.SmallIntegerField()),
                ("position", models.BigIntegerField()),
                ("hash", models.BinaryField(max_length=32)),
            ],
            options={"db_table": "audit_node"},
        ),
        migrations.CreateModel(
            name="AuditCheckpoint",
            fields=[
                ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                ("root", models.BinaryField(max_length=32)),
                ("time", models.DateTimeField()),
                ("key", models.CharField(max_length=400)),
                ("note", models.TextField()),
            ],
            options={"db_table": "audit_checkpoint"},
        ),
        migrations.RunPython(build, migrations.RunPython.noop),
        migrations.RunPython(triggers.install_tree, triggers.remove_tree),
    ]
