"""The history of decisions, and purges. Rows are added and never deleted."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from curation.models.guide import ShoeType
from curation.models.image import ShoeImage


class Review(models.Model):
    """A decision on one image: who, when, label and state before and after."""

    class Action(models.TextChoices):
        IMPORT = "import", "imported with a label"
        CONFIRM = "confirm", "confirmed"
        RELABEL = "relabel", "relabelled"
        REJECT = "reject", "rejected"
        RESTORE = "restore", "restored"
        LEAVE = "leave", "left to a colleague"
        UNDO = "undo", "undone"
        PURGE = "purge", "purged"

    # No index of its own, which a planner would prefer to `review_history`, which starts with it.
    image = models.ForeignKey(ShoeImage, models.PROTECT, related_name="reviews", db_index=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=10, choices=Action.choices)
    batch = models.UUIDField(
        default=uuid.uuid4, db_index=True, help_text="Decisions made in one step, undone together"
    )
    label_from = models.ForeignKey(ShoeType, models.PROTECT, null=True, related_name="+")
    label_to = models.ForeignKey(ShoeType, models.PROTECT, null=True, related_name="+")
    state_from = models.CharField(max_length=10, choices=ShoeImage.State.choices, blank=True)
    state_to = models.CharField(max_length=10, choices=ShoeImage.State.choices)
    undoes = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="undone_by"
    )
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["image", "-id"], name="review_history")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    action__in=[
                        "import", "confirm", "relabel", "reject", "restore", "leave", "undo",
                        "purge",
                    ]
                ),
                name="review_action_known",
            ),
        ]  # fmt: skip

    def __str__(self):
        return f"{self.get_action_display()}: {self.label_from or '–'} → {self.label_to or '–'}"


class Purge(models.Model):
    """A removal of pictures from the disk: who, why, which."""

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Nobody where whoever gave the picture took it back",
    )
    why = models.TextField()
    scope = models.TextField(help_text="Which images were meant, in words or as a filter")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at"]

    def __str__(self):
        return f"{self.at:%Y-%m-%d}: {self.scope}"
