"""Says of earlier approvals in whose right they were given: a lead's first, then Security's."""

from django.db import migrations
from django.db.models import F


def fill(apps, schema_editor):
    approvals = apps.get_model("keys_app", "Approval").objects
    approvals.update(authority=F("approver"))
    approvals.filter(stage=2).update(capacity="security")


class Migration(migrations.Migration):
    dependencies = [("keys_app", "0005_decisions")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
