"""The images themselves."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from curation.models.guide import ShoeType
from curation.splits import Split

# Priorities of images without open findings. With one, it is at least the reason's precision.
UNREVIEWED, DECIDED, OUT = 0.001, 0.0, -1.0


class ShoeImage(models.Model):
    """A photograph, identified by its bytes as received.

    Only `curation.decisions` changes label and state, because each change must add a row of
    history; `split` follows from `split_key` and is written once, on arrival.
    """

    class State(models.TextChoices):
        UNREVIEWED = "unreviewed", "unreviewed"
        CONFIRMED = "confirmed", "confirmed"
        REJECTED = "rejected", "rejected"
        PURGED = "purged", "purged"

    class Scene(models.TextChoices):
        CATALOGUE = "catalogue", "catalogue"
        STREET = "street", "street"
        UNKNOWN = "unknown", "unknown"

    sha256 = models.CharField(
        "SHA-256", max_length=64, unique=True, help_text="Of the bytes as received; its identity"
    )
    stored_sha256 = models.CharField(
        "stored SHA-256",
        max_length=64,
        blank=True,
        db_index=True,
        help_text="Of the one file kept: upright, re-encoded, without metadata",
    )
    stored_bytes = models.PositiveIntegerField(
        null=True, editable=False, help_text="Size of that file; unknown of some early ones"
    )
    width = models.PositiveIntegerField(help_text="Pixels, upright")
    height = models.PositiveIntegerField(help_text="Pixels, upright")
    shorter_side = models.GeneratedField(
        expression=Least("width", "height"),
        output_field=models.PositiveIntegerField(),
        db_persist=True,
    )
    phash = models.CharField(
        "perceptual hash", max_length=16, help_text="64 bits, hexadecimal; kept after a purge"
    )
    band0 = models.IntegerField(db_index=True, editable=False)
    band1 = models.IntegerField(db_index=True, editable=False)
    band2 = models.IntegerField(db_index=True, editable=False)
    band3 = models.IntegerField(db_index=True, editable=False)
    colour = models.CharField(max_length=6, blank=True, help_text="Mean colour, rrggbb")

    group = models.CharField(
        max_length=200,
        blank=True,
        db_index=True,
        help_text="Views of one thing share it: a product, a page. Starts with its source",
    )
    source = models.CharField(max_length=200, blank=True, help_text="Who it came from")
    collection = models.ForeignKey(
        "Collection",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="images",
        db_index=False,  # `image_facet_collection` starts with it
    )
    imported_by = models.ForeignKey(
        "Import", models.PROTECT, null=True, blank=True, related_name="images"
    )
    query = models.CharField(max_length=200, blank=True, help_text="The search that found it")
    rank = models.PositiveIntegerField(null=True, blank=True, help_text="Its rank in that search")
    page_url = models.TextField(blank=True)
    file_url = models.TextField(blank=True)
    domain = models.CharField(
        max_length=120, blank=True, help_text="Host of the page it was found on, else of the file"
    )
    title = models.CharField(max_length=300, blank=True)
    licence = models.CharField(max_length=200, default="unknown", help_text="As stated")
    consent = models.TextField(blank=True, help_text="What the uploader agreed to, if it was given")
    scene = models.CharField(max_length=10, choices=Scene.choices, default=Scene.UNKNOWN)

    label = models.ForeignKey(
        ShoeType,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="images",
        db_index=False,  # `image_queue_by_label` starts with it
        help_text="What somebody with the right to say so says it shows",
    )
    proposed = models.ForeignKey(
        ShoeType,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="proposed_images",
        help_text="What a visitor or a search claims it shows",
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.UNREVIEWED)
    given_key = models.GeneratedField(
        expression=Coalesce("label_id", "proposed_id"),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
        help_text="Primary key of the label, else of what was proposed",
    )
    # Copied from findings and assessments, for the queue to filter and sort by; only
    # `curation.issues` writes these three.
    priority = models.FloatField(
        default=UNREVIEWED,
        help_text="What the queue sorts by, highest first; below zero it is in no queue",
    )
    reasons = models.PositiveIntegerField(
        default=0, editable=False, help_text="A bit for each reason with an open finding"
    )
    suggested = models.CharField(
        max_length=50, blank=True, editable=False, help_text="Slug of the label suggested, if any"
    )
    split_key = models.CharField(
        max_length=200, editable=False, help_text="Decides the split; never changes"
    )
    split = models.CharField(
        max_length=5, choices=[(s.value, s.value) for s in Split], editable=False
    )
    purge = models.ForeignKey(
        "Purge", models.PROTECT, null=True, blank=True, related_name="images", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-priority", "id"]
        indexes = [
            models.Index(fields=["state", "-priority", "id"], name="image_queue"),
            models.Index(fields=["label", "state", "-priority", "id"], name="image_queue_by_label"),
            models.Index(fields=["state", "label", "split"], name="image_facets"),
            # Facets of many values are counted each in its own order, without sorting.
            models.Index(fields=["source", "state", "reasons"], name="image_facet_source"),
            models.Index(fields=["domain", "state", "reasons"], name="image_facet_domain"),
            models.Index(fields=["collection", "state", "reasons"], name="image_facet_collection"),
            models.Index(fields=["-priority", "id"], name="image_queue_open"),
            # All columns of the queue's facets, so that one walk over the index counts them. The
            # three with many values are last, as they are not part of that walk's groups.
            models.Index(
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
            models.Index(
                fields=["state", "shorter_side"],
                condition=Q(label__isnull=False),
                name="image_snapshot",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["unreviewed", "confirmed", "rejected", "purged"]),
                name="image_state_known",
            ),
            models.CheckConstraint(
                condition=Q(split__in=[s.value for s in Split]), name="image_split_known"
            ),
            models.CheckConstraint(
                condition=Q(scene__in=["catalogue", "street", "unknown"]), name="image_scene_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="confirmed") | Q(label__isnull=False),
                name="image_confirmed_has_label",
            ),
            models.CheckConstraint(
                condition=Q(state="purged", stored_sha256="")
                | (~Q(state="purged") & ~Q(stored_sha256="")),
                name="image_file_iff_not_purged",
            ),
            models.CheckConstraint(
                condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="image_sha256_is_hex"
            ),
            models.CheckConstraint(
                condition=Q(width__gte=1, height__gte=1), name="image_has_a_size"
            ),
            models.CheckConstraint(condition=~Q(split_key=""), name="image_has_a_split_key"),
        ]

    def __str__(self):
        return f"{self.sha256[:12]} ({self.given or 'no label'})"

    @property
    def given(self) -> ShoeType | None:
        """The label, else what was proposed."""
        return self.label or self.proposed

    @property
    def file_name(self) -> str:
        """Where the media storage keeps the file; empty after a purge."""
        return media_name(self.stored_sha256) if self.stored_sha256 else ""


def media_name(stored_sha256: str) -> str:
    """Name of a stored picture in the media storage, spread over 256 folders."""
    return f"images/{stored_sha256[:2]}/{stored_sha256}.jpg"
