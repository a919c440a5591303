"""Photos in, answers out; and an answer that was given before."""

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import exceptions
from rest_framework.response import Response

from classifier.answers import answer, past
from classifier.api import examples, explanation, parsers, serializers
from classifier.api.guide import PublicView
from classifier.errors import (
    AnswerExpired,
    AnswerUnknown,
    ModelBusy,
    ModelUnknown,
    ModelUnloadable,
    TooBusy,
)
from classifier.registry import store
from shoeproject.api import problems, throttles
from shoeproject.errors import ProjectError

MODEL = OpenApiParameter(
    "model",
    str,
    description="Which version answers: its number, at least twelve digits of its digest, or "
    "“active”, which it is where nothing is said. See the list of models",
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
# What a request may bring. A FileField would be drawn as the address of a stored file.
BODIES = {
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


class PredictionsView(parsers.PlaceFirst, PublicView):
    """`POST /api/v1/predictions/`."""

    parser_classes = [parsers.Form, parsers.Json, parsers.RawPhoto, parsers.RawBytes]
    scope = throttle_scope = "predict"

    @extend_schema(
        operation_id="predict",
        summary="Recognise the shoe in a photo, or in several",
        description=DESCRIPTION,
        tags=["predictions"],
        parameters=[MODEL, explanation.ASKED],
        request=BODIES,
        examples=[*examples.ANSWERS, examples.SEVERAL],
        responses={
            200: PolymorphicProxySerializer(
                "AnswerOrAnswersShape",
                [serializers.AnswerShape, serializers.AnswersShape],
                resource_type_field_name=None,
            ),
            **examples.problem_responses(
                *examples.PHOTO_ERRORS,
                exceptions.UnsupportedMediaType("text/plain"),
                ModelUnknown(),
                ModelUnloadable("3f9c1d0a77e2"),
                ModelBusy(10),
            ),
        },
    )
    def post(self, request):
        """Answer one photo, or each of several."""
        photos, several = parsers.photos(request)
        served = store.pinned(request.query_params.get("model") or "active")
        why = explanation.is_asked(request)
        if several:
            body = {"predictions": _each(request, photos, why, served)}
        else:
            body = answer.recognise(parsers.content(photos[0]), why, served)
        return Response(body, headers={"Cache-Control": "no-store"})


def _each(request, photos: list, why: bool, served: store.Served) -> list[dict]:
    """An answer or an error for each. Every photo counts for the rate, the first did already. Where
    even that one finds no place, the whole request is refused."""
    results = []
    for sent in photos:
        try:
            if results:
                throttles.check(request, PredictionsView.throttle_scope)
            results.append(answer.recognise(parsers.content(sent), why, served))
        except (ProjectError, exceptions.Throttled) as error:
            if isinstance(error, TooBusy) and not results:
                raise
            problem = problems.describe(error)
            results.append({"error": {"code": problem.code, "detail": problem.detail}})
    return results


class AnswerView(PublicView):
    """`GET /api/v1/answers/<id>/`."""

    @extend_schema(
        operation_id="get_answer",
        summary="An answer that was given before",
        description="Read from its signed id, in the words of today's guide. The id holds no "
        "photo, and nothing was stored.",
        tags=["predictions"],
        responses={
            200: serializers.PastAnswerShape,
            **examples.problem_responses(AnswerUnknown(), AnswerExpired()),
        },
        examples=[examples.PAST],
    )
    def get(self, request, answer_id):
        """Read it."""
        return Response(past.read(answer_id), headers={"Cache-Control": "private, max-age=60"})
