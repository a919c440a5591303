"""The versions of the model, and what was measured of them."""

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.response import Response

from classifier.api import examples, serializers
from classifier.api.guide import GuideView
from classifier.errors import ModelUnknown, NoActiveModel
from classifier.evaluation import report
from classifier.inference.thresholds import TYPE
from classifier.models import ModelVersion
from classifier.registry import store
from curation.taxonomy.guide import Guide

SHARES = ("accuracy", "macro_accuracy", "top5", "category_accuracy", "ece")


class ModelsView(GuideView):
    """`GET /api/v1/models/`."""

    @extend_schema(
        operation_id="list_models",
        summary="Versions of the model, the newest first",
        tags=["models"],
        responses={200: serializers.VersionShape(many=True)},
        examples=[OpenApiExample("A version", examples.VERSION, response_only=True)],
    )
    def get(self, request):
        """List the newest."""
        rows = list(ModelVersion.objects.all()[: settings.MODELS_LISTED])
        active = ModelVersion.objects.filter(active=True)
        # A version that has been good for long may be older than those.
        rows += active.exclude(pk__in=[row.pk for row in rows])
        figures = report.figures_of(rows)
        return Response([_shown(row, figures[row.pk]) for row in rows])


class ModelView(GuideView):
    """`GET /api/v1/models/<version>/`."""

    @extend_schema(
        operation_id="get_model",
        summary="One version, with its figures type by type",
        description="By its number, at least twelve digits of its digest, or “active”.",
        tags=["models"],
        responses={
            200: serializers.VersionInFullShape,
            **examples.problem_responses(ModelUnknown(), NoActiveModel()),
        },
        examples=[
            OpenApiExample("A version", examples.VERSION_IN_FULL, response_only=True),
        ],
    )
    def get(self, request, version):
        """Show one."""
        row, guide = store.find(version), Guide()
        figures = report.figures(row)
        known = report.by_type(row, guide, report.Learnt.of(row), figures)
        types = [
            {"slug": slug, **serializers.accuracy(found)}
            for slug, found in known.items()
            if found.state != report.NOT_LEARNT
        ]
        return Response({**_shown(row, figures), "types": types})


def _shown(row: ModelVersion, figures: dict) -> dict:
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
    interval = figures.get("interval")
    return {
        "images": figures.get("images", 0),
        **{name: serializers.rounded(figures.get(name)) for name in SHARES},
        "interval": interval and [serializers.rounded(bound) for bound in interval],
        "street": serializers.rounded(report.scene(figures, report.STREET)),
        "catalogue": serializers.rounded(report.scene(figures, report.CATALOGUE)),
        "sentences": report.headlines(figures),
    }
