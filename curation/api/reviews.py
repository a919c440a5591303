"""Decisions about images: list them, and decide."""

from django.conf import settings
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.response import Response

from curation.api.images import DIGEST
from curation.api.serializers import ReviewSerializer
from curation.decisions.decide import LEADS_TO, NOTE_LENGTH, decide
from curation.decisions.history import DecisionRefused
from curation.errors import CurationError
from curation.models import Review, ShoeImage, ShoeType
from shoeproject.api.pagination import MAX_KEY, ExactTextField, PageQuerySerializer
from shoeproject.api.views import ListView, validated

HEX64 = r"^[0-9a-f]{64}\Z"


class ImageUnknown(CurationError):
    """No image has this digest."""

    sha256: str
    code = "image_unknown"
    status = 404
    message = "There is no image {sha256}; give the SHA-256 of bytes as received."


class ReviewsQuerySerializer(PageQuerySerializer):
    """Which decisions."""

    image = serializers.RegexField(HEX64, source="image__sha256", required=False)
    by = ExactTextField(source="by__username", help_text="By this account")
    since = serializers.DateTimeField(source="at__gte", required=False)


class DecisionSerializer(serializers.Serializer):
    """A decision about one image or many, all of them or none."""

    action = serializers.ChoiceField(list(LEADS_TO))
    images = serializers.ListField(
        child=serializers.RegexField(HEX64), min_length=1, max_length=settings.QUEUE_DECIDE_MOST,
        help_text="SHA-256 of the images' bytes as received",
    )  # fmt: skip
    label = serializers.SlugRelatedField(
        "slug", queryset=ShoeType.objects.all(), required=False, allow_null=True,
        help_text="The type to give, with relabel",
    )  # fmt: skip
    note = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=NOTE_LENGTH,
        help_text="For colleagues; with leave it is needed",
    )  # fmt: skip
    seen = serializers.DictField(
        child=serializers.IntegerField(min_value=0, max_value=MAX_KEY), required=False,
        help_text="SHA-256 → `decision` of the image as you knew it. With it, an image that "
        "somebody decided on since is left alone and listed in `overtaken`",
    )  # fmt: skip


class DecidedSerializer(serializers.Serializer):
    """What became of a decision."""

    batch = serializers.UUIDField(
        allow_null=True, help_text="Of the rows written; null where nothing was"
    )
    images = serializers.ListField(child=serializers.CharField(), help_text="Decided on")
    overtaken = serializers.ListField(
        child=serializers.CharField(), help_text="Left alone: somebody decided on them since"
    )


def decide_by_digest(fields: dict, by) -> dict:
    """Make a decision on images by their SHA-256; raises `ImageUnknown` and `DecisionRefused`."""
    digests = fields["images"]
    keys = dict(ShoeImage.objects.filter(sha256__in=digests).values_list("sha256", "pk"))
    if missing := [sha256 for sha256 in digests if sha256 not in keys]:
        raise ImageUnknown(missing[0])
    seen = fields.get("seen")
    if seen is not None:
        seen = {keys[sha256]: newest for sha256, newest in seen.items() if sha256 in keys}
    decided = decide(
        fields["action"], list(keys.values()), by, label=fields.get("label"), note=fields["note"],
        seen=seen,
    )  # fmt: skip
    digests = {pk: sha256 for sha256, pk in keys.items()}
    return {
        "batch": decided.batch,
        "images": [digests[pk] for pk in decided.images],
        "overtaken": [digests[pk] for pk in decided.overtaken],
    }


@extend_schema_view(
    get=extend_schema(
        operation_id="list_reviews",
        summary="Decisions about images",
        description="Newest first.",
        tags=["reviews"],
        parameters=[OpenApiParameter("image", DIGEST, description="On this image")],
    )
)
class ReviewsView(ListView):
    """`GET` and `POST /api/v1/reviews/`."""

    required_permissions = {"GET": "curation.view_review", "POST": "curation.change_shoeimage"}
    problems = {
        "POST": [
            ImageUnknown("3f9c1d0a77e2…"),
            DecisionRefused(None, "only a rejected image can be restored."),
        ]
    }
    queryset = Review.objects.select_related("image", "by", "label_from", "label_to")
    serializer_class = ReviewSerializer
    query_serializer_class = ReviewsQuerySerializer

    @extend_schema(
        operation_id="decide",
        summary="Decide on images",
        tags=["reviews"],
        request=DecisionSerializer,
        responses={200: DecidedSerializer, 201: DecidedSerializer},
        examples=[
            OpenApiExample(
                "Another label",
                {
                    "action": "relabel",
                    "images": ["3f9c1d0a77e2" + "0" * 52],
                    "label": "chelsea-boots",
                    "seen": {"3f9c1d0a77e2" + "0" * 52: 4711},
                },
                request_only=True,
            )
        ],
    )
    def post(self, request):
        decided = decide_by_digest(validated(DecisionSerializer, request.data), request.user)
        # 200 where nothing was written because all images were overtaken.
        return Response(DecidedSerializer(decided).data, 201 if decided["batch"] else 200)
