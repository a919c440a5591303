"""Answer as Hugging Face's inference API for image classification does."""

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.response import Response

from classifier.api.compatibility import AUTH, ERRORS, CompatibilityView, top_labels
from classifier.api.parsers import JsonParser, PhotoParser
from classifier.api.request_photos import from_base64
from classifier.errors import ClassifierError, PhotoMissing

MAX_LABELS = 5
IMAGE = {"type": "string", "format": "binary"}


class BadParameter(ClassifierError):
    """A parameter has a value that is not allowed."""

    name: str
    allowed: str
    code = "parameter_invalid"
    message = "The parameter {name} is {allowed}."


class AnyTypeParser(PhotoParser):
    """JSON if the type says so, else the photo itself: clients send any type, or none.

    Returns a dict or bytes; raises `BadJson` and `ImageTooLarge`.
    """

    media_type = "*/*"

    def parse(self, stream, media_type=None, parser_context=None):
        if (media_type or "").lower().startswith("application/json"):
            return JsonParser().parse(stream)
        return super().parse(stream, media_type, parser_context)


class HuggingFaceParametersSerializer(serializers.Serializer):
    """Options of a request."""

    top_k = serializers.IntegerField(min_value=1, required=False, help_text="Labels, five at most")
    function_to_apply = serializers.ChoiceField(["softmax"], required=False)


@extend_schema_serializer(component_name="HuggingFaceAskedShape")
class HuggingFaceRequestSerializer(serializers.Serializer):
    """A photo in JSON."""

    inputs = serializers.CharField(help_text="The photo in base64")
    parameters = HuggingFaceParametersSerializer(required=False)


class HuggingFaceScoreSerializer(serializers.Serializer):
    """One label."""

    label = serializers.CharField()
    score = serializers.FloatField(min_value=0, max_value=1)


class HuggingFaceView(CompatibilityView):
    """`POST /models/shoe-type-recognizer`."""

    parser_classes = [AnyTypeParser]

    @extend_schema(
        operation_id="huggingface_image_classification",
        summary="As Hugging Face's inference API would answer",
        description="For `huggingface_hub.InferenceClient(model=…).image_classification` and the "
        "like. The likeliest types, five at most, whatever the verdict, under the first model's "
        "class names.",
        tags=["compatibility"],
        auth=AUTH,
        request={
            "image/*": IMAGE,
            "application/octet-stream": IMAGE,
            "application/json": HuggingFaceRequestSerializer,
        },
        responses={200: HuggingFaceScoreSerializer(many=True), **ERRORS},
        examples=[
            OpenApiExample(
                "An answer", {"label": "Chelsea Boot", "score": 0.8713}, response_only=True
            )
        ],
    )
    def post(self, request):
        number, photo = MAX_LABELS, request.data
        if not isinstance(photo, bytes):
            if not photo.get("inputs"):
                raise PhotoMissing()
            number = _number(photo.get("parameters"))
            photo = from_base64(photo["inputs"])
        scores = [
            {"label": label, "score": confidence}
            for label, confidence in top_labels(photo)[:number]
        ]
        return Response(scores, headers={"Cache-Control": "no-store"})


def _number(parameters) -> int:
    """The number of labels in the answer, five at most. Raises `BadParameter`."""
    parameters = {} if parameters is None else parameters
    if not isinstance(parameters, dict):
        raise BadParameter("parameters", "an object")
    if parameters.get("function_to_apply") not in (None, "softmax"):
        raise BadParameter("function_to_apply", "“softmax”, if it is there")
    number = MAX_LABELS if parameters.get("top_k") is None else parameters["top_k"]
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise BadParameter("top_k", "a whole number from 1 on")
    return min(number, MAX_LABELS)
