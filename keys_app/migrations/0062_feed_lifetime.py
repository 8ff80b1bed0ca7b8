from datetime import timedelta

from django.db import migrations, models
from django.utils import timezone


def _from_now_on():
    """Tokens from before work on for 90 days, so that there is time to hear of it and to replace them."""
    return timezone.now() + timedelta(days=90)


class Migration(migrations.Migration):
    """A feed's token expires. The table has no triggers, so that SQLite may make it anew."""

    dependencies = [("keys_app", "0061_sign_in")]
    operations = [
        migrations.AddField(
            "feedtoken", "expires_at", models.DateTimeField(default=_from_now_on), preserve_default=False
        ),
        migrations.AddField(
            "feedtoken",
            "warned_at",
            models.DateTimeField(null=True, help_text="When Security was told that it expires."),
        ),
        migrations.AddField(
            "feedtoken",
            "end_reason",
            models.CharField(
                blank=True, max_length=80, default="", help_text="Why it ended, if no one pressed Revoke."
            ),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            "feedtoken",
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="feed_expires_after_it_was_created"
            ),
        ),
    ]
