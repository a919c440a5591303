"""The guide: types and categories. And the API's schema and documentation."""

from django.http import Http404
from django.shortcuts import redirect
from drf_spectacular.utils import OpenApiExample, extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.response import Response

from classifier.answers import learnt_types
from classifier.api import examples
from classifier.api.serializers import CategorySerializer, TypeSerializer
from classifier.api.views import CacheableView
from classifier.evaluation import report
from classifier.registry import serving
from curation.models import Category
from curation.taxonomy.guide import Guide

# What Swagger UI needs beyond its own files: it writes style attributes and draws data: images.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _type_context(guide: Guide) -> dict:
    """The context of `TypeSerializer`: what the active model knows of the types."""
    served = serving.active()
    return {
        "learnt": learnt_types.learnt(guide, served and served.model),
        "trust": report.accuracy_by_type(served.version, guide) if served else {},
    }


class TypesView(CacheableView):
    """`GET /api/v1/types/`."""

    @extend_schema(
        operation_id="list_types",
        summary="All types of the guide",
        tags=["guide"],
        responses={200: TypeSerializer(many=True)},
        examples=[OpenApiExample("A type", examples.TYPE, response_only=True)],
    )
    def get(self, request):
        guide = Guide()
        return Response(TypeSerializer(guide.types(), many=True, context=_type_context(guide)).data)


class TypeView(CacheableView):
    """`GET /api/v1/types/<slug>/`."""

    problems = {"GET": [Http404()]}

    @extend_schema(
        operation_id="get_type",
        summary="One type of the guide",
        description="A type that was merged into another redirects there.",
        tags=["guide"],
        responses={200: TypeSerializer, 302: None},
        examples=[OpenApiExample("A type", examples.TYPE, response_only=True)],
    )
    def get(self, request, slug):
        guide = Guide()
        shoe_type = guide.type(slug)
        if shoe_type is None:
            raise Http404
        if shoe_type.slug != slug:
            return redirect("api-type", slug=shoe_type.slug)
        return Response(TypeSerializer(shoe_type, context=_type_context(guide)).data)


class CategoriesView(CacheableView):
    """`GET /api/v1/categories/`."""

    @extend_schema(
        operation_id="list_categories",
        summary="The families of types",
        tags=["guide"],
        responses={200: CategorySerializer(many=True)},
        examples=[
            OpenApiExample(
                "A family",
                {"slug": "boots", "name": "Boots", "types": ["army-boots", "chelsea-boots"]},
                response_only=True,
            )
        ],
    )
    def get(self, request):
        types = {}
        for shoe_type in Guide().types():
            types.setdefault(shoe_type.category.slug, []).append(shoe_type.slug)
        context = {"types": types}
        return Response(CategorySerializer(Category.objects.all(), many=True, context=context).data)


class SchemaView(SpectacularAPIView):
    """The OpenAPI schema of every address of the API."""

    urlconf = "shoeproject.urls"
    authentication_classes = []


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI over the schema, with all of its files from this host."""

    url_name = "api-schema"
    template_name = "site/docs.html"
    authentication_classes = []

    def finalize_response(self, request, response, *args, **kwargs):
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Content-Security-Policy"] = DOCS_POLICY
        return response
