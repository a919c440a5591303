"""Pretrained embedders: networks that turn pictures into features."""

from django.db import models
from django.db.models import Q

from shoeproject.jobs import Job, State


class PretrainedEmbedder(Job):
    """The export of a network with weights that have not learnt the labels, for assessments.

    The job writes a folder to the models storage, like that of a version.
    """

    task = "classifier.export_embedder"
    queue = "train"

    arch = models.CharField("network", max_length=80)
    size = models.PositiveIntegerField(help_text="Side in pixels of the picture it looks at")
    digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of card.json, once exported"
    )
    card = models.JSONField(default=dict, editable=False, help_text="A copy of card.json")

    class Meta(Job.Meta):
        ordering = ["-id"]
        verbose_name = "pretrained embedder"
        constraints = [
            *Job.Meta.constraints,
            # A failed one counts: asking again resumes it.
            models.UniqueConstraint(
                fields=["arch", "size"],
                condition=~Q(state=State.CANCELLED),
                name="one_embedder_of_a_kind",
            ),
        ]
        # As every job's, by a name that is short enough.
        indexes = [
            models.Index(
                fields=["state", "lease_until"],
                condition=Q(state__in=[State.QUEUED, State.RUNNING]),
                name="classifier_embedder_due",
            ),
        ]

    def __str__(self):
        return f"{self.arch} at {self.size} px"

    def file_name(self, name: str) -> str:
        """Name in the models storage of one of this embedder's files."""
        return f"embedders/{self.digest}/{name}"
