"""Versions of the model, their evaluations, and promotions of the active one."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from classifier.models.training import TrainingRun
from curation.models import Snapshot
from shoeproject.jobs import Job


class ModelVersion(models.Model):
    """A trained model: a folder in the models storage whose card lists what it holds."""

    name = models.CharField(max_length=120)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of card.json")
    card = models.JSONField(help_text="A copy of card.json: classes, preprocessing, thresholds, …")
    run = models.OneToOneField(
        TrainingRun, models.PROTECT, null=True, blank=True, related_name="version"
    )
    snapshot = models.ForeignKey(
        Snapshot, models.PROTECT, null=True, blank=True, related_name="versions"
    )
    active = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = "model version"
        constraints = [
            models.UniqueConstraint(
                fields=["active"], condition=Q(active=True), name="one_active_version"
            ),
        ]

    def __str__(self):
        return f"{self.name} ({self.short})"

    @property
    def short(self) -> str:
        """The digest's first twelve digits: enough to name a version."""
        return self.digest[:12]

    def file_name(self, name: str) -> str:
        """Name in the models storage of one of this version's files."""
        return f"versions/{self.digest}/{name}"


class Evaluation(Job):
    """The evaluation of one version on the test split of one snapshot."""

    task = "classifier.evaluate"

    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="evaluations", db_index=False
    )
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="evaluations")
    metrics = models.JSONField(default=dict, editable=False)
    probabilities = models.CharField(
        max_length=200,
        blank=True,
        editable=False,
        help_text="File in the models storage with every test image's probabilities",
    )

    class Meta(Job.Meta):
        ordering = ["-id"]
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["version", "snapshot"], name="evaluation_once_per_snapshot"
            ),
        ]

    def __str__(self):
        return f"{self.version} on {self.snapshot}"


class Promotion(models.Model):
    """A change of the active version; the newest row is about the current one."""

    class Kind(models.TextChoices):
        """Whether a version was promoted or rolled back to."""

        PROMOTE = "promote", "promoted"
        ROLLBACK = "rollback", "rolled back to"

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="promotions")
    previous = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)
    why = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["promote", "rollback"]), name="promotion_kind_known"
            ),
        ]

    def __str__(self):
        return f"{self.get_kind_display()} {self.version}"
