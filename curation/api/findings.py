"""The doors of the curators' API. Thin: read the request, call one function, write the answer."""

from itertools import islice

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from curation.issues import findings
from curation.issues.reasons import BY_SLUG
from curation.models import ShoeImage
from curation.queue import rows as queue_rows
from curation.splits import Split
from shoeproject.api import base


class Asked(serializers.Serializer):
    """What a list of findings is asked for by."""

    limit = serializers.IntegerField(min_value=1, required=False)
    after = serializers.CharField(required=False)

    def validate_limit(self, limit):
        """As many as one answer may hold."""
        most = settings.FINDINGS_PAGE_MOST
        if limit > most:
            raise serializers.ValidationError(f"At most {most}; go on with “next”.")
        return limit


class FindingShape(serializers.Serializer):
    """One image of the queue, and what is said against it."""

    image = serializers.CharField(help_text="SHA-256 of the image's bytes as received")
    given = serializers.SlugField(allow_null=True, help_text="Its label, else what was proposed")
    suggested = serializers.SlugField(
        allow_null=True, help_text="What the current assessment takes it for"
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


class FindingsShape(serializers.Serializer):
    """A part of the queue."""

    results = FindingShape(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="Give it as `after` to go on; null at the end"
    )


class FindingsView(base.CuratorView):
    """`GET /api/v1/findings/`."""

    needs = {"GET": "curation.view_finding"}

    @extend_schema(
        operation_id="list_findings",
        summary="Images that something is said against",
        description="In the order of the queue. Scope `curation:read`, permission to view "
        "findings.",
        tags=["findings"],
        parameters=[
            OpenApiParameter(
                "reason", enum=list(BY_SLUG), many=True, description="Only these; may be repeated"
            ),
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": settings.FINDINGS_PAGE_MOST},
                description="How many at most in this answer",
            ),
            OpenApiParameter("after", str, description="`next` of the answer before"),
        ],
        responses={200: FindingsShape, **base.problems(base.INVALID)},
    )
    def get(self, request):
        """List a page."""
        said = base.asked(Asked, request.query_params)
        limit, after = said.get("limit", settings.FINDINGS_PAGE), said.get("after")
        place = queue_rows.Place.parse(after) if after else None
        # One more than is shown tells whether there is more.
        part = min(limit + 1, findings.BATCH)
        rows = queue_rows.rows(request.query_params.getlist("reason"), place, part)
        found = list(islice(rows, limit + 1))
        shown = found[:limit]
        return Response(
            {
                "results": [row for _, row in shown],
                "next": str(shown[-1][0]) if len(found) > limit else None,
            }
        )
