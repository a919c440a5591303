"""Training runs for trainers' programs."""

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from classifier.models import Epoch, TrainingRun
from curation.api.serializers import JOB_FIELDS, person
from shoeproject.api import base
from shoeproject.jobs import State


class EpochShape(serializers.ModelSerializer):
    """One epoch of a run."""

    class Meta:
        model = Epoch
        fields = [
            "number", "phase", "images", "train_loss", "valid_loss", "accuracy", "learning_rate",
            "seconds",
        ]  # fmt: skip


class RunShape(serializers.ModelSerializer):
    """A training of one recipe on one snapshot."""

    snapshot = serializers.SlugRelatedField("name", read_only=True)
    asked_by = person()
    overrides = serializers.DictField(help_text="What differs from the recipe")
    version = serializers.SerializerMethodField(
        help_text="Digest of the version that came out; null before"
    )

    class Meta:
        model = TrainingRun
        fields = [
            "id", "snapshot", "recipe", "overrides", "seed", "device", "started_from", "version",
            *JOB_FIELDS,
        ]  # fmt: skip

    def get_version(self, run) -> str | None:
        """Digest of the version that came out."""
        version = getattr(run, "version", None)
        return version and version.digest


class RunFullShape(RunShape):
    """The same with its epochs."""

    epochs = EpochShape(many=True)

    class Meta(RunShape.Meta):
        fields = [*RunShape.Meta.fields, "epochs"]


RUNS = base.page_shape("RunsShape", RunShape(many=True))


class RunsAsked(base.PageAsked):
    """Which runs."""

    state = serializers.ChoiceField(State.choices, required=False)


class _TrainerView(base.CuratorView):
    scope = "training:read"
    write_scope = None
    needs = {"GET": "classifier.view_trainingrun"}
    rows = TrainingRun.objects.select_related("snapshot", "asked_by", "version")


class RunsView(_TrainerView):
    """`GET /api/v1/runs/`."""

    @extend_schema(
        operation_id="list_runs",
        summary="Training runs",
        description="Newest first. Scope `training:read`, permission to view training runs.",
        tags=["runs"],
        parameters=[OpenApiParameter("state", enum=State.values), *base.PAGE],
        responses={200: RUNS, **base.problems(base.INVALID)},
    )
    def get(self, request):
        """List a part."""
        said = base.asked(RunsAsked, request.query_params)
        rows = self.rows.filter(state=said["state"]) if "state" in said else self.rows.all()
        return base.page(rows, said, lambda part: RunShape(part, many=True).data, newest_first=True)


class RunView(_TrainerView):
    """`GET /api/v1/runs/<pk>/`."""

    @extend_schema(
        operation_id="get_run",
        summary="One training run, with its epochs",
        description="Scope `training:read`, permission to view training runs.",
        tags=["runs"],
        parameters=[base.KEY],
        responses={200: RunFullShape, **base.problems(base.NOT_FOUND)},
    )
    def get(self, request, pk):
        """Show one."""
        run = self.rows.filter(pk=pk).first() if pk <= base.BIGGEST else None
        if run is None:
            raise Http404
        return Response(RunFullShape(run).data)
