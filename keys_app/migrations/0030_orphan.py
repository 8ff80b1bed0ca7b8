from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys_app', '0020_lifecycle'),
    ]

    operations = [
        migrations.AddField(
            model_name='issuance',
            name='orphan_sid',
            field=models.CharField(help_text='The key found at Twilio whose secret is lost, until its deletion is recorded.', blank=True, default='', max_length=34),
            preserve_default=False,
        ),
    ]
