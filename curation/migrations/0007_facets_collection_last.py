"""The index that counts the facets, its three columns of many values last."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0006_label_issue"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="shoeimage",
            name="image_facets_all",
        ),
        migrations.AddIndex(
            model_name="shoeimage",
            index=models.Index(
                fields=[
                    "state",
                    "given_key",
                    "split",
                    "licence",
                    "suggested",
                    "reasons",
                    "collection",
                    "source",
                    "domain",
                ],
                name="image_facets_all",
            ),
        ),
    ]
