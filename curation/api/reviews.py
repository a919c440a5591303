"""Decisions about images: reading them, and making one."""

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from curation.api.images import DIGEST
from curation.api.serializers import ReviewShape
from curation.decisions.decide import LEADS_TO, NOTE_LENGTH, decide
from curation.errors import CurationError
from curation.models import Review, ShoeImage, ShoeType
from shoeproject.api import base

HEX64 = r"^[0-9a-f]{64}\Z"
REVIEWS = base.page_shape("ReviewsShape", ReviewShape(many=True))
REFUSED = (409, "decision_refused", "only a rejected image can be restored.")
UNKNOWN = (
    404,
    "image_unknown",
    "There is no image 3f9c1d0a77e2…; give the SHA-256 of bytes as received.",
)


class ImageUnknown(CurationError):
    """No image has this digest."""

    sha256: str
    code = "image_unknown"
    status = 404
    message = "There is no image {sha256}; give the SHA-256 of bytes as received."


class ReviewsAsked(base.PageAsked):
    """Which decisions."""

    image = serializers.RegexField(HEX64, required=False)
    by = base.Text()
    since = serializers.DateTimeField(required=False)


class DecisionShape(serializers.Serializer):
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
        child=serializers.IntegerField(min_value=0, max_value=base.BIGGEST), required=False,
        help_text="SHA-256 → `decision` of the image as you knew it. With it, an image that "
        "somebody decided on since is left alone and listed in `overtaken`",
    )  # fmt: skip


class DecidedShape(serializers.Serializer):
    """What became of a decision."""

    batch = serializers.UUIDField(
        allow_null=True, help_text="Of the rows written; null where nothing was"
    )
    images = serializers.ListField(child=serializers.CharField(), help_text="Decided on")
    overtaken = serializers.ListField(
        child=serializers.CharField(), help_text="Left alone: somebody decided on them since"
    )


def make_decision(said: dict, by) -> dict:
    """Make the decision; raises `ImageUnknown` and `DecisionRefused`."""
    keys = dict(ShoeImage.objects.filter(sha256__in=said["images"]).values_list("sha256", "pk"))
    if missing := [sha256 for sha256 in said["images"] if sha256 not in keys]:
        raise ImageUnknown(missing[0])
    seen = said.get("seen")
    if seen is not None:
        seen = {keys[sha256]: newest for sha256, newest in seen.items() if sha256 in keys}
    made = decide(
        said["action"], list(keys.values()), by, label=said.get("label"), note=said["note"],
        seen=seen,
    )  # fmt: skip
    digests = {pk: sha256 for sha256, pk in keys.items()}
    return {
        "batch": made.batch,
        "images": [digests[pk] for pk in made.images],
        "overtaken": [digests[pk] for pk in made.overtaken],
    }


class ReviewsView(base.CuratorView):
    """`GET` and `POST /api/v1/reviews/`."""

    needs = {"GET": "curation.view_review", "POST": "curation.change_shoeimage"}

    @extend_schema(
        operation_id="list_reviews",
        summary="Decisions about images",
        description="Newest first. Scope `curation:read`, permission to view reviews.",
        tags=["reviews"],
        parameters=[
            OpenApiParameter("image", DIGEST, description="On this image"),
            OpenApiParameter(
                "by", base.TEXT,
                description="By this account",
            ),
            OpenApiParameter("since", {"type": "string", "format": "date-time"}),
            *base.PAGE,
        ],
        responses={200: REVIEWS, **base.problems(base.INVALID)},
    )  # fmt: skip
    def get(self, request):
        """List a part."""
        said = base.asked(ReviewsAsked, request.query_params)
        columns = {"image": "image__sha256", "by": "by__username", "since": "at__gte"}
        chosen = {columns[name]: said[name] for name in columns if name in said}
        rows = Review.objects.filter(**chosen)
        rows = rows.select_related("image", "by", "label_from", "label_to")
        return base.page(
            rows, said, lambda part: ReviewShape(part, many=True).data, newest_first=True
        )

    @extend_schema(
        operation_id="decide",
        summary="Decide on images",
        description="Scope `curation:write`, permission to change images.",
        tags=["reviews"],
        parameters=[base.IDEMPOTENCY_KEY],
        request=DecisionShape,
        responses={
            200: DecidedShape,
            201: DecidedShape,
            **base.problems(UNKNOWN, REFUSED, *base.CREATING),
        },
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
        """Decide: 201 where that wrote history, 200 where everything was overtaken."""
        made = make_decision(base.asked(DecisionShape, request.data), request.user)
        return Response(DecidedShape(made).data, 201 if made["batch"] else 200)
