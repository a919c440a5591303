"""The shapes of the API: the guide is written with them, and the schema is drawn from all."""

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from classifier.answers.answer import DIGITS
from classifier.api.accuracy import AccuracyShape, interval_field
from classifier.api.explanation import ExplainShape
from classifier.evaluation.report import TypeTrust
from curation.models import Category, ShoeType

VERDICTS = ["type", "category", "unsure", "not_a_shoe"]


class TypeShape(serializers.ModelSerializer):
    """A type of the guide. Needs `learnt`, a set of slugs, and `trust`, a TypeTrust by slug, in
    the context."""

    category = serializers.SlugRelatedField("slug", read_only=True)
    pros = serializers.ListField(child=serializers.CharField())
    cons = serializers.ListField(child=serializers.CharField())
    distinction = serializers.ListField(
        child=serializers.CharField(), help_text="How to tell this type from its neighbours"
    )
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
        """Whether the active model can answer this type."""
        return row.slug in self.context["learnt"]

    @extend_schema_field(AccuracyShape(allow_null=True))
    def get_accuracy(self, row):
        """What was measured of this type."""
        trust = self.context["trust"].get(row.slug)
        return trust and accuracy(trust)


def _share(help_text: str) -> serializers.FloatField:
    return serializers.FloatField(min_value=0, max_value=1, allow_null=True, help_text=help_text)


def accuracy(trust: TypeTrust) -> dict:
    """What was measured of a type, as `AccuracyShape` has it."""
    return {
        "state": trust.state,
        "accuracy": rounded(trust.accuracy),
        "interval": trust.interval and [rounded(bound) for bound in trust.interval],
        "images": trust.images,
        "groups": trust.groups,
    }


def rounded(share: float | None) -> float | None:
    """A share with as many digits as a confidence has."""
    return share if share is None else round(share, DIGITS)


class CategoryShape(serializers.ModelSerializer):
    """A family of types. Needs `types`, slugs by category's slug, in the context."""

    types = serializers.SerializerMethodField(help_text="Slugs of its types")

    class Meta:
        model = Category
        fields = ["slug", "name", "types"]

    def get_types(self, row) -> list[str]:
        """Slugs of its types."""
        return self.context["types"].get(row.slug, [])


class ModelShape(serializers.Serializer):
    """Which model answered."""

    name = serializers.CharField()
    version = serializers.CharField(help_text="First twelve digits of the version's digest")


class AnsweredCategoryShape(serializers.Serializer):
    """The family of an answer."""

    slug = serializers.SlugField()
    name = serializers.CharField()
    confidence = serializers.FloatField(
        min_value=0, max_value=1, help_text="Sum of its types' confidences"
    )


class ClosestTypeShape(serializers.Serializer):
    """One of the likeliest types."""

    slug = serializers.SlugField()
    name = serializers.CharField()
    category = serializers.SlugField(help_text="Slug of its category")
    confidence = serializers.FloatField(min_value=0, max_value=1)


class AnsweredTypeShape(ClosestTypeShape):
    """The type of an answer, with the guide's text."""

    pros = serializers.ListField(child=serializers.CharField())
    cons = serializers.ListField(child=serializers.CharField())
    distinction = serializers.ListField(child=serializers.CharField())


class AnswerShape(serializers.Serializer):
    """What a photo shows."""

    id = serializers.CharField(
        help_text="Signed and expiring: hand it back with feedback. Holds no photo and no address"
    )
    verdict = serializers.ChoiceField(
        VERDICTS,
        help_text="type: named. category: only the family is clear. unsure: neither. "
        "not_a_shoe: there seems to be no shoe",
    )
    model = ModelShape()
    type = AnsweredTypeShape(allow_null=True, help_text="Only with verdict type")
    category = AnsweredCategoryShape(
        allow_null=True, help_text="Only with verdicts type and category"
    )
    top = ClosestTypeShape(
        many=True, help_text="Up to five types, likeliest first, whatever the verdict"
    )
    explain = ExplainShape(required=False, help_text="Only when asked for")


class PastAnswerShape(AnswerShape):
    """An answer read from its id. Merged types stand under the one that took them."""

    explain = None
    at = serializers.DateTimeField(help_text="When it was given")


class ItemErrorShape(serializers.Serializer):
    """Why one photo of several was not answered."""

    code = serializers.SlugField(help_text="Stable, for programs: as in problems")
    detail = serializers.CharField(help_text="What is wrong and what to do, for people")


class FailedShape(serializers.Serializer):
    """In the place of an answer."""

    error = ItemErrorShape()


@extend_schema_field(
    PolymorphicProxySerializer(
        "AnswerOrErrorShape", [AnswerShape, FailedShape], resource_type_field_name=None, many=True
    )
)
class _EachField(serializers.ListField):
    """Answers and errors."""


class AnswersShape(serializers.Serializer):
    """What several photos show, in their order."""

    predictions = _EachField()


class MetricsShape(serializers.Serializer):
    """How good a version is, on test photos; null where something was not measured."""

    images = serializers.IntegerField(min_value=0, help_text="Test photos")
    accuracy = _share("Share of them that are right")
    interval = interval_field("95 % interval of the accuracy")
    macro_accuracy = _share("Mean of the types' accuracies")
    top5 = _share("Share with the right type among the five likeliest")
    category_accuracy = _share("Share whose category is right")
    ece = _share("Expected calibration error of the confidences")
    street = _share("Accuracy on photos as people take them")
    catalogue = _share("Accuracy on catalogue photos")
    sentences = serializers.ListField(
        child=serializers.CharField(), help_text="The same for people, what says most first"
    )


class VersionShape(serializers.Serializer):
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
    metrics = MetricsShape(allow_null=True, help_text="Null where it was never judged")


class VersionTypeShape(AccuracyShape):
    """How often a version is right about one type."""

    slug = serializers.SlugField()


class VersionInFullShape(VersionShape):
    """A version, with its figures type by type."""

    types = VersionTypeShape(many=True, help_text="Today's types that it can answer")


class ProblemShape(serializers.Serializer):
    """An error, as RFC 9457 has it."""

    type = serializers.CharField(help_text="Always about:blank: `code` says which error it is")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong and what to do, for people")
    code = serializers.SlugField(help_text="Stable, for programs")
