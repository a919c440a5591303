"""cleanlab's own verdict beside its score."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0004_priorities"),
    ]

    operations = [
        migrations.AddField(
            model_name="assessment",
            name="label_issue",
            field=models.BooleanField(
                help_text="cleanlab's own verdict on the label, with its defaults", null=True
            ),
        ),
    ]
