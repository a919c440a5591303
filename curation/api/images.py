"""Images for curators' programs, and the pictures themselves."""

from django.core.files.storage import storages
from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers

from curation.api.serializers import ImageSerializer, ListedImageSerializer
from curation.decisions import history
from curation.models import ShoeImage
from curation.splits import Split
from shoeproject.api.pagination import (
    ExactTextField,
    KeyField,
    OldestFirstPagination,
    PageQuerySerializer,
)
from shoeproject.api.views import (
    CuratorView,
    DetailView,
    IgnoreAcceptNegotiation,
    ListView,
)

FIELDS = ImageSerializer.Meta.fields
DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
SHA256 = OpenApiParameter(
    "sha256", DIGEST, OpenApiParameter.PATH, description="Of the bytes as received"
)


class ImagesQuerySerializer(PageQuerySerializer):
    """Which images, and which of their fields."""

    state = serializers.ChoiceField(sorted(ShoeImage.State.values), required=False)
    label = ExactTextField(source="label__slug")
    split = serializers.ChoiceField(sorted(split.value for split in Split), required=False)
    source = ExactTextField()
    collection = KeyField()
    domain = ExactTextField()
    licence = ExactTextField()
    min_side = serializers.IntegerField(
        source="shorter_side__gte", min_value=0, max_value=2**31 - 1, required=False,
        help_text="Pixels of the shorter side, at least",
    )  # fmt: skip
    fields = serializers.CharField(required=False)

    def validate_fields(self, text) -> set[str]:
        names = {name.strip() for name in text.split(",")} - {""}
        if unknown := sorted(names - set(FIELDS)):
            raise serializers.ValidationError(
                f"Unknown: {', '.join(unknown)}. There are {', '.join(FIELDS)}."
            )
        return names


class ImageContextMixin:
    """Gives `ImageSerializer` the newest decisions, and the requested fields."""

    required_permissions = {"GET": "curation.view_shoeimage"}
    queryset = ShoeImage.objects.select_related("label", "proposed")
    fields: set[str] = set()  # empty for all

    def get_serializer_context(self, rows: list) -> dict:
        wanted = not self.fields or "decision" in self.fields
        newest = history.newest_decisions([image.pk for image in rows]) if wanted else {}
        return {"newest": newest, "fields": self.fields}


@extend_schema_view(
    get=extend_schema(
        operation_id="list_images",
        summary="Images, by what is known of them",
        description="Oldest first.",
        tags=["images"],
        parameters=[
            OpenApiParameter(
                "fields",
                {"type": "array", "minItems": 1, "items": {"type": "string", "enum": FIELDS}},
                explode=False,
                description="Only these, separated by commas",
            )
        ],
    )
)
class ImagesView(ImageContextMixin, ListView):
    """`GET /api/v1/images/`."""

    serializer_class = ListedImageSerializer
    query_serializer_class = ImagesQuerySerializer
    pagination_class = OldestFirstPagination

    def get_queryset(self):
        self.fields = self.query.pop("fields", set())
        return super().get_queryset()


@extend_schema_view(
    get=extend_schema(
        operation_id="get_image", summary="One image", tags=["images"], parameters=[SHA256]
    )
)
class ImageView(ImageContextMixin, DetailView):
    """`GET /api/v1/images/<sha256>/`."""

    serializer_class = ImageSerializer


class PictureView(CuratorView):
    """`GET /api/v1/images/<sha256>/picture`."""

    required_permissions = {"GET": "curation.view_shoeimage"}
    problems = {"GET": [Http404()]}
    content_negotiation_class = IgnoreAcceptNegotiation  # errors are JSON

    @extend_schema(
        operation_id="get_picture",
        summary="An image's picture",
        description="As it is stored: upright, re-encoded, without metadata.",
        tags=["images"],
        parameters=[SHA256],
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY},
    )
    def get(self, request, sha256):
        image = get_object_or_404(ShoeImage, sha256=sha256)
        if not image.file_name:  # purged
            raise Http404
        try:
            file = storages["media"].open(image.file_name)
        except FileNotFoundError as error:
            raise Http404 from error
        return FileResponse(
            file, content_type="image/jpeg",
            # The address names a digest; `private` keeps it out of shared caches.
            headers={"Cache-Control": "private, max-age=86400"},
        )  # fmt: skip
