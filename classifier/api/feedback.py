"""Feedback on an answer, and removing a photo that was given with it."""

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from classifier.answers import feedback
from classifier.api import examples, parsers
from classifier.api.request_photos import FIELD
from classifier.api.views import PublicView
from classifier.errors import AnswerExpired, AnswerUnknown, SeveralPhotos
from curation.images import EmptyImage
from shoeproject.api.idempotency import IdempotentMixin
from shoeproject.api.views import validated


@extend_schema_field(OpenApiTypes.BINARY)
class PhotoField(serializers.Field):
    """A file of a form, or base64 in JSON, as bytes.

    Raises `NotBase64`, `ImageTooLarge` and `EmptyImage`.
    """

    def to_internal_value(self, data) -> bytes:
        photo = parsers.photo_bytes(data)
        if not photo:
            raise EmptyImage()
        return photo


class FeedbackSerializer(serializers.Serializer):
    """What a visitor says about an answer."""

    # An answer's id has some 400 characters.
    id = serializers.CharField(max_length=4000, help_text="The answer's")
    right = serializers.BooleanField(help_text="Whether the answer is right")
    type = serializers.CharField(
        required=False, allow_blank=True, max_length=50, help_text="Slug of what it is, if known"
    )
    image = PhotoField(
        required=False, help_text="The photo: a file, or in JSON base64 or a data: address"
    )
    consent = serializers.BooleanField(
        required=False, help_text=f"True with a photo. It means: {feedback.CONSENT}"
    )


class FeedbackGivenSerializer(serializers.Serializer):
    """The result of a feedback."""

    type = serializers.SlugField(
        allow_null=True, help_text="The type that it is counted for; null if none"
    )
    photo = serializers.ChoiceField(
        ["stored", "known"],
        allow_null=True,
        help_text="known: the photo, or a copy, is or was here, so nothing was stored",
    )
    code = serializers.CharField(
        required=False,
        help_text="Only with a stored photo, and only now: the code to have it removed",
    )


class WithdrawalSerializer(serializers.Serializer):
    """The code of a photo that is to be removed."""

    code = serializers.CharField(max_length=100, help_text="As it was given; case does not count")


class FeedbackView(IdempotentMixin, parsers.BodyLengthMixin, PublicView):
    """`POST /api/v1/feedback/`."""

    parser_classes = [parsers.JsonParser, parsers.FormParser]
    scope = throttle_scope = "feedback"
    problems = {
        "POST": [
            *examples.PHOTO_PROBLEMS,
            exceptions.ValidationError({"right": ["This field is required."]}),
            AnswerUnknown(),
            AnswerExpired(),
            feedback.FeedbackGiven(),
            feedback.TypeUnknown("moon-boots"),
            feedback.FeedbackContradicts(),
            feedback.ConsentMissing(),
            feedback.NoRoom(),
            SeveralPhotos(2),
        ]
    }

    @extend_schema(
        operation_id="give_feedback",
        summary="Say whether an answer was right",
        description="One answer takes one feedback. A photo is kept only with consent; it is "
        "looked at by people before anything learns from it. The code in the answer has it removed "
        f"again. A photo may have {settings.IMAGE_MAX_BYTES // 1024**2} MB.",
        tags=["feedback"],
        request={"application/json": FeedbackSerializer, "multipart/form-data": FeedbackSerializer},
        responses={201: FeedbackGivenSerializer},
        examples=[
            OpenApiExample(
                "It is something else",
                {"id": "eyJ2ZXJzaW9uIjoi…:1wF3aZ:kq0…", "right": False, "type": "loafers"},
                request_only=True,
                media_type="application/json",
            ),
            OpenApiExample(
                "With a photo",
                {"type": "loafers", "photo": "stored", "code": "K7QF9-2MXWD-H4TZR-8BNCE"},
                response_only=True,
                status_codes=["201"],
            ),
        ],
    )
    def post(self, request):
        fields = validated(FeedbackSerializer, _one_photo(request.data))
        photo = fields.get("image")
        if photo is not None and not fields.get("consent"):
            raise feedback.ConsentMissing()
        given = feedback.give(fields["id"], fields["right"], fields.get("type", ""), photo)
        shoe_type = given.feedback.shoe_type
        body = {"type": shoe_type and shoe_type.slug, "photo": given.photo or None}
        if given.code:
            body["code"] = given.code
        return Response(body, 201, headers={"Cache-Control": "no-store"})


class WithdrawView(parsers.BodyLengthMixin, PublicView):
    """`POST` or `DELETE /api/v1/feedback/withdraw/`."""

    parser_classes = [parsers.JsonParser, parsers.FormParser]
    scope = throttle_scope = "feedback"
    problems = dict.fromkeys(
        ("POST", "DELETE"),
        [
            *examples.BODY_PROBLEMS,
            exceptions.ValidationError({"code": ["This field is required."]}),
            feedback.WithdrawalUnknown(),
        ],
    )
    described = {
        "summary": "Have a photo removed that was given with feedback",
        "description": "For good, with everything made of it. Sent again, it does no harm. "
        "`DELETE` does the same where a client can send a body with it.",
        "tags": ["feedback"],
        "request": {
            "application/json": WithdrawalSerializer,
            "multipart/form-data": WithdrawalSerializer,
        },
        "responses": {204: None},
    }

    @extend_schema(operation_id="withdraw_photo", **described)
    def post(self, request):
        feedback.withdraw(validated(WithdrawalSerializer, _one_photo(request.data))["code"])
        return Response(status=204, headers={"Cache-Control": "no-store"})

    @extend_schema(operation_id="delete_photo", **{**described, "request": None})
    def delete(self, request):
        return self.post(request)


def _one_photo(data):
    """The data, if it has one photo at most. Raises `SeveralPhotos`."""
    if hasattr(data, "getlist") and len(photos := data.getlist(FIELD)) > 1:
        raise SeveralPhotos(len(photos))
    return data
