"""The doors of the public API. Thin: read the request, call one function, write the answer."""

import hashlib

from django.http import Http404
from django.shortcuts import redirect
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from drf_spectacular.utils import OpenApiExample, extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from classifier.access.authentication import TokenAuthentication
from classifier.answers import learnt_types
from classifier.api import examples, serializers
from classifier.evaluation import report
from classifier.registry import store
from curation.models import Category
from curation.taxonomy.guide import Guide

# The guide changes when a curator or a promotion changes it, which may show a minute later.
GUIDE_SECONDS = 60
# What Swagger UI needs beyond its own files: it writes style attributes and draws data: images.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PublicView(APIView):
    """Open to everybody. No session is read, so there is nothing for CSRF to protect."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [AllowAny]
    scope = "guide"


class GuideView(PublicView):
    """A read-only door that caches may keep for a moment."""

    def finalize_response(self, request, response, *args, **kwargs):
        """Say for how long a good answer may be kept, and 304 to who has it still."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code != 200 or request.method == "OPTIONS":
            return response
        patch_cache_control(response, public=True, max_age=GUIDE_SECONDS)
        content = response.render().content
        response["ETag"] = etag = quote_etag(hashlib.sha256(content).hexdigest()[:32])
        if request.method == "HEAD":
            response["Content-Length"] = str(len(content))
            response.content = b""
        return get_conditional_response(request, etag=etag, response=response)


def _known(guide: Guide) -> dict:
    """What the active model knows of the types, as `TypeShape` asks for it."""
    served = store.active()
    return {
        "learnt": learnt_types.learnt(guide, served and served.model),
        "trust": report.by_type(served.version, guide, served.model) if served else {},
    }


class TypesView(GuideView):
    """`GET /api/v1/types/`."""

    @extend_schema(
        operation_id="list_types",
        summary="All types of the guide",
        tags=["guide"],
        responses={200: serializers.TypeShape(many=True)},
        examples=[OpenApiExample("A type", examples.TYPE, response_only=True)],
    )
    def get(self, request):
        """List the types, family by family."""
        guide = Guide()
        return Response(serializers.TypeShape(guide.types(), many=True, context=_known(guide)).data)


class TypeView(GuideView):
    """`GET /api/v1/types/<slug>/`."""

    @extend_schema(
        operation_id="get_type",
        summary="One type of the guide",
        description="A type that was merged into another redirects there.",
        tags=["guide"],
        responses={
            200: serializers.TypeShape,
            302: None,
            **examples.problem_responses(Http404()),
        },
        examples=[OpenApiExample("A type", examples.TYPE, response_only=True)],
    )
    def get(self, request, slug):
        """Show one type."""
        guide = Guide()
        row = guide.type(slug)
        if row is None:
            raise Http404
        if row.slug != slug:
            return redirect("api-type", slug=row.slug)
        return Response(serializers.TypeShape(row, context=_known(guide)).data)


class CategoriesView(GuideView):
    """`GET /api/v1/categories/`."""

    @extend_schema(
        operation_id="list_categories",
        summary="The families of types",
        tags=["guide"],
        responses={200: serializers.CategoryShape(many=True)},
        examples=[
            OpenApiExample(
                "A family",
                {"slug": "boots", "name": "Boots", "types": ["army-boots", "chelsea-boots"]},
                response_only=True,
            )
        ],
    )
    def get(self, request):
        """List the families with their types' slugs."""
        types = {}
        for row in Guide().types():
            types.setdefault(row.category.slug, []).append(row.slug)
        rows = Category.objects.all()
        return Response(serializers.CategoryShape(rows, many=True, context={"types": types}).data)


class SchemaView(SpectacularAPIView):
    """The OpenAPI schema of every address of the API."""

    urlconf = "shoeproject.urls"
    authentication_classes = []


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI over the schema, all from this host."""

    url_name = "api-schema"
    template_name = "site/docs.html"
    authentication_classes = []

    def finalize_response(self, request, response, *args, **kwargs):
        """Allow what the page needs and nothing else."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Content-Security-Policy"] = DOCS_POLICY
        return response
