"""What views have in common that answer clients of other servers as those servers would."""

from drf_spectacular.utils import OpenApiResponse, extend_schema_serializer
from rest_framework import serializers
from rest_framework.authentication import get_authorization_header
from rest_framework.response import Response

from classifier.access.authentication import TokenAuthentication
from classifier.access.tokens import PREFIX
from classifier.answers import answer
from classifier.api.parsers import CapacityMixin
from classifier.api.views import PublicView
from curation.taxonomy.guide import current
from shoeproject.api import problems
from shoeproject.api.views import IgnoreAcceptNegotiation

# For the schema: a token, or none.
AUTH = [{"token": []}, {}]


@extend_schema_serializer(component_name="ForeignErrorShape")
class CompatibilityErrorSerializer(serializers.Serializer):
    """An error as such clients read it."""

    error = serializers.CharField()
    code = serializers.SlugField()


ERRORS = {
    status: OpenApiResponse(CompatibilityErrorSerializer, description)
    for status, description in (
        (400, "No photo, or none that can be read"),
        (401, "An invalid token"),
        (403, "A token without the scope"),
        (411, "No Content-Length"),
        (413, "Too large"),
        (415, "Not a picture"),
        (429, "Too many requests"),
        (503, "No model, or too busy"),
    )
}


class SiteTokenAuthentication(TokenAuthentication):
    """Ignores tokens of other sites, which such clients send along."""

    def authenticate(self, request):
        token = get_authorization_header(request).partition(b" ")[2].strip()
        return super().authenticate(request) if token.startswith(PREFIX.encode()) else None


class CompatibilityView(CapacityMixin, PublicView):
    """Errors are {"error": sentence, "code": code}, with the statuses of the rest of the API."""

    authentication_classes = [SiteTokenAuthentication]
    content_negotiation_class = IgnoreAcceptNegotiation  # they accept pictures, or nothing
    scope = throttle_scope = "predict"

    def get_exception_handler(self):
        return _error_response


def top_labels(photo: bytes) -> list[tuple[str, float]]:
    """(label, confidence) of the five likeliest types of a photo, likeliest first.

    Labels are the exact class names of the first deployed model; a type that it did not have goes
    by its own name.
    """
    labels = {row.slug: row.original_label or row.name for row in current().types()}
    return [
        (labels.get(entry["slug"], entry["name"]), entry["confidence"])
        for entry in answer.recognise(photo)["top"]
    ]


def _error_response(error: Exception, context: dict) -> Response | None:
    response = problems.handle(error, context)
    if response is not None:
        response.data = {"error": response.data["detail"], "code": response.data["code"]}
        response.content_type = None  # that of the renderer
    return response
