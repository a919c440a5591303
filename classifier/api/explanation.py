"""The shape of an answer's explanation, for the schema."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions, serializers

from classifier.answers import nearest
from classifier.api.accuracy import AccuracyShape

WORDS = ("1", "0")
ASKED = OpenApiParameter(
    "explain",
    enum=WORDS,
    description="1: with the key `explain`, why the answer is what it is",
)


def is_asked(request) -> bool:
    """Whether the address asks for an explanation. Raises `ParseError` for what is no answer."""
    said = request.query_params.get("explain", "0")
    if said not in WORDS:
        raise exceptions.ParseError("explain is 1 or 0")
    return said == "1"


class MapShape(serializers.Serializer):
    """Where in the photo it was seen."""

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


class NearestPhotoShape(serializers.Serializer):
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


class NearestShape(serializers.Serializer):
    """The confirmed photographs of the type that are most alike, as far as they are free."""

    state = serializers.ChoiceField(
        nearest.STATES,
        help_text="ready: here they are. none: there is none that may be shown. not-assessed: "
        "this model has not looked at the photographs yet",
    )
    photos = NearestPhotoShape(many=True, help_text="Most alike first")


class RunnerUpShape(serializers.Serializer):
    """The second of `top`, and what tells it from the first."""

    slug = serializers.SlugField()
    name = serializers.CharField()
    confidence = serializers.FloatField(min_value=0, max_value=1)
    differs = serializers.ListField(
        child=serializers.CharField(), help_text="Sentences of the guide"
    )
    about = serializers.ListField(
        child=serializers.SlugField(),
        help_text="For each sentence the slug of the type that it stands with in the guide",
    )


class TrustShape(AccuracyShape):
    """How often the model is right about the first of `top`, on test photos."""

    message = serializers.CharField(help_text="The same for people; may be empty")


class ExplainShape(serializers.Serializer):
    """Why an answer is what it is. All of it is about the first of `top`."""

    map = MapShape(
        allow_null=True,
        help_text="Null for models that cannot tell. With verdict not_a_shoe: what speaks for that",
    )
    nearest = NearestShape()
    runner_up = RunnerUpShape(
        allow_null=True, help_text="Null below a confidence of 0.01 and with verdict not_a_shoe"
    )
    trust = TrustShape(allow_null=True, help_text="Null with verdict not_a_shoe")
