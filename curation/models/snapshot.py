"""Snapshots."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Snapshot(models.Model):
    """A frozen set of labelled images: one row and one manifest file, named by its digest."""

    name = models.SlugField(max_length=80, unique=True, help_text="For commands and pages")
    digest = models.CharField(
        max_length=64, db_index=True, editable=False, help_text="SHA-256 of the manifest's lines"
    )
    filter = models.JSONField(
        default=dict, editable=False, help_text="What the images were chosen by"
    )
    counts = models.JSONField(
        default=dict, editable=False, help_text="Images for each label and split"
    )
    images = models.PositiveIntegerField(default=0, editable=False)
    incomplete = models.BooleanField(
        default=False,
        editable=False,
        help_text="A picture it lists was purged since, so it cannot be trained on again as it was",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self):
        return self.name

    @property
    def manifest_name(self) -> str:
        """Name of the manifest in the media storage."""
        return f"snapshots/{self.digest}.jsonl.gz"
