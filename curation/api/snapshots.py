"""Snapshots: listed, looked at, frozen. And the runs that assess."""

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from curation.api.serializers import AssessRunShape, SnapshotFullShape, SnapshotShape
from curation.models import AssessRun, CurrentAssessRun, Snapshot
from curation.snapshots import freeze
from shoeproject.api import base
from shoeproject.jobs import State

SNAPSHOTS = base.page_shape("SnapshotsShape", SnapshotShape(many=True))
ASSESS_RUNS = base.page_shape("AssessRunsShape", AssessRunShape(many=True))
TAKEN = (
    409,
    "snapshot_name_taken",
    "There is a snapshot “spring” with other images; choose another name.",
)
EMPTY = (
    409,
    "snapshot_empty",
    "No labelled image passes the filter. Import or label some, or loosen the filter.",
)


class FreezeShape(serializers.Serializer):
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


class SnapshotsView(base.CuratorView):
    """`GET` and `POST /api/v1/snapshots/`."""

    needs = {"GET": "curation.view_snapshot", "POST": "curation.add_snapshot"}

    @extend_schema(
        operation_id="list_snapshots",
        summary="Frozen sets of images",
        description="Newest first. Scope `curation:read`, permission to view snapshots.",
        tags=["snapshots"],
        parameters=base.PAGE,
        responses={200: SNAPSHOTS, **base.problems(base.INVALID)},
    )
    def get(self, request):
        """List a part."""
        said = base.asked(base.PageAsked, request.query_params)
        rows = Snapshot.objects.select_related("created_by")
        return base.page(
            rows, said, lambda part: SnapshotShape(part, many=True).data, newest_first=True
        )

    @extend_schema(
        operation_id="freeze",
        summary="Freeze a set of images",
        description="Asked again with nothing changed, it answers the snapshot that is there, with "
        "200. Scope `curation:write`, permission to add snapshots.",
        tags=["snapshots"],
        parameters=[base.IDEMPOTENCY_KEY],
        request=FreezeShape,
        responses={
            200: SnapshotFullShape,
            201: SnapshotFullShape,
            **base.problems(TAKEN, EMPTY, *base.CREATING),
        },
    )
    def post(self, request):
        """Freeze one."""
        said = base.asked(FreezeShape, request.data)
        there = Snapshot.objects.filter(name=said["name"]).exists()
        chosen = freeze.Filter(said["min_size"], said["confirmed"])
        frozen = freeze.freeze(said["name"], chosen, by=request.user)
        return Response(SnapshotFullShape(frozen).data, 200 if there else 201)


class SnapshotView(base.CuratorView):
    """`GET /api/v1/snapshots/<name>/`."""

    needs = {"GET": "curation.view_snapshot"}

    @extend_schema(
        operation_id="get_snapshot",
        summary="One snapshot, with its images counted",
        description="Scope `curation:read`, permission to view snapshots.",
        tags=["snapshots"],
        responses={200: SnapshotFullShape, **base.problems(base.NOT_FOUND)},
    )
    def get(self, request, name):
        """Show one."""
        found = Snapshot.objects.select_related("created_by").filter(name=name).first()
        if found is None:
            raise Http404
        return Response(SnapshotFullShape(found).data)


class RunsAsked(base.PageAsked):
    """Which runs."""

    state = serializers.ChoiceField(State.choices, required=False)


class AssessRunsView(base.CuratorView):
    """`GET /api/v1/assess-runs/`."""

    needs = {"GET": "curation.view_assessrun"}

    @extend_schema(
        operation_id="list_assess_runs",
        summary="Assessments of all images",
        description="Newest first. Scope `curation:read`, permission to view assess runs.",
        tags=["runs"],
        parameters=[OpenApiParameter("state", enum=State.values), *base.PAGE],
        responses={200: ASSESS_RUNS, **base.problems(base.INVALID)},
    )
    def get(self, request):
        """List a part."""
        said = base.asked(RunsAsked, request.query_params)
        rows = AssessRun.objects.select_related("asked_by")
        if "state" in said:
            rows = rows.filter(state=said["state"])
        current = CurrentAssessRun.objects.values_list("run", flat=True).first()

        def drawn(part):
            return AssessRunShape(part, many=True, context={"current": current}).data

        return base.page(rows, said, drawn, newest_first=True)
