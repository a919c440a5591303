"""Serializers of the public API.

The guide and the versions are written with them. Answers are plain dictionaries; their serializers
are for the schema.
"""

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from classifier.api.accuracy import (
    AccuracySerializer,
    ConfidenceSerializer,
    IntervalField,
    ShareField,
)
from classifier.api.explanation import ExplainSerializer
from classifier.evaluation.metrics import VERDICTS
from curation.models import Category, ShoeType


class GuideTextSerializer(serializers.Serializer):
    """The guide's sentences about a type."""

    pros = serializers.ListField(child=serializers.CharField())
    cons = serializers.ListField(child=serializers.CharField())
    distinction = serializers.ListField(
        child=serializers.CharField(), help_text="How to tell this type from similar ones"
    )


class TypeSerializer(GuideTextSerializer, serializers.ModelSerializer):
    """A type of the guide.

    The context has `learnt`, a set of slugs, and `trust`, slug → TypeAccuracy.
    """

    category = serializers.SlugRelatedField("slug", read_only=True)
    learnt = serializers.SerializerMethodField(
        help_text="Whether the active model can answer this type"
    )
    accuracy = serializers.SerializerMethodField(
        help_text="How often the active model is right about it; null where no model is active"
    )

    class Meta:
        model = ShoeType
        fields = ["slug", "name", "category", "pros", "cons", "distinction", "learnt", "accuracy"]

    def get_learnt(self, row) -> bool:
        return row.slug in self.context["learnt"]

    @extend_schema_field(AccuracySerializer(allow_null=True))
    def get_accuracy(self, row):
        trust = self.context["trust"].get(row.slug)
        return trust and AccuracySerializer(trust).data


class CategorySerializer(serializers.ModelSerializer):
    """A category of types. The context has `types`, category's slug → slugs of its types."""

    types = serializers.SerializerMethodField(help_text="Slugs of its types")

    class Meta:
        model = Category
        fields = ["slug", "name", "types"]

    def get_types(self, row) -> list[str]:
        return self.context["types"].get(row.slug, [])


class ModelSerializer(serializers.Serializer):
    """Which model answered."""

    name = serializers.CharField()
    version = serializers.CharField(help_text="First twelve digits of the version's digest")


class AnsweredCategorySerializer(ConfidenceSerializer):
    """The category of an answer; its confidence is the sum of its types'."""


class ClosestTypeSerializer(ConfidenceSerializer):
    """One of the likeliest types."""

    category = serializers.SlugField(help_text="Slug of its category")


class AnsweredTypeSerializer(ClosestTypeSerializer, GuideTextSerializer):
    """The type of an answer, with the guide's text."""


class AnswerSerializer(serializers.Serializer):
    """What a photo shows."""

    id = serializers.CharField(
        help_text="Signed and expiring: hand it back with feedback. Holds no photo and no address"
    )
    verdict = serializers.ChoiceField(
        VERDICTS,
        help_text="type: named. category: only the category is clear. unsure: neither. "
        "not_a_shoe: there seems to be no shoe",
    )
    model = ModelSerializer()
    type = AnsweredTypeSerializer(allow_null=True, help_text="Only with verdict type")
    category = AnsweredCategorySerializer(
        allow_null=True, help_text="Only with verdicts type and category"
    )
    top = ClosestTypeSerializer(
        many=True, help_text="Up to five types, likeliest first, whatever the verdict"
    )
    explain = ExplainSerializer(required=False, help_text="Only when requested")


class PastAnswerSerializer(AnswerSerializer):
    """An answer read from its id; a merged type appears as the one that it was merged into."""

    explain = None
    at = serializers.DateTimeField(help_text="When it was given")


class ItemErrorSerializer(serializers.Serializer):
    """Why one photo of several was not answered."""

    code = serializers.SlugField(help_text="Stable, for programs: as in problems")
    detail = serializers.CharField(help_text="What is wrong and what to do, for people")


class FailedSerializer(serializers.Serializer):
    """An error in the place of an answer."""

    error = ItemErrorSerializer()


@extend_schema_field(
    PolymorphicProxySerializer(
        "AnswerOrErrorShape",
        [AnswerSerializer, FailedSerializer],
        resource_type_field_name=None,
        many=True,
    )
)
class _EachField(serializers.ListField):
    """Answers and errors."""


class AnswersSerializer(serializers.Serializer):
    """What several photos show, in their order."""

    predictions = _EachField()


class MetricsSerializer(serializers.Serializer):
    """How good a version is, on test photos; null where a figure was not measured."""

    images = serializers.IntegerField(min_value=0, help_text="Test photos")
    accuracy = ShareField(help_text="Share of them that are right")
    interval = IntervalField(help_text="95 % interval of the accuracy")
    macro_accuracy = ShareField(help_text="Mean of the types' accuracies")
    top5 = ShareField(help_text="Share with the right type among the five likeliest")
    category_accuracy = ShareField(help_text="Share whose category is right")
    ece = ShareField(help_text="Expected calibration error of the confidences")
    street = ShareField(help_text="Accuracy on photos as people take them")
    catalogue = ShareField(help_text="Accuracy on catalogue photos")
    sentences = serializers.ListField(
        child=serializers.CharField(), help_text="The same for people, the most important first"
    )


class VersionSerializer(serializers.Serializer):
    """A version of the model."""

    number = serializers.IntegerField(min_value=1)
    version = serializers.CharField(help_text="First twelve digits of the digest")
    digest = serializers.CharField(help_text="SHA-256 of its card")
    name = serializers.CharField()
    active = serializers.BooleanField(help_text="Whether it answers where none is named")
    created = serializers.DateTimeField()
    classes = serializers.ListField(
        child=serializers.SlugField(), help_text="Slugs of the types it learnt, as it knew them"
    )
    metrics = MetricsSerializer(allow_null=True, help_text="Null where it was never judged")


class VersionTypeSerializer(AccuracySerializer):
    """How often a version is right about one type."""

    slug = serializers.SlugField()


class VersionInFullSerializer(VersionSerializer):
    """A version, with its figures type by type."""

    types = VersionTypeSerializer(many=True, help_text="Today's types that it can answer")
