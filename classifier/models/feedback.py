"""Visitors' feedback on answers."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from curation.models import ShoeImage, ShoeType


class Feedback(models.Model):
    """Whether one answer was right, sent with its id; the only row that a visitor writes."""

    answer = models.JSONField(help_text="What the signed id held: version, time, verdict, top five")
    answer_key = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the id: one answer, one feedback"
    )
    right = models.BooleanField()
    shoe_type = models.ForeignKey(
        ShoeType,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="What it is, as the visitor says",
    )
    image = models.ForeignKey(
        ShoeImage,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="feedback",
        help_text="The photo given with it; one that was here before has no code",
    )
    image_sha256 = models.CharField(
        "image's SHA-256",
        max_length=64,
        blank=True,
        help_text="The photo, where the visitor chose to give it",
    )
    code_key = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="SHA-256 of the code that has the photo removed; empty where none was given",
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(
                fields=["code_key"], condition=~Q(code_key=""), name="feedback_code_once"
            ),
        ]

    def __str__(self):
        return "right" if self.right else f"wrong: {self.shoe_type or 'no type given'}"
