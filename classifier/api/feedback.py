"""What visitors say back, and taking a photo back that came with it."""

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from classifier.answers import feedback
from classifier.api import examples, parsers
from classifier.api.guide import PublicView
from classifier.api.request_photos import FIELD, BadJson, BodyTooLarge, NotBase64
from classifier.errors import AnswerExpired, AnswerUnknown, LengthMissing, SeveralPhotos, TooBusy
from curation.images import BrokenImage, EmptyImage, ImageTooLarge, UnsupportedFormat
from shoeproject.api.base import IDEMPOTENCY_KEY
from shoeproject.api.idempotency import IdempotentMixin, KeyBusy, KeyReused

ID_LENGTH = 4000  # an answer's id has some 400 characters


@extend_schema_field(OpenApiTypes.BINARY)
class PhotoField(serializers.Field):
    """A file of a form, or base64 in JSON; bytes either way."""

    def to_internal_value(self, sent) -> bytes:
        """Raises `NotBase64` and `ImageTooLarge`; an empty file is `EmptyImage`."""
        data = parsers.content(sent)
        if not data:
            raise EmptyImage()
        return data

    def to_representation(self, value):
        """It is never sent back."""
        raise NotImplementedError


class FeedbackShape(serializers.Serializer):
    """What a visitor says about an answer."""

    id = serializers.CharField(max_length=ID_LENGTH, help_text="The answer's")
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


class FeedbackGivenShape(serializers.Serializer):
    """What became of it."""

    type = serializers.SlugField(allow_null=True, help_text="What it counts as; null if open")
    photo = serializers.ChoiceField(
        ["stored", "known"],
        allow_null=True,
        help_text="known: the photo, or a copy, is or was here, so nothing was stored",
    )
    code = serializers.CharField(
        required=False,
        help_text="Only with a stored photo, and only now: it has the photo removed",
    )


class WithdrawalShape(serializers.Serializer):
    """Which photo."""

    code = serializers.CharField(max_length=100, help_text="As it was given; case does not count")


class FeedbackView(IdempotentMixin, parsers.LengthFirst, PublicView):
    """`POST /api/v1/feedback/`."""

    parser_classes = [parsers.Json, parsers.Form]
    scope = throttle_scope = "feedback"

    @extend_schema(
        operation_id="give_feedback",
        summary="Say whether an answer was right",
        description="One answer takes one feedback. A photo is kept only with consent; it is "
        "looked at by people before anything learns from it. The code in the answer has it removed "
        f"again. A photo may have {settings.IMAGE_MAX_BYTES // 1024**2} MB.",
        tags=["feedback"],
        parameters=[IDEMPOTENCY_KEY],
        request={"application/json": FeedbackShape, "multipart/form-data": FeedbackShape},
        responses={
            201: FeedbackGivenShape,
            **examples.problem_responses(
                exceptions.ValidationError({"right": ["This field is required."]}),
                exceptions.UnsupportedMediaType("text/plain"),
                KeyBusy(),
                KeyReused(),
                AnswerUnknown(),
                AnswerExpired(),
                feedback.FeedbackGiven(),
                feedback.TypeUnknown("moon-boots"),
                feedback.FeedbackContradicts(),
                feedback.ConsentMissing(),
                feedback.NoRoom(),
                BadJson("it is not valid"),
                NotBase64(),
                SeveralPhotos(2),
                EmptyImage(),
                BrokenImage("image file is truncated"),
                ImageTooLarge(31_457_280, 20_971_520),
                BodyTooLarge(83_886_080, 50_331_648),
                UnsupportedFormat("a PDF"),
                LengthMissing(),
                TooBusy(2),
            ),
        },
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
        """Take it in."""
        said = FeedbackShape(data=_fields(request.data))
        said.is_valid(raise_exception=True)
        said = said.validated_data
        photo = said.get("image")
        if photo is not None and not said.get("consent"):
            raise feedback.ConsentMissing()
        given = feedback.give(said["id"], said["right"], said.get("type", ""), photo)
        what = given.feedback.shoe_type
        body = {"type": what and what.slug, "photo": given.photo or None}
        if given.code:
            body["code"] = given.code
        return Response(body, 201, headers={"Cache-Control": "no-store"})


class WithdrawView(parsers.LengthFirst, PublicView):
    """`POST` or `DELETE /api/v1/feedback/withdraw/`."""

    parser_classes = [parsers.Json, parsers.Form]
    scope = throttle_scope = "feedback"
    described = {
        "summary": "Have a photo removed that was given with feedback",
        "description": "For good, with everything made of it. Sent again, it does no harm. "
        "`DELETE` does the same where a client can send a body with it.",
        "tags": ["feedback"],
        "request": {"application/json": WithdrawalShape, "multipart/form-data": WithdrawalShape},
        "responses": {
            204: None,
            **examples.problem_responses(
                feedback.WithdrawalUnknown(),
                exceptions.ValidationError({"code": ["This field is required."]}),
                exceptions.UnsupportedMediaType("text/plain"),
                BadJson("it is not valid"),
                BodyTooLarge(83_886_080, 50_331_648),
                LengthMissing(),
            ),
        },
    }

    @extend_schema(operation_id="withdraw_photo", **described)
    def post(self, request):
        """Remove it."""
        code = WithdrawalShape(data=_fields(request.data))
        code.is_valid(raise_exception=True)
        feedback.withdraw(code.validated_data["code"])
        return Response(status=204, headers={"Cache-Control": "no-store"})

    @extend_schema(operation_id="delete_photo", **{**described, "request": None})
    def delete(self, request):
        """The same."""
        return self.post(request)


def _fields(data) -> dict:
    """A form's fields as JSON would have them: REST framework takes a missing box for “no”."""
    if not hasattr(data, "getlist"):
        return data
    if len(photos := data.getlist(FIELD)) > 1:
        raise SeveralPhotos(len(photos))
    return data.dict()
