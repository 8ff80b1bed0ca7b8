from django.db import migrations, models
from django.db.models import Q


def close_all_but_the_newest(apps, schema_editor):
    """Two reviews could be opened at once on PostgreSQL. What was decided in the earlier ones stays in them."""
    reviews = apps.get_model("keys_app", "AccessReview").objects.filter(closed_at=None).order_by("-opened_at", "-pk")
    newest = reviews.first()
    if newest is not None:
        reviews.exclude(pk=newest.pk).update(closed_at=newest.opened_at)


class Migration(migrations.Migration):
    """One access review is open, and one process pushes to a place. Neither step makes a table anew."""

    dependencies = [("keys_app", "0062_feed_lifetime")]
    operations = [
        migrations.RunPython(close_all_but_the_newest, migrations.RunPython.noop),
        migrations.AddConstraint(
            "accessreview",
            models.UniqueConstraint(
                models.ExpressionWrapper(Q(closed_at__isnull=True), output_field=models.BooleanField()),
                condition=Q(closed_at__isnull=True),
                name="one_open_review",
            ),
        ),
        migrations.AddField("pushposition", "holder", models.UUIDField(null=True, help_text="Which process pushes.")),
        migrations.AddField(
            "pushposition",
            "held_until",
            models.DateTimeField(null=True, help_text="Then another process may go on, should that one be dead."),
        ),
    ]
