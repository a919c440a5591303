"""The versions of the model, and what was measured of them."""

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.response import Response

from classifier import store, trust
from classifier.api import examples, shapes
from classifier.api.views import GuideView
from classifier.calibrate import TYPE
from classifier.errors import ModelUnknown, NoActiveModel
from classifier.guide import Guide
from classifier.models import ModelVersion

SHARES = ("accuracy", "macro_accuracy", "top5", "category_accuracy", "ece")


class ModelsView(GuideView):
    """`GET /api/v1/models/`."""

    @extend_schema(
        operation_id="list_models",
        summary="Versions of the model, the newest first",
        tags=["models"],
        responses={200: shapes.VersionShape(many=True)},
        examples=[OpenApiExample("A version", examples.VERSION, response_only=True)],
    )
    def get(self, request):
        """List the newest."""
        rows = list(ModelVersion.objects.all()[: settings.MODELS_LISTED])
        active = ModelVersion.objects.filter(active=True)
        # A version that has been good for long may be older than those.
        rows += active.exclude(pk__in=[row.pk for row in rows])
        figures = trust.figures_of(rows)
        return Response([_shown(row, figures[row.pk]) for row in rows])


class ModelView(GuideView):
    """`GET /api/v1/models/<version>/`."""

    @extend_schema(
        operation_id="get_model",
        summary="One version, with its figures type by type",
        description="By its number, at least twelve digits of its digest, or “active”.",
        tags=["models"],
        responses={
            200: shapes.VersionInFullShape,
            **examples.problem_responses(ModelUnknown(), NoActiveModel()),
        },
        examples=[
            OpenApiExample("A version", examples.VERSION_IN_FULL, response_only=True),
        ],
    )
    def get(self, request, version):
        """Show one."""
        row, guide = store.find(version), Guide()
        figures = trust.figures(row)
        known = trust.by_type(row, guide, trust.Learnt.of(row), figures)
        types = [
            {"slug": slug, **shapes.accuracy(found)}
            for slug, found in known.items()
            if found.state != trust.NOT_LEARNT
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
        **{name: shapes.rounded(figures.get(name)) for name in SHARES},
        "interval": interval and [shapes.rounded(bound) for bound in interval],
        "street": shapes.rounded(trust.scene(figures, trust.STREET)),
        "catalogue": shapes.rounded(trust.scene(figures, trust.CATALOGUE)),
        "sentences": trust.headlines(figures),
    }
