from django.db import migrations


def create(apps, schema_editor):
    group = apps.get_model("auth", "Group")
    for name in ("Engineers", "Team leads", "Security"):
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("keys_app", "0002_database_rules"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(create)]
