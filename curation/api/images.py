"""Images for curators' programs, and the pictures themselves."""

from django.core.files.storage import storages
from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.response import Response

from curation.api.serializers import ImagePartShape, ImageShape
from curation.decisions import history
from curation.models import ShoeImage
from curation.splits import Split
from shoeproject.api import base

FIELDS = ImageShape.Meta.fields
DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
SHA256 = OpenApiParameter(
    "sha256", DIGEST, OpenApiParameter.PATH, description="Of the bytes as received"
)
# What is asked of a list → the column it is about.
COLUMNS = {
    "state": "state", "label": "label__slug", "split": "split", "source": "source",
    "collection": "collection", "domain": "domain", "licence": "licence",
    "min_side": "shorter_side__gte",
}  # fmt: skip


class ImagesAsked(base.PageAsked):
    """Which images, and what of them."""

    state = serializers.ChoiceField(ShoeImage.State.choices, required=False)
    label = base.Text()
    split = serializers.ChoiceField([split.value for split in Split], required=False)
    source = base.Text()
    collection = serializers.IntegerField(min_value=0, max_value=base.BIGGEST, required=False)
    domain = base.Text()
    licence = base.Text()
    min_side = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False,
        help_text="Pixels of the shorter side, at least",
    )  # fmt: skip
    fields_ = serializers.CharField(required=False)

    def get_fields(self):
        """`fields` is a name that serializers use themselves."""
        fields = super().get_fields()
        fields["fields"] = fields.pop("fields_")
        return fields

    def validate(self, said):
        """The fields as a set of names."""
        names = [name.strip() for name in said.get("fields", "").split(",") if name.strip()]
        if unknown := sorted(set(names) - set(FIELDS)):
            told = f"Unknown: {', '.join(unknown)}. There are {', '.join(FIELDS)}."
            raise serializers.ValidationError({"fields": told})
        return {**said, "fields": set(names)}


IMAGES = base.page_shape("ImagesShape", ImagePartShape(many=True))


def drawn(images, fields=()) -> list[dict]:
    """The shapes of images, with their newest decisions where these are asked for."""
    wanted = not fields or "decision" in fields
    newest = history.newest_decisions([image.pk for image in images]) if wanted else {}
    context = {"newest": newest, "fields": fields}
    return ImageShape(images, many=True, context=context).data


def find(sha256: str) -> ShoeImage:
    """The image of this digest; raises Http404."""
    row = ShoeImage.objects.select_related("label", "proposed").filter(sha256=sha256).first()
    if row is None:
        raise Http404
    return row


class ImagesView(base.CuratorView):
    """`GET /api/v1/images/`."""

    needs = {"GET": "curation.view_shoeimage"}

    @extend_schema(
        operation_id="list_images",
        summary="Images, by what is known of them",
        description="Oldest first. Scope `curation:read`, permission to view images.",
        tags=["images"],
        parameters=[
            OpenApiParameter("state", enum=ShoeImage.State.values),
            OpenApiParameter("label", base.TEXT),
            OpenApiParameter("split", enum=[split.value for split in Split]),
            *(
                OpenApiParameter(name, base.TEXT)
                for name in ("source", "domain", "licence")
            ),
            OpenApiParameter(
                "collection", {"type": "integer", "minimum": 0, "maximum": base.BIGGEST}
            ),
            OpenApiParameter(
                "min_side", {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
                description="Pixels of the shorter side, at least",
            ),
            OpenApiParameter(
                "fields",
                {"type": "array", "minItems": 1, "items": {"type": "string", "enum": FIELDS}},
                explode=False,
                description="Only these, separated by commas",
            ),
            *base.PAGE,
        ],
        responses={200: IMAGES, **base.problems(base.INVALID)},
    )  # fmt: skip
    def get(self, request):
        """List a part."""
        said = base.asked(ImagesAsked, request.query_params)
        chosen = {COLUMNS[name]: said[name] for name in COLUMNS if name in said}
        rows = ShoeImage.objects.filter(**chosen).select_related("label", "proposed")
        return base.page(rows, said, lambda images: drawn(images, said["fields"]))


class ImageView(base.CuratorView):
    """`GET /api/v1/images/<sha256>/`."""

    needs = {"GET": "curation.view_shoeimage"}

    @extend_schema(
        operation_id="get_image",
        summary="One image",
        description="Scope `curation:read`, permission to view images.",
        tags=["images"],
        parameters=[SHA256],
        responses={200: ImageShape, **base.problems(base.NOT_FOUND)},
    )
    def get(self, request, sha256):
        """Show one."""
        return Response(drawn([find(sha256)])[0])


class AnyAccepted(BaseContentNegotiation):
    """A picture is a JPEG, whatever a client would rather have."""

    def select_renderer(self, request, renderers, format_suffix=None):
        """The view's own, which words errors."""
        return renderers[0], renderers[0].media_type


class PictureView(base.CuratorView):
    """`GET /api/v1/images/<sha256>/picture`."""

    needs = {"GET": "curation.view_shoeimage"}
    content_negotiation_class = AnyAccepted

    @extend_schema(
        operation_id="get_picture",
        summary="An image's picture",
        description="As it is kept: upright, re-encoded, without metadata. Scope `curation:read`, "
        "permission to view images.",
        tags=["images"],
        parameters=[SHA256],
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY, **base.problems(base.NOT_FOUND)},
    )
    def get(self, request, sha256):
        """Send the file."""
        image = find(sha256)
        try:
            file = image.file_name and storages["media"].open(image.file_name)
        except FileNotFoundError as error:
            raise Http404 from error
        if not file:  # purged
            raise Http404
        # The address names a digest; `private` keeps it out of caches that others share.
        headers = {"Cache-Control": "private, max-age=86400"}
        return FileResponse(file, content_type="image/jpeg", headers=headers)
