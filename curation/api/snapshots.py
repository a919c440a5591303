"""Snapshots: list and freeze them. And the runs that assessed all images."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.response import Response

from curation.api.serializers import (
    AssessRunSerializer,
    JobQuerySerializer,
    SnapshotFullSerializer,
    SnapshotSerializer,
)
from curation.models import AssessRun, CurrentAssessRun, Snapshot
from curation.snapshots import freeze
from shoeproject.api.views import DetailView, ListView, validated


class FreezeSerializer(serializers.Serializer):
    """A name, and which of the labelled images that are not rejected."""

    name = serializers.RegexField(
        r"^[-a-zA-Z0-9_]+\Z", max_length=80, help_text="Letters, digits, hyphens, underscores"
    )
    min_size = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, default=0, help_text="Shorter side in pixels, at least"
    )
    confirmed = serializers.BooleanField(
        default=False, help_text="Only images that somebody has looked at"
    )


@extend_schema_view(
    get=extend_schema(
        operation_id="list_snapshots",
        summary="Frozen sets of images",
        description="Newest first.",
        tags=["snapshots"],
    )
)
class SnapshotsView(ListView):
    """`GET` and `POST /api/v1/snapshots/`."""

    required_permissions = {"GET": "curation.view_snapshot", "POST": "curation.add_snapshot"}
    problems = {"POST": [freeze.NameTaken("spring"), freeze.NothingToFreeze()]}
    queryset = Snapshot.objects.select_related("created_by")
    serializer_class = SnapshotSerializer

    @extend_schema(
        operation_id="freeze",
        summary="Freeze a set of images",
        description="Sent again with nothing changed, it answers the existing snapshot, with 200.",
        tags=["snapshots"],
        request=FreezeSerializer,
        responses={200: SnapshotFullSerializer, 201: SnapshotFullSerializer},
    )
    def post(self, request):
        fields = validated(FreezeSerializer, request.data)
        existed = Snapshot.objects.filter(name=fields["name"]).exists()
        snapshot = freeze.freeze(
            fields["name"], freeze.Filter(fields["min_size"], fields["confirmed"]), by=request.user
        )
        return Response(SnapshotFullSerializer(snapshot).data, 200 if existed else 201)


@extend_schema_view(
    get=extend_schema(
        operation_id="get_snapshot",
        summary="One snapshot, with its images counted",
        tags=["snapshots"],
    )
)
class SnapshotView(DetailView):
    """`GET /api/v1/snapshots/<name>/`."""

    required_permissions = {"GET": "curation.view_snapshot"}
    queryset = Snapshot.objects.select_related("created_by")
    serializer_class = SnapshotFullSerializer


@extend_schema_view(
    get=extend_schema(
        operation_id="list_assess_runs",
        summary="Assessments of all images",
        description="Newest first.",
        tags=["runs"],
    )
)
class AssessRunsView(ListView):
    """`GET /api/v1/assess-runs/`."""

    required_permissions = {"GET": "curation.view_assessrun"}
    queryset = AssessRun.objects.select_related("asked_by")
    serializer_class = AssessRunSerializer
    query_serializer_class = JobQuerySerializer

    def get_serializer_context(self, rows: list) -> dict:
        return {"current": CurrentAssessRun.objects.values_list("run", flat=True).first()}
