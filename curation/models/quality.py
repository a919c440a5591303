"""Assessments of images by models, findings, claims of the queue, and work lists.

Models are referred to by digest and name, as text: this app does not import the classifier.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from curation.models.image import ShoeImage
from shoeproject.jobs import Job


class AssessRun(Job):
    """An assessment of all images by one model. Its primary key numbers the generations of rows."""

    class Embedding(models.TextChoices):
        ACTIVE = "active", "the active version's, else the starter's"
        PRETRAINED = "pretrained", "the weights a training starts from"

    task = "curation.assess"

    embedding = models.CharField(
        max_length=10,
        choices=Embedding.choices,
        default=Embedding.ACTIVE,
        help_text="A model that was trained on wrong labels may have learnt them by heart; "
        "pretrained weights have not seen them",
    )
    model_digest = models.CharField(max_length=64, blank=True, editable=False)
    model_name = models.CharField(max_length=120, blank=True, editable=False)
    images = models.PositiveIntegerField(default=0, editable=False)
    report = models.JSONField(
        default=dict, editable=False, help_text="What it found, by reason, and what it took"
    )

    class Meta(Job.Meta):
        ordering = ["-id"]

    def __str__(self):
        return f"Assessment {self.pk} by {self.model_name or 'the active model'}"


class CurrentAssessRun(models.Model):
    """Which assess run's rows count: one row, with id 1."""

    run = models.ForeignKey(AssessRun, models.PROTECT, related_name="+")

    class Meta:
        verbose_name = "current assessment"
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_current_assess_run")]

    def __str__(self):
        return str(self.run)


class AssessChunk(models.Model):
    """A part of an assess run's images, to be embedded by any worker."""

    run = models.ForeignKey(AssessRun, models.CASCADE, related_name="chunks", db_index=False)
    number = models.PositiveIntegerField()
    lease_until = models.DateTimeField(null=True)
    attempt = models.PositiveIntegerField(
        default=0, help_text="Counts claims; a worker with an older one is ignored"
    )
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="assess_chunk_once"),
        ]

    def __str__(self):
        return f"part {self.number} of assessment {self.run_id}"


class Assessment(models.Model):
    """The result of one assess run for one image."""

    run = models.ForeignKey(AssessRun, models.CASCADE, related_name="assessments", db_index=False)
    image = models.ForeignKey(ShoeImage, models.CASCADE, related_name="assessments")
    top = models.JSONField(default=list, help_text="Best classes: [[slug, probability], …]")
    suggested = models.CharField(max_length=50, blank=True, help_text="Slug of the best label")
    loss = models.FloatField(null=True, help_text="Cross-entropy of the given label, in nats")
    label_quality = models.FloatField(null=True, help_text="0 to 1, low is doubtful")
    label_issue = models.BooleanField(
        null=True, help_text="cleanlab's own verdict on the label, with its defaults"
    )
    outlier = models.FloatField(null=True, help_text="Distance in feature space, 0 to 1")
    quality = models.JSONField(default=dict, help_text="Picture measures, each 0 to 1")

    class Meta:
        ordering = ["run", "image"]
        constraints = [
            models.UniqueConstraint(fields=["run", "image"], name="assessment_once_per_run"),
        ]

    def __str__(self):
        return f"{self.image_id}: {self.suggested or 'no suggestion'}"


class Finding(models.Model):
    """Something that may be wrong with an image; it is kept when a later assess run is published.

    All runs from `first_run` to `last_run` found it. It counts while the current run is one of
    them, or where a person added it and it has no runs. So a run is published by changing
    `CurrentAssessRun` alone.
    """

    class Outcome(models.TextChoices):
        KEPT = "kept", "nothing was wrong"
        ACTED = "acted", "something was done"

    image = models.ForeignKey(ShoeImage, models.CASCADE, related_name="findings", db_index=False)
    reason = models.SlugField(help_text="label-issue, near-duplicate, leakage, outlier, blurred, …")
    score = models.FloatField(default=0, help_text="0 to 1, high is worse")
    other = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the other image, for pairs; else empty"
    )
    suggested = models.CharField(
        max_length=50, blank=True, help_text="Slug of the label suggested; else empty"
    )
    note = models.CharField(max_length=500, blank=True, help_text="In the words of who said it")
    first_run = models.PositiveBigIntegerField(null=True, editable=False)
    last_run = models.PositiveBigIntegerField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Set when the finding is answered, in either way; `outcome` says how.
    silenced_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    silenced_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=5, choices=Outcome.choices, blank=True)
    batch = models.UUIDField(
        null=True, blank=True, db_index=True, help_text="The decisions that answered it"
    )

    class Meta:
        ordering = ["-score", "id"]
        indexes = [
            models.Index(
                fields=["reason", "-score", "image"],
                condition=Q(silenced_at__isnull=True),
                name="finding_open",
            ),
            models.Index(fields=["other"], condition=~Q(other=""), name="finding_other"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["image", "reason", "other", "suggested"], name="finding_said_once"
            ),
            models.CheckConstraint(
                condition=Q(silenced_at__isnull=True, outcome="")
                | Q(silenced_at__isnull=False, outcome__in=["kept", "acted"]),
                name="finding_answered_with_outcome",
            ),
        ]

    def __str__(self):
        return f"{self.reason} ({self.score:.2f})"


class QueueClaim(models.Model):
    """An image on one person's page, left out of other people's pages until it expires."""

    image = models.OneToOneField(
        ShoeImage, models.CASCADE, primary_key=True, related_name="queue_claim"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    until = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["until"]

    def __str__(self):
        return f"{self.image_id} on {self.by}'s page"


class WorkList(models.Model):
    """A list of images that somebody should look at."""

    name = models.CharField(max_length=120, unique=True)
    why = models.TextField(blank=True)
    images = models.ManyToManyField(ShoeImage, related_name="work_lists", blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self):
        return self.name
