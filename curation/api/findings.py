"""Images with open findings, in the order of the queue."""

from itertools import islice

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers

from curation.issues.reasons import BY_SLUG
from curation.models import ShoeImage
from curation.queue import rows as queue_rows
from curation.queue.cursor import Cursor
from curation.splits import Split
from shoeproject.api.pagination import KeysetPagination, LimitField
from shoeproject.api.views import ListView
from shoeproject.batches import BATCH_SIZE


class FindingsQuerySerializer(serializers.Serializer):
    """The query parameters of the list; `reason` may be repeated, so the view reads it itself."""

    limit = LimitField(settings.FINDINGS_PAGE, settings.FINDINGS_PAGE_MOST)
    after = serializers.CharField(required=False)


class FindingSerializer(serializers.Serializer):
    """An image of the queue, and its open findings."""

    image = serializers.CharField(help_text="SHA-256 of the image's bytes as received")
    given = serializers.SlugField(allow_null=True, help_text="Its label, else what was proposed")
    suggested = serializers.SlugField(
        allow_null=True, help_text="The type that the current assessment suggests"
    )
    score = serializers.FloatField(
        min_value=0, max_value=1, help_text="Of the strongest finding; high is worse"
    )
    reasons = serializers.ListField(
        child=serializers.ChoiceField(list(BY_SLUG)), help_text="Strongest first"
    )
    other = serializers.ListField(
        child=serializers.CharField(), help_text="SHA-256 of the images that it is a copy of"
    )
    split = serializers.ChoiceField([split.value for split in Split])
    state = serializers.ChoiceField([ShoeImage.State.UNREVIEWED, ShoeImage.State.CONFIRMED])


class QueuePagination(KeysetPagination):
    """Pages in the order of the queue, by a cursor of priority and primary key."""

    page_size = settings.FINDINGS_PAGE
    cursor_type = "string"

    def read(self, queryset, after, count: int) -> list[tuple]:
        """As in the parent; `queryset` is the list of reasons."""
        cursor = Cursor.parse(after, queue_rows.BadCursor(after)) if after else None
        rows = queue_rows.rows(queryset, cursor, min(count, BATCH_SIZE))
        return [(str(cursor), row) for cursor, row in islice(rows, count)]


@extend_schema_view(
    get=extend_schema(
        operation_id="list_findings",
        summary="Images that something is said against",
        description="In the order of the queue.",
        tags=["findings"],
        parameters=[
            OpenApiParameter(
                "reason", enum=list(BY_SLUG), many=True, description="Only these; may be repeated"
            ),
            OpenApiParameter("after", str, description="`next` of the answer before"),
        ],
    )
)
class FindingsView(ListView):
    """`GET /api/v1/findings/`."""

    required_permissions = {"GET": "curation.view_finding"}
    serializer_class = FindingSerializer
    query_serializer_class = FindingsQuerySerializer
    pagination_class = QueuePagination

    def get_queryset(self):
        return self.request.query_params.getlist("reason")
