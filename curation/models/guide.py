"""The guide: shoe types and their categories."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q


def validate_sentences(value):
    """Raise ValidationError unless `value` is a list of non-empty strings."""
    if not isinstance(value, list) or not all(isinstance(s, str) and s.strip() for s in value):
        raise ValidationError('Write a list of sentences, such as ["One.", "Two."].')


class Category(models.Model):
    """One of the five categories of types."""

    slug = models.SlugField(unique=True, help_text="Never changes: models and clients know it")
    name = models.CharField(max_length=60, unique=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Order in the guide")

    class Meta:
        ordering = ["position", "name"]
        verbose_name_plural = "categories"

    def __str__(self):
        return self.name


class ShoeType(models.Model):
    """A label: one of the 36 types, or one of the two labels for other shoes and for no shoe."""

    class Kind(models.TextChoices):
        TYPE = "type", "a type of the guide"
        OTHER_SHOE = "other-shoe", "another shoe"
        NOT_A_SHOE = "not-a-shoe", "not a shoe"

    slug = models.SlugField(unique=True, help_text="Never changes: models and clients know it")
    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(
        max_length=10,
        choices=Kind.choices,
        default=Kind.TYPE,
        help_text="Only types of the guide are ever answers",
    )
    category = models.ForeignKey(
        Category, models.PROTECT, null=True, blank=True, related_name="types"
    )
    original_label = models.CharField(
        max_length=80,
        blank=True,
        help_text="The first model's class name, letter for letter: old clients compare it",
    )
    search_terms = models.JSONField(
        default=list, blank=True, validators=[validate_sentences], help_text="What to search for"
    )
    pros = models.JSONField(default=list, blank=True, validators=[validate_sentences])
    cons = models.JSONField(default=list, blank=True, validators=[validate_sentences])
    distinction = models.JSONField(
        default=list,
        blank=True,
        validators=[validate_sentences],
        help_text="How to tell this type from its neighbours",
    )
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="merged_from",
        help_text="The type that took this one's images; answers of older models follow",
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["type", "other-shoe", "not-a-shoe"]),
                name="shoetype_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(kind="type", category__isnull=False)
                | (~Q(kind="type") & Q(category__isnull=True)),
                name="shoetype_category_iff_type",
                violation_error_message="A type of the guide needs a category.",
            ),
            models.UniqueConstraint(
                fields=["kind"], condition=~Q(kind="type"), name="shoetype_one_row_per_reject_kind"
            ),
            models.UniqueConstraint(
                fields=["original_label"],
                condition=~Q(original_label=""),
                name="shoetype_original_label_unique",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id")),
                name="shoetype_not_merged_into_itself",
            ),
        ]

    def __str__(self):
        return self.name

    def survivor(self) -> "ShoeType":
        """The type that stands today for this one: itself, or where its merges lead."""
        return survivors(ShoeType.objects.all())[self.pk] if self.merged_into_id else self


def survivors(types: Iterable[ShoeType]) -> dict[int, ShoeType]:
    """Primary key of each type → the type that stands today for it: itself, or where merges lead.

    `types`: all of them, so that no merge needs a query. Merges in a circle end before they repeat.
    """
    by_key = {row.pk: row for row in types}
    found = {}
    for key, at in by_key.items():
        seen = {key}
        while at.merged_into_id and at.merged_into_id not in seen:
            at = by_key[at.merged_into_id]
            seen.add(at.pk)
        found[key] = at
    return found


def survivors_by_slug(types: Iterable[ShoeType]) -> dict[str, ShoeType]:
    """Slug of each type → the type that stands for it today. `types`: see `survivors`."""
    types = list(types)
    standing = survivors(types)
    return {row.slug: standing[row.pk] for row in types}
