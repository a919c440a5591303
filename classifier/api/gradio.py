"""Answer as a Gradio 3 app does, which such models are often served by: image in, label out."""

import threading
import time

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.response import Response

from classifier.api import parsers
from classifier.api.compatibility import AUTH, ERRORS, CompatibilityView, top_labels
from classifier.api.request_photos import BadJson, check_number, from_base64


class _Durations:
    """The mean of the durations of this process's answers, in seconds."""

    def __init__(self):
        self._lock, self._sum, self._number = threading.Lock(), 0.0, 0

    def add(self, seconds: float) -> float:
        """Add a duration; returns the mean."""
        with self._lock:
            self._sum, self._number = self._sum + seconds, self._number + 1
            return self._sum / self._number


_durations = _Durations()


@extend_schema_serializer(component_name="GradioAskedShape")
class GradioRequestSerializer(serializers.Serializer):
    """A request of Gradio's clients; other fields that they send are ignored."""

    data = serializers.ListField(
        child=serializers.CharField(), min_length=1, max_length=1, help_text="A data: address"
    )


class GradioConfidenceSerializer(serializers.Serializer):
    """One label."""

    label = serializers.CharField()
    confidence = serializers.FloatField(min_value=0, max_value=1)


class GradioLabelSerializer(serializers.Serializer):
    """Gradio's Label."""

    label = serializers.CharField()
    confidences = GradioConfidenceSerializer(many=True)


@extend_schema_serializer(component_name="GradioSaidShape")
class GradioResponseSerializer(serializers.Serializer):
    """An answer as Gradio's."""

    data = GradioLabelSerializer(many=True)
    is_generating = serializers.BooleanField()
    duration = serializers.FloatField(help_text="Seconds")
    average_duration = serializers.FloatField(help_text="Seconds, of this process")


class GradioView(CompatibilityView):
    """`POST /run/predict` and `POST /api/predict`."""

    parser_classes = [parsers.JsonParser]

    @extend_schema(
        operation_id="gradio_predict",
        summary="As a Gradio 3 app would answer",
        description="For clients of an earlier deployment. The five likeliest types, whatever the "
        "verdict, under the first model's class names, letter for letter. New clients should use "
        "`/api/v1/predictions/`, which also says when it is not sure. `/run/predict` is the same.",
        tags=["compatibility"],
        auth=AUTH,
        request=GradioRequestSerializer,
        responses={200: GradioResponseSerializer, **ERRORS},
        examples=[
            OpenApiExample(
                "A photo", {"data": ["data:image/jpeg;base64,/9j/4AAQSkZJRg…"]}, request_only=True
            )
        ],
    )
    def post(self, request):
        started = time.monotonic()
        inputs = request.data.get("data")
        if not isinstance(inputs, list):
            raise BadJson("it has no list 'data'")
        check_number(inputs)
        if len(inputs) > 1:
            raise BadJson("'data' has more than the photo")
        # Older clients send {"name": …, "data": …}.
        photo = inputs[0].get("data") if isinstance(inputs[0], dict) else inputs[0]
        labels = [
            {"label": label, "confidence": confidence}
            for label, confidence in top_labels(from_base64(photo))
        ]
        duration = time.monotonic() - started
        body = {
            "data": [{"label": labels[0]["label"] if labels else "", "confidences": labels}],
            "is_generating": False,
            "duration": duration,
            "average_duration": _durations.add(duration),
        }
        return Response(body, headers={"Cache-Control": "no-store"})
