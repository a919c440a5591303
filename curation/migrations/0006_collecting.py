"""What collecting from the web and the other doors need to remember."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """How far a collection is, what a hit claims, where an import's files lie, sizes on disk."""

    dependencies = [
        ("curation", "0005_label_issue"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="hit",
            options={"ordering": ["id"]},
        ),
        migrations.RemoveConstraint(
            model_name="hit",
            name="hit_outcome_known",
        ),
        migrations.AddField(
            model_name="collection",
            name="cursor",
            field=models.JSONField(
                default=dict,
                editable=False,
                help_text="How far each search went, and how often it waited",
            ),
        ),
        migrations.AddField(
            model_name="collection",
            name="report",
            field=models.JSONField(
                default=dict, editable=False, help_text="Found, fetched, accepted, refused and why"
            ),
        ),
        migrations.AddField(
            model_name="hit",
            name="detail",
            field=models.CharField(blank=True, help_text="The reason in words", max_length=200),
        ),
        migrations.AddField(
            model_name="hit",
            name="height",
            field=models.PositiveIntegerField(help_text="Pixels, as the search says", null=True),
        ),
        migrations.AddField(
            model_name="hit",
            name="licence",
            field=models.CharField(default="unknown", max_length=200),
        ),
        migrations.AddField(
            model_name="hit",
            name="width",
            field=models.PositiveIntegerField(help_text="Pixels, as the search says", null=True),
        ),
        migrations.AddField(
            model_name="import",
            name="keep_copies",
            field=models.BooleanField(
                default=False,
                help_text="Take in near copies of pictures that are here already, too",
            ),
        ),
        migrations.AddField(
            model_name="import",
            name="label",
            field=models.ForeignKey(
                blank=True,
                help_text="What all of them show; else folders or the CSV say so",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="curation.shoetype",
            ),
        ),
        migrations.AddField(
            model_name="import",
            name="upload",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="Where the media storage keeps what was uploaded, until it is imported",
                max_length=200,
            ),
        ),
        migrations.AddField(
            model_name="shoeimage",
            name="stored_bytes",
            field=models.PositiveIntegerField(
                editable=False, help_text="Size of that file; unknown of some early ones", null=True
            ),
        ),
        migrations.AlterField(
            model_name="collection",
            name="filters",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="What is asked of a search: kind of picture, size, colour, layout, licence",
            ),
        ),
        migrations.AlterField(
            model_name="hit",
            name="outcome",
            field=models.CharField(
                choices=[("found", "found"), ("accepted", "accepted"), ("refused", "refused")],
                default="found",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="import",
            name="path",
            field=models.CharField(
                blank=True,
                help_text="On the server: a folder or ZIP with one folder for each label, or a CSV file with the columns path (or url), class and, if known, group, source, licence, scene, title",
                max_length=500,
            ),
        ),
        migrations.AddConstraint(
            model_name="hit",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["found", "accepted", "refused"])),
                name="hit_outcome_known",
            ),
        ),
        migrations.AddIndex(
            model_name="hit",
            index=models.Index(fields=["collection", "outcome", "id"], name="hit_next"),
        ),
        migrations.AddIndex(
            model_name="hit",
            index=models.Index(fields=["url_sha256"], name="hit_url"),
        ),
    ]
