from django.db import migrations, models


class Migration(migrations.Migration):
    """The table has no triggers, so that SQLite may make it anew."""

    dependencies = [("keys_app", "0050_reviews_and_feeds")]
    operations = [
        migrations.AddField("repeat", "login", models.CharField(blank=True, max_length=150, default=""), preserve_default=False),
    ]
