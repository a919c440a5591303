"""Doors for clients that were written for other servers: what these doors share."""

from rest_framework.authentication import get_authorization_header
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.response import Response
from rest_framework.utils.mediatypes import media_type_matches

from classifier.access.authentication import TokenAuthentication
from classifier.access.tokens import PREFIX
from classifier.answers import answer
from classifier.api.guide import PublicView
from classifier.api.parsers import PlaceFirst
from curation.taxonomy.guide import current
from shoeproject.api import problems

# For the schema: a token, or none.
AUTH = [{"token": []}, {}]


class AsItComes(BaseContentNegotiation):
    """JSON whatever is accepted: such clients ask for a picture, or for nothing in particular."""

    def select_parser(self, request, parsers):
        """The first that takes the body's type."""
        matching = (p for p in parsers if media_type_matches(p.media_type, request.content_type))
        return next(matching, None)

    def select_renderer(self, request, renderers, format_suffix=None):
        """The one there is."""
        return renderers[0], renderers[0].media_type


class OwnTokens(TokenAuthentication):
    """Tokens of this site alone: such clients send along what they have for another."""

    def authenticate(self, request):
        """(user, token), or None without a token of this site."""
        shown = get_authorization_header(request).partition(b" ")[2].strip()
        return super().authenticate(request) if shown.startswith(PREFIX.encode()) else None


class ForeignView(PlaceFirst, PublicView):
    """Errors are {"error": sentence}, with the status of the API's."""

    authentication_classes = [OwnTokens]
    content_negotiation_class = AsItComes
    scope = throttle_scope = "predict"

    def get_exception_handler(self):
        """Errors in that shape."""
        return _handle


def _handle(error: Exception, context: dict) -> Response | None:
    problem = problems.describe(error, context.get("view"))
    if problem is None:
        return None
    headers = {"Cache-Control": "no-store", **problem.headers}
    body = {"error": problem.detail, "code": problem.code}
    return Response(body, problem.status, headers=headers)


def labelled(photo: bytes) -> list[tuple[str, float]]:
    """The five likeliest types of a photo under the first model's class names, letter for letter,
    likeliest first; a type that it did not have under its own name."""
    guide = current()
    names = {row.slug: row.original_label or row.name for row in guide.types()}
    top = answer.recognise(photo)["top"]
    return [(names.get(entry["slug"], entry["name"]), entry["confidence"]) for entry in top]
