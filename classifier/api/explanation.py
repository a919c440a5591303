"""The query parameter `explain`, and an answer's explanation for the schema."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions, serializers

from classifier.answers import nearest
from classifier.api.accuracy import AccuracySerializer, ConfidenceSerializer

EXPLAIN = OpenApiParameter(
    "explain",
    enum=("1", "0"),
    description="1: with the key `explain`, why the answer is what it is",
)


def is_requested(request) -> bool:
    """Whether the query asks for an explanation. Raises `ParseError` unless it is 1 or 0."""
    value = request.query_params.get("explain", "0")
    if value not in EXPLAIN.enum:
        raise exceptions.ParseError("explain is 1 or 0")
    return value == "1"


class MapSerializer(serializers.Serializer):
    """The class activation map: which parts of the photo speak for the type."""

    rows = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(min_value=0, max_value=1)),
        help_text="From top to bottom: 1 where most speaks for the type, 0 where nothing does",
    )
    box = serializers.ListField(
        child=serializers.FloatField(min_value=0, max_value=1),
        min_length=4,
        max_length=4,
        help_text="The part of the upright photo that the rows cover: left, top, right and bottom "
        "in shares of its sides",
    )
    where = serializers.CharField(
        help_text="The same in words, as the end of a sentence: “mostly in the lower left”"
    )


class NearestPhotoSerializer(serializers.Serializer):
    """A confirmed photograph of the type. Name its licence, and its page, where you show it."""

    url = serializers.CharField(help_text="A small JPEG, as a path on this site")
    type = serializers.SlugField()
    name = serializers.CharField(help_text="Of the type")
    licence = serializers.CharField()
    title = serializers.CharField(help_text="May be empty")
    page_url = serializers.CharField(allow_null=True, help_text="Where it was found, if known")
    similarity = serializers.FloatField(
        min_value=-1, max_value=1, help_text="To the photo sent, as the model sees both; 1 is same"
    )


class NearestSerializer(serializers.Serializer):
    """The most similar confirmed photographs of the type that may be shown."""

    state = serializers.ChoiceField(
        nearest.STATES,
        help_text="ready: here they are. none: there is none that may be shown. not-assessed: "
        "this model has not looked at the photographs yet",
    )
    photos = NearestPhotoSerializer(many=True, help_text="Most alike first")


class RunnerUpSerializer(ConfidenceSerializer):
    """The second of `top`, and how it differs from the first."""

    differs = serializers.ListField(
        child=serializers.CharField(), help_text="Sentences of the guide"
    )
    about = serializers.ListField(
        child=serializers.SlugField(),
        help_text="For each sentence the slug of the type that it stands with in the guide",
    )


class TrustSerializer(AccuracySerializer):
    """How often the model is right about the first of `top`, on test photos."""

    sentence = serializers.CharField(help_text="The same for people; may be empty")


class ExplainSerializer(serializers.Serializer):
    """An answer's explanation. All of it is about the first of `top`."""

    map = MapSerializer(
        allow_null=True,
        help_text="Null for models that cannot tell. With verdict not_a_shoe: what speaks for that",
    )
    nearest = NearestSerializer()
    runner_up = RunnerUpSerializer(
        allow_null=True, help_text="Null below a confidence of 0.01 and with verdict not_a_shoe"
    )
    trust = TrustSerializer(allow_null=True, help_text="Null with verdict not_a_shoe")
