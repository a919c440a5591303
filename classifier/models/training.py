"""Training runs and their epochs."""

from django.db import models

from curation.models import Snapshot
from shoeproject.jobs import Job


class TrainingRun(Job):
    """One training of one recipe on one snapshot."""

    task = "classifier.train"
    queue = "train"

    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="runs")
    recipe = models.CharField(max_length=40, help_text="Name of a preset")
    overrides = models.JSONField(
        default=dict, blank=True, help_text='What differs from the preset, such as {"size": 160}'
    )
    seed = models.PositiveIntegerField(default=42)
    device = models.CharField(max_length=60, blank=True, editable=False)
    started_from = models.CharField(
        max_length=300, blank=True, editable=False, help_text="The weights training began with"
    )
    evaluate = models.BooleanField(
        default=True, help_text="Judge the result on the snapshot's test split when it is done"
    )

    class Meta(Job.Meta):
        ordering = ["-id"]

    def __str__(self):
        return f"Run {self.pk}: {self.recipe} on {self.snapshot}"


class Epoch(models.Model):
    """One epoch of a run. A resumed run does not write it again."""

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="epochs", db_index=False)
    number = models.PositiveIntegerField(help_text="From 0")
    phase = models.CharField(max_length=40, blank=True)
    images = models.PositiveIntegerField(help_text="Training images seen")
    train_loss = models.FloatField(null=True)
    valid_loss = models.FloatField(null=True)
    accuracy = models.FloatField(null=True, help_text="On the valid split, 0 to 1")
    learning_rate = models.FloatField(null=True, help_text="At the end of the epoch")
    seconds = models.FloatField(default=0)

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="epoch_once_per_run"),
        ]

    def __str__(self):
        return f"Run {self.run_id}, epoch {self.number}"
