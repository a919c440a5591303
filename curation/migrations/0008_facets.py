"""Facets of many values are each counted from an index of their own."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0007_purge_by_giver"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="shoeimage",
            name="image_facet_source",
        ),
        migrations.AlterField(
            model_name="shoeimage",
            name="collection",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="images",
                to="curation.collection",
            ),
        ),
        migrations.AddIndex(
            model_name="shoeimage",
            index=models.Index(fields=["source", "state", "reasons"], name="image_facet_source"),
        ),
        migrations.AddIndex(
            model_name="shoeimage",
            index=models.Index(fields=["domain", "state", "reasons"], name="image_facet_domain"),
        ),
        migrations.AddIndex(
            model_name="shoeimage",
            index=models.Index(
                fields=["collection", "state", "reasons"], name="image_facet_collection"
            ),
        ),
        # Anew, because some installations made it while its columns had another order.
        migrations.RemoveIndex(model_name="shoeimage", name="image_facets_all"),
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
