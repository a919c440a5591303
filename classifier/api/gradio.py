"""The door of a Gradio 3 app, which such models are often served by: an image in, a label out."""

import threading
import time

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from classifier.api import parsers
from classifier.api.compatibility import AUTH, ForeignView, labelled
from classifier.api.request_photos import BadJson, check_number, from_base64


class _Mean:
    """The mean of what this process has taken, in seconds."""

    def __init__(self):
        self._lock, self._sum, self._number = threading.Lock(), 0.0, 0

    def add(self, seconds: float) -> float:
        with self._lock:
            self._sum, self._number = self._sum + seconds, self._number + 1
            return self._sum / self._number


_mean = _Mean()


class GradioAskedShape(serializers.Serializer):
    """As Gradio's clients send it; what else they send is not read."""

    data = serializers.ListField(
        child=serializers.CharField(), min_length=1, max_length=1, help_text="A data: address"
    )


class GradioConfidenceShape(serializers.Serializer):
    """One label."""

    label = serializers.CharField()
    confidence = serializers.FloatField(min_value=0, max_value=1)


class GradioLabelShape(serializers.Serializer):
    """Gradio's Label."""

    label = serializers.CharField()
    confidences = GradioConfidenceShape(many=True)


class GradioSaidShape(serializers.Serializer):
    """As Gradio answers."""

    data = GradioLabelShape(many=True)
    is_generating = serializers.BooleanField()
    duration = serializers.FloatField(help_text="Seconds")
    average_duration = serializers.FloatField(help_text="Seconds, of this process")


class ForeignErrorShape(serializers.Serializer):
    """What such clients read of an error."""

    error = serializers.CharField()
    code = serializers.SlugField()


ERRORS = {
    status: OpenApiResponse(ForeignErrorShape, words)
    for status, words in (
        (400, "No photo, or none that can be read"),
        (401, "A token that does not count"),
        (403, "A token for something else"),
        (411, "No Content-Length"),
        (413, "Too large"),
        (415, "Not a picture"),
        (429, "Too many requests"),
        (503, "No model, or too busy"),
    )
}


class GradioView(ForeignView):
    """`POST /run/predict` and `POST /api/predict`."""

    parser_classes = [parsers.Json]

    @extend_schema(
        operation_id="gradio_predict",
        summary="As a Gradio 3 app would answer",
        description="For clients of an earlier deployment. The five likeliest types, whatever the "
        "verdict, under the first model's class names, letter for letter. New clients had better "
        "use `/api/v1/predictions/`, which also says when it is not sure. `/run/predict` is the "
        "same.",
        tags=["compatibility"],
        auth=AUTH,
        request=GradioAskedShape,
        responses={200: GradioSaidShape, **ERRORS},
        examples=[
            OpenApiExample(
                "A photo", {"data": ["data:image/jpeg;base64,/9j/4AAQSkZJRg…"]}, request_only=True
            )
        ],
    )
    def post(self, request):
        """Answer one photo."""
        started = time.monotonic()
        asked = request.data.get("data")
        if not isinstance(asked, list):
            raise BadJson("it has no list 'data'")
        check_number(asked)
        if len(asked) > 1:
            raise BadJson("'data' has more than the photo")
        sent = asked[0].get("data") if isinstance(asked[0], dict) else asked[0]
        labels = [
            {"label": name, "confidence": share} for name, share in labelled(from_base64(sent))
        ]
        taken = time.monotonic() - started
        body = {
            "data": [{"label": labels[0]["label"] if labels else "", "confidences": labels}],
            "is_generating": False,
            "duration": taken,
            "average_duration": _mean.add(taken),
        }
        return Response(body, headers={"Cache-Control": "no-store"})
