"""Serializers of figures: a model's confidence, and its accuracy on test photos."""

from rest_framework import serializers

from classifier.answers.answer_id import DIGITS
from classifier.evaluation.report import STATES


class ShareField(serializers.FloatField):
    """A share from 0 to 1, or null, rounded like a confidence."""

    def __init__(self, allow_null=True, **options):
        super().__init__(min_value=0, max_value=1, allow_null=allow_null, **options)

    def to_representation(self, value):
        return round(super().to_representation(value), DIGITS)


class IntervalField(serializers.ListField):
    """The lower and the upper bound of a share, or null."""

    child = ShareField(allow_null=False)

    def __init__(self, **options):
        super().__init__(min_length=2, max_length=2, allow_null=True, **options)


class ConfidenceSerializer(serializers.Serializer):
    """A type or a category, and the model's confidence in it."""

    slug = serializers.SlugField()
    name = serializers.CharField()
    confidence = serializers.FloatField(min_value=0, max_value=1)


class AccuracySerializer(serializers.Serializer):
    """How often a model is right about a type, on test photos; writes a `TypeAccuracy`."""

    state = serializers.ChoiceField(
        STATES,
        help_text="judged: measured. too-few: fewer than 8 products in the test photos. "
        "not-learnt: the model cannot answer it. unknown: learnt, but never judged",
    )
    accuracy = ShareField(help_text="Only with state judged")
    interval = IntervalField(
        help_text="95 % interval of the accuracy. Only with state judged, and not always then"
    )
    images = serializers.IntegerField(min_value=0, help_text="Test photos of the type")
    groups = serializers.IntegerField(min_value=0, help_text="Products that these photos show")
