"""Training runs for trainers' programs."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from classifier.models import Epoch, TrainingRun
from curation.api.serializers import JOB_FIELDS, JobQuerySerializer, account_field
from shoeproject.api.views import DetailView, ListView


class EpochSerializer(serializers.ModelSerializer):
    """One epoch of a run."""

    class Meta:
        model = Epoch
        fields = [
            "number", "phase", "images", "train_loss", "valid_loss", "accuracy", "learning_rate",
            "seconds",
        ]  # fmt: skip


class RunSerializer(serializers.ModelSerializer):
    """A training of one recipe on one snapshot."""

    snapshot = serializers.SlugRelatedField("name", read_only=True)
    asked_by = account_field()
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
        version = getattr(run, "version", None)
        return version and version.digest


class RunFullSerializer(RunSerializer):
    """A training run with its epochs."""

    epochs = EpochSerializer(many=True)

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "epochs"]


class RunAccessMixin:
    """Which training runs there are, and who may read them."""

    scope = "training:read"
    write_scope = None
    required_permissions = {"GET": "classifier.view_trainingrun"}
    queryset = TrainingRun.objects.select_related("snapshot", "asked_by", "version")


@extend_schema_view(
    get=extend_schema(
        operation_id="list_runs",
        summary="Training runs",
        description="Newest first.",
        tags=["runs"],
    )
)
class RunsView(RunAccessMixin, ListView):
    """`GET /api/v1/runs/`."""

    serializer_class = RunSerializer
    query_serializer_class = JobQuerySerializer


@extend_schema_view(
    get=extend_schema(
        operation_id="get_run", summary="One training run, with its epochs", tags=["runs"]
    )
)
class RunView(RunAccessMixin, DetailView):
    """`GET /api/v1/runs/<pk>/`."""

    serializer_class = RunFullSerializer
