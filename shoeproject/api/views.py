"""Base views of the curators' API: who may, lists and single rows."""

from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from shoeproject.api.idempotency import IdempotentMixin
from shoeproject.api.pagination import KeysetPagination, PageQuerySerializer
from shoeproject.api.problems import INVALID, MALFORMED, NOT_JSON


def validated(serializer_class: type[serializers.Serializer], data) -> dict:
    """The fields of a body or a query; raises REST framework's ValidationError.

    Forms and queries are read like JSON: a serializer would take a missing checkbox of a form for
    “no”, and an empty filter, perhaps of a script whose variable was empty, for no filter.
    """
    serializer = serializer_class(data=data.dict() if hasattr(data, "dict") else data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


class IgnoreAcceptNegotiation(DefaultContentNegotiation):
    """For a view that answers in one format whatever the client accepts."""

    def select_renderer(self, request, renderers, format_suffix=None):
        return renderers[0], renderers[0].media_type


class HasModelPermission(BasePermission):
    """Requires the permission of the admin that `view.required_permissions` has for the method."""

    def has_permission(self, request, view) -> bool:
        method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
        # A method that the view lacks is answered with 405.
        permission = view.required_permissions.get(method)
        return permission is None or request.user.has_perm(permission)


class CuratorView(IdempotentMixin, APIView):
    """A view for accounts and tokens; caches keep none of its answers unless it says so.

    `problems`: method → errors that a class of the view adds to its answers, for the schema.
    """

    scope = "curation:read"
    write_scope = "curation:write"
    required_permissions: dict[str, str] = {}
    problems = {"POST": [INVALID, MALFORMED, NOT_JSON]}
    parser_classes = [JSONParser]
    permission_classes = [IsAuthenticated, HasModelPermission]

    def get_serializer_context(self, rows: list) -> dict:
        """What the serializer needs to know besides the rows."""
        return {}

    def serialize(self, rows: list) -> list[dict]:
        """The rows as the answer has them."""
        return self.serializer_class(
            rows, many=True, context=self.get_serializer_context(rows)
        ).data

    def finalize_response(self, request, response, *args, **kwargs):
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class ListView(CuratorView):
    """GET answers a page of `queryset`, filtered by the query's other parameters."""

    pagination_class = KeysetPagination
    query_serializer_class = PageQuerySerializer
    problems = {"GET": [INVALID]}

    def get_queryset(self):
        """The rows that the filters of `query` fit."""
        lookups = {name: v for name, v in self.query.items() if name not in ("limit", "after")}
        return self.queryset.filter(**lookups)

    def get(self, request):
        self.query = validated(self.query_serializer_class, request.query_params)
        paginator = self.pagination_class()
        rows = paginator.paginate_queryset(self.get_queryset(), request, view=self)
        return paginator.get_paginated_response(self.serialize(rows))


class DetailView(CuratorView):
    """GET answers the row of `queryset` that has the values in the address."""

    problems = {"GET": [Http404()]}

    def get(self, request, **lookups):
        return Response(self.serialize([get_object_or_404(self.queryset, **lookups)])[0])
