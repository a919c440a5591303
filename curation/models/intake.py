"""How images come in: collections from the web, and imports."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from curation.models.guide import ShoeType
from curation.models.image import ShoeImage
from shoeproject.jobs import Job


def validate_label_map(value):
    """Raise ValidationError unless `value` is a dict with text as values."""
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValidationError('Write one object such as {"their-label": "chelsea-boots"}.')


class Collection(Job):
    """A search of the web for images of one type."""

    task = "curation.collect"

    shoe_type = models.ForeignKey(ShoeType, models.PROTECT, related_name="collections")
    terms = models.JSONField(default=list, help_text="What is searched for, in this order")
    count = models.PositiveIntegerField(default=200, help_text="How many new images to bring in")
    filters = models.JSONField(
        default=dict,
        blank=True,
        help_text="What is asked of a search: kind of picture, size, colour, layout, licence",
    )
    safe_search = models.BooleanField(default=True)
    set_label = models.BooleanField(
        default=False, help_text="Label what comes in at once instead of only proposing the type"
    )
    cursor = models.JSONField(
        default=dict, editable=False, help_text="How far each search went, and how often it waited"
    )
    report = models.JSONField(
        default=dict, editable=False, help_text="Found, fetched, accepted, refused and why"
    )

    class Meta(Job.Meta):
        ordering = ["-id"]

    def __str__(self):
        return f"{self.count} images of {self.shoe_type}"


class Import(Job):
    """An import of labelled pictures: a folder, a ZIP, a CSV of files or addresses, or uploads."""

    task = "curation.import"

    path = models.CharField(
        max_length=500,
        blank=True,
        help_text="On the server: a folder or ZIP with one folder for each label, or a CSV file "
        "with the columns path (or url), class and, if known, group, source, licence, scene, title",
    )
    upload = models.CharField(
        max_length=200,
        blank=True,
        editable=False,
        help_text="Where the media storage keeps what was uploaded, until it is imported",
    )
    label = models.ForeignKey(
        ShoeType,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="What all of them show; else folders or the CSV say so",
    )
    keep_copies = models.BooleanField(
        default=False, help_text="Take in near copies of pictures that are here already, too"
    )
    label_map = models.JSONField(
        default=dict,
        blank=True,
        validators=[validate_label_map],
        help_text='Other names for labels: {"boots_chelsea": "chelsea-boots"}',
    )
    source = models.CharField(
        max_length=200,
        blank=True,
        help_text="Who the pictures came from, where the CSV says nothing",
    )
    licence = models.CharField(
        max_length=200, default="unknown", help_text="Where the CSV says nothing"
    )
    scene = models.CharField(
        max_length=10,
        choices=ShoeImage.Scene.choices,
        default=ShoeImage.Scene.UNKNOWN,
        help_text="Where they were photographed, where the CSV says nothing",
    )
    report = models.JSONField(
        default=dict,
        editable=False,
        help_text="How many came in, were known already, were refused and why",
    )

    class Meta(Job.Meta):
        ordering = ["-id"]

    def __str__(self):
        return f"Import of {self.path}"


class Hit(models.Model):
    """A search result of a collection, and its outcome."""

    class Outcome(models.TextChoices):
        FOUND = "found", "found"
        ACCEPTED = "accepted", "accepted"
        REFUSED = "refused", "refused"

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="hits", db_index=False)
    provider = models.CharField(max_length=40)
    query = models.CharField(max_length=200)
    rank = models.PositiveIntegerField()
    file_url = models.TextField()
    url_sha256 = models.CharField(
        max_length=64, help_text="Of the file's URL, so that it is unique"
    )
    page_url = models.TextField(blank=True)
    title = models.CharField(max_length=300, blank=True)
    licence = models.CharField(max_length=200, default="unknown")
    width = models.PositiveIntegerField(null=True, help_text="Pixels, as the search says")
    height = models.PositiveIntegerField(null=True, help_text="Pixels, as the search says")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.FOUND)
    reason = models.CharField(max_length=60, blank=True, help_text="Why it was refused")
    detail = models.CharField(max_length=200, blank=True, help_text="The reason in words")
    image = models.ForeignKey(
        "ShoeImage", models.SET_NULL, null=True, blank=True, related_name="hits"
    )

    class Meta:
        ordering = ["id"]  # of term, page and rank, as they are written
        indexes = [
            models.Index(fields=["collection", "outcome", "id"], name="hit_next"),
            models.Index(fields=["url_sha256"], name="hit_url"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "url_sha256"], name="hit_once_per_collection"
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["found", "accepted", "refused"]),
                name="hit_outcome_known",
            ),
        ]

    def __str__(self):
        return f"{self.query} #{self.rank}: {self.outcome}"
