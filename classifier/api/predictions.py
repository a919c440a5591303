"""Predictions: answer photos, and read an earlier answer from its id."""

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import exceptions
from rest_framework.response import Response

from classifier.answers import answer
from classifier.api import examples, explanation, parsers
from classifier.api.request_photos import TooManyPhotos
from classifier.api.serializers import AnswerSerializer, AnswersSerializer, PastAnswerSerializer
from classifier.api.views import PublicView
from classifier.errors import (
    AnswerExpired,
    AnswerUnknown,
    ModelBusy,
    ModelUnknown,
    ModelUnloadable,
    NoActiveModel,
    PhotoMissing,
    TooBusy,
)
from classifier.registry import serving
from curation.images import SideTooLong, TooManyPixels
from shoeproject.api import problems, throttles
from shoeproject.errors import ProjectError

MODEL = OpenApiParameter(
    "model",
    str,
    description="Which version answers: its number, at least twelve digits of its digest, or "
    "“active”, which is the default. See the list of models",
)
_MB = 1024**2
DESCRIPTION = f"""One photo, or several, in one of four ways:

- a form (`multipart/form-data`) with one or more files `image`;
- a body that is the photo (`image/jpeg` and the like, or `application/octet-stream`);
- JSON with one: `{{"image": "…"}}`, in base64 or as a `data:` address;
- JSON with several: `{{"images": ["…", "…"]}}`.

The answer to one photo is an answer. That to several (`images`, or a form with more than one file)
is a list in their order, in which a photo that cannot be answered has an error in its place.

A photo may have {settings.IMAGE_MAX_BYTES // _MB} MB, a request {settings.PREDICT_MOST_PHOTOS}
photos and {settings.PREDICT_MOST_BYTES // _MB} MB as it is sent; each photo counts for the rate.
The photos are read, answered and forgotten: nothing is stored.
"""
_PICTURE = {
    "type": "string",
    "format": "binary",
    "description": "A photo as JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC",
}
_TEXT = {"type": "string", "description": "A photo in base64, or a data: address of it"}
_SEVERAL = {"type": "array", "minItems": 1, "maxItems": settings.PREDICT_MOST_PHOTOS}
# What a request may send. A FileField would be drawn as the address of a stored file.
REQUEST = {
    "multipart/form-data": {
        "type": "object",
        "required": ["image"],
        "properties": {"image": {**_SEVERAL, "items": _PICTURE}},
    },
    "application/json": {
        "oneOf": [
            {"type": "object", "required": ["image"], "properties": {"image": _TEXT}},
            {
                "type": "object",
                "required": ["images"],
                "properties": {"images": {**_SEVERAL, "items": _TEXT}},
            },
        ]
    },
    "image/*": _PICTURE,
    "application/octet-stream": _PICTURE,
}


class PredictionsView(parsers.CapacityMixin, PublicView):
    """`POST /api/v1/predictions/`."""

    parser_classes = [
        parsers.FormParser,
        parsers.JsonParser,
        parsers.PhotoParser,
        parsers.OctetStreamParser,
    ]
    scope = throttle_scope = "predict"
    problems = {
        "POST": [
            *examples.PHOTO_PROBLEMS,
            PhotoMissing(),
            TooManyPhotos(40, 16),
            TooManyPixels(9000, 7000, 50_000_000),
            SideTooLong(40_000, 20, 32_768),
            NoActiveModel(),
            ModelUnknown(),
            ModelUnloadable("3f9c1d0a77e2"),
            ModelBusy(10),
        ]
    }

    @extend_schema(
        operation_id="predict",
        summary="Recognise the shoe in a photo, or in several",
        description=DESCRIPTION,
        tags=["predictions"],
        parameters=[MODEL, explanation.EXPLAIN],
        request=REQUEST,
        examples=[*examples.ANSWERS, examples.SEVERAL],
        responses={
            200: PolymorphicProxySerializer(
                "AnswerOrAnswersShape",
                [AnswerSerializer, AnswersSerializer],
                resource_type_field_name=None,
            )
        },
    )
    def post(self, request):
        photos, several = parsers.get_photos(request)
        served = serving.pinned(request.query_params.get("model") or "active")
        explain = explanation.is_requested(request)
        if several:
            body = {"predictions": _answer_each(request, photos, explain, served)}
        else:
            body = answer.recognise(parsers.photo_bytes(photos[0]), explain, served)
        return Response(body, headers={"Cache-Control": "no-store"})


def _answer_each(request, photos: list, explain: bool, served: serving.Served) -> list[dict]:
    """An answer or an error for each photo.

    Each counts for the rate limit; the first has been counted already. Raises `TooBusy` if there
    is no capacity even for the first.
    """
    results = []
    for photo in photos:
        try:
            if results:
                throttles.check(request, PredictionsView.throttle_scope)
            results.append(answer.recognise(parsers.photo_bytes(photo), explain, served))
        except (ProjectError, exceptions.Throttled) as error:
            if isinstance(error, TooBusy) and not results:
                raise
            problem = problems.describe(error)
            results.append({"error": {"code": problem.code, "detail": problem.detail}})
    return results


class AnswerView(PublicView):
    """`GET /api/v1/answers/<id>/`."""

    problems = {"GET": [AnswerUnknown(), AnswerExpired()]}

    @extend_schema(
        operation_id="get_answer",
        summary="An answer that was given before",
        description="Read from its signed id, with the text of today's guide. The id holds no "
        "photo, and nothing was stored.",
        tags=["predictions"],
        responses={200: PastAnswerSerializer},
        examples=[examples.PAST],
    )
    def get(self, request, answer_id):
        return Response(answer.from_id(answer_id), headers={"Cache-Control": "private, max-age=60"})
