"""What the views of the curators' API share: who may, what part of a list, how errors are drawn."""

from http import HTTPStatus

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from shoeproject.api.idempotency import IdempotentMixin, KeyBusy, KeyReused
from shoeproject.api.problem import CONTENT_TYPE, SCHEMA, Problem

BIGGEST = 2**63 - 1  # what a database takes as a primary key

INVALID = (400, "invalid", "Some fields are not valid.")
MALFORMED = (400, "request_malformed", "The request is malformed; send it as the schema says.")
NOT_JSON = (415, "unsupported_media_type", "Send application/json.")
NOT_FOUND = (404, "not_found", "There is nothing at this address.")
KEY_BUSY = (409, KeyBusy.code, KeyBusy.message)
KEY_REUSED = (422, KeyReused.code, KeyReused.message)
CREATING = (INVALID, MALFORMED, NOT_JSON, KEY_BUSY, KEY_REUSED)

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]([ -~]*[!-~])?$"},
    OpenApiParameter.HEADER,
    description="Sent again with the same key and body, the request is not done twice: it gets the "
    "first answer again, with `Idempotency-Replayed: true`. A random UUID is best",
)
# A path's `pk`, as the schema calls it.
KEY = OpenApiParameter(
    "id", {"type": "integer", "minimum": 0, "maximum": BIGGEST}, OpenApiParameter.PATH
)
# A text that is compared with a column as it is.
TEXT = {"type": "string", "minLength": 1, "pattern": r"^[^\x00]+$"}
PAGE = [
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": settings.API_PAGE_MOST},
        description=f"How many at most in this answer; {settings.API_PAGE} if not said",
    ),
    OpenApiParameter(
        "after", {"type": "integer", "minimum": 0, "maximum": BIGGEST},
        description="`next` of the answer before",
    ),
]  # fmt: skip


class MayDo(BasePermission):
    """Whoever may do it in the admin may do it here: `view.needs` is method → permission."""

    def has_permission(self, request, view) -> bool:
        """Whether the account has the permission. Methods that a view lacks are not its matter."""
        method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
        needed = view.needs.get(method)
        return needed is None or request.user.has_perm(needed)


class CuratorView(IdempotentMixin, APIView):
    """A door for accounts and tokens; what it says is kept by nobody."""

    scope = "curation:read"
    write_scope = "curation:write"
    needs: dict[str, str] = {}
    parser_classes = [JSONParser]
    permission_classes = [IsAuthenticated, MayDo]

    def finalize_response(self, request, response, *args, **kwargs):
        """Keep it out of caches, where the view does not say otherwise."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if "Cache-Control" not in response:
            response["Cache-Control"] = "private, no-store"
        return response


class Text(serializers.CharField):
    """A text that is compared with a column as it is."""

    def __init__(self):
        super().__init__(required=False, trim_whitespace=False)


class PageAsked(serializers.Serializer):
    """What part of a list is asked for. A list by it asks for its own filters, too."""

    limit = serializers.IntegerField(min_value=1, required=False)
    after = serializers.IntegerField(min_value=0, max_value=BIGGEST, required=False)

    def validate_limit(self, limit):
        """As many as one answer may hold."""
        most = settings.API_PAGE_MOST
        if limit > most:
            raise serializers.ValidationError(f"At most {most}; go on with “next”.")
        return limit


def asked(shape: type, data) -> dict:
    """What a request says, checked by the shape; raises REST framework's ValidationError.

    A parameter of an address that is left empty is refused: a script whose variable was empty would
    get everything.
    """
    read = shape(data=data.dict() if hasattr(data, "dict") else data)
    read.is_valid(raise_exception=True)
    return read.validated_data


def page(rows, said: dict, drawn, newest_first=False) -> Response:
    """A part of these rows, by their primary keys: `drawn(rows)` gives their shapes.

    By key and not by number: what comes in meanwhile neither shifts a page nor slows a late one.
    """
    after, limit = said.get("after"), said.get("limit", settings.API_PAGE)
    if after is not None:
        rows = rows.filter(**{"pk__lt" if newest_first else "pk__gt": after})
    # One more than is shown tells whether there is more.
    found = list(rows.order_by("-pk" if newest_first else "pk")[: limit + 1])
    shown = found[:limit]
    more = shown[-1].pk if len(found) > limit else None
    return Response({"results": drawn(shown), "next": more})


def page_shape(name: str, shape: serializers.Serializer) -> type:
    """The shape of a part of a list."""
    more = serializers.IntegerField(
        allow_null=True, help_text="Give it as `after` to go on; null at the end"
    )
    return type(name, (serializers.Serializer,), {"results": shape, "next": more})


def problems(*listed: tuple[int, str, str]) -> dict:
    """The schema's entries for errors: (status, code, detail). Those of every view come by
    themselves (`shoeproject.api.schema`)."""
    by_status = {}
    for status, code, detail in listed:
        by_status.setdefault(status, {})[code] = detail
    return {
        (status, CONTENT_TYPE): OpenApiResponse(
            SCHEMA,
            HTTPStatus(status).phrase,
            [_example(status, code, detail) for code, detail in found.items()],
        )
        for status, found in by_status.items()
    }


def _example(status: int, code: str, detail: str) -> OpenApiExample:
    body = Problem(status, code, detail).body()
    return OpenApiExample(
        code, body, media_type=CONTENT_TYPE, response_only=True, status_codes=[str(status)]
    )
