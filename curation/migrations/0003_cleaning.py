"""What cleaning needs: chunks of an assessment, claims, answered findings, facets of images."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0002_import_scene"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AssessChunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("lease_until", models.DateTimeField(null=True)),
                (
                    "attempt",
                    models.PositiveIntegerField(
                        default=0, help_text="Counts claims; a worker with an older one is ignored"
                    ),
                ),
                ("done_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["run", "number"],
            },
        ),
        migrations.CreateModel(
            name="QueueClaim",
            fields=[
                (
                    "image",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="queue_claim",
                        serialize=False,
                        to="curation.shoeimage",
                    ),
                ),
                ("until", models.DateTimeField(db_index=True)),
            ],
            options={
                "ordering": ["until"],
            },
        ),
        migrations.AddField(
            model_name="assessrun",
            name="embedding",
            field=models.CharField(
                choices=[
                    ("active", "the active version's, else the starter's"),
                    ("pretrained", "the weights a training starts from"),
                ],
                default="active",
                help_text="A model that was trained on wrong labels may have learnt them by heart; pretrained weights have not seen them",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="assessrun",
            name="images",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="assessrun",
            name="report",
            field=models.JSONField(
                default=dict, editable=False, help_text="What it found, by reason, and what it took"
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="batch",
            field=models.UUIDField(
                blank=True, db_index=True, help_text="The decisions that answered it", null=True
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="created_at",
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AddField(
            model_name="finding",
            name="first_run",
            field=models.PositiveBigIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="finding",
            name="last_run",
            field=models.PositiveBigIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="finding",
            name="note",
            field=models.CharField(
                blank=True, help_text="In the words of who said it", max_length=500
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="outcome",
            field=models.CharField(
                blank=True,
                choices=[("kept", "nothing was wrong"), ("acted", "something was done")],
                max_length=5,
            ),
        ),
        migrations.AddField(
            model_name="shoeimage",
            name="domain",
            field=models.CharField(
                blank=True,
                help_text="Host of the page it was found on, else of the file",
                max_length=120,
            ),
        ),
        migrations.AddField(
            model_name="shoeimage",
            name="given_key",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.db.models.functions.comparison.Coalesce(
                    "label_id", "proposed_id"
                ),
                help_text="Primary key of the label, else of what was proposed",
                output_field=models.BigIntegerField(null=True),
            ),
        ),
        migrations.AddField(
            model_name="shoeimage",
            name="reasons",
            field=models.PositiveIntegerField(
                default=0, editable=False, help_text="A bit for each reason with an open finding"
            ),
        ),
        migrations.AddField(
            model_name="shoeimage",
            name="suggested",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="Slug of the label suggested, if any",
                max_length=50,
            ),
        ),
        migrations.AlterField(
            model_name="assessrun",
            name="model_digest",
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AlterField(
            model_name="assessrun",
            name="model_name",
            field=models.CharField(blank=True, editable=False, max_length=120),
        ),
        migrations.AlterField(
            model_name="shoeimage",
            name="priority",
            field=models.FloatField(
                default=0.001,
                help_text="What the queue sorts by, highest first; below zero it is in no queue",
            ),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(("other", ""), _negated=True),
                fields=["other"],
                name="finding_other",
            ),
        ),
        migrations.AddIndex(
            model_name="shoeimage",
            index=models.Index(fields=["-priority", "id"], name="image_queue_open"),
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
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", ""), ("silenced_at__isnull", True)),
                    models.Q(("outcome__in", ["kept", "acted"]), ("silenced_at__isnull", False)),
                    _connector="OR",
                ),
                name="finding_answered_with_outcome",
            ),
        ),
        migrations.AddField(
            model_name="assesschunk",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="chunks",
                to="curation.assessrun",
            ),
        ),
        migrations.AddField(
            model_name="queueclaim",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="assesschunk",
            constraint=models.UniqueConstraint(fields=("run", "number"), name="assess_chunk_once"),
        ),
    ]
