"""The versions of the model, and what was measured of them."""

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.response import Response

from classifier.api import examples
from classifier.api.accuracy import AccuracySerializer
from classifier.api.serializers import (
    MetricsSerializer,
    VersionInFullSerializer,
    VersionSerializer,
)
from classifier.api.views import CacheableView
from classifier.errors import ModelUnknown, NoActiveModel
from classifier.evaluation import report
from classifier.inference.thresholds import TYPE
from classifier.models import ModelVersion
from classifier.registry import lookup
from curation.taxonomy.guide import Guide


class ModelsView(CacheableView):
    """`GET /api/v1/models/`."""

    @extend_schema(
        operation_id="list_models",
        summary="Versions of the model, the newest first",
        tags=["models"],
        responses={200: VersionSerializer(many=True)},
        examples=[OpenApiExample("A version", examples.VERSION, response_only=True)],
    )
    def get(self, request):
        rows = list(ModelVersion.objects.all()[: settings.MODELS_LISTED])
        # The active version may be older than those.
        rows += ModelVersion.objects.filter(active=True).exclude(pk__in=[row.pk for row in rows])
        figures = report.metrics_of_all(rows)
        return Response([_version(row, figures[row.pk]) for row in rows])


class ModelView(CacheableView):
    """`GET /api/v1/models/<version>/`."""

    problems = {"GET": [ModelUnknown(), NoActiveModel()]}

    @extend_schema(
        operation_id="get_model",
        summary="One version, with its figures type by type",
        description="By its number, at least twelve digits of its digest, or “active”.",
        tags=["models"],
        responses={200: VersionInFullSerializer},
        examples=[OpenApiExample("A version", examples.VERSION_IN_FULL, response_only=True)],
    )
    def get(self, request, version):
        row, guide = lookup.find_public(version), Guide()
        figures = report.metrics_of(row)
        types = [
            {"slug": slug, **AccuracySerializer(accuracy).data}
            for slug, accuracy in report.accuracy_by_type(row, guide, figures).items()
            if accuracy.state != report.NOT_LEARNT
        ]
        return Response({**_version(row, figures), "types": types})


def _version(row: ModelVersion, figures: dict) -> dict:
    return {
        "number": row.pk,
        "version": row.short,
        "digest": row.digest,
        "name": row.name,
        "active": row.active,
        "created": row.created_at.isoformat(timespec="seconds"),
        "classes": [info["slug"] for info in row.card["classes"] if info["kind"] == TYPE],
        "metrics": _metrics(figures) if figures else None,
    }


def _metrics(figures: dict) -> dict:
    shares = ("interval", "accuracy", "macro_accuracy", "top5", "category_accuracy", "ece")
    metrics = {
        **{name: figures.get(name) for name in shares},
        "images": figures.get("images", 0),
        "street": report.scene_accuracy(figures, report.STREET),
        "catalogue": report.scene_accuracy(figures, report.CATALOGUE),
        "sentences": report.headlines(figures),
    }
    return MetricsSerializer(metrics).data
