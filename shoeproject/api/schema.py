"""The OpenAPI schema: what all views have in common is drawn here, once."""

from http import HTTPStatus

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_examples_list
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import exceptions

from shoeproject.api.idempotency import IdempotentMixin
from shoeproject.api.pagination import MAX_KEY
from shoeproject.api.problems import CONTENT_TYPE, Problem, ProblemSerializer, describe
from shoeproject.api.views import CuratorView, ListView

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]([ -~]*[!-~])?$"},
    OpenApiParameter.HEADER,
    description="Sent again with the same key and body, the request is not done twice: it gets the "
    "first answer again, with `Idempotency-Replayed: true`. A random UUID is best",
)
PRIMARY_KEY = OpenApiParameter(
    "id", {"type": "integer", "minimum": 0, "maximum": MAX_KEY}, OpenApiParameter.PATH
)
RATE_HEADERS = {
    "RateLimit-Policy": ("string", '"predict";q=60;w=60: 60 requests in 60 seconds'),
    "RateLimit": ("string", '"predict";r=12;t=40: 12 more in the next 40 seconds'),
    "RateLimit-Limit": ("integer", "Requests allowed"),
    "RateLimit-Remaining": ("integer", "Requests left"),
    "RateLimit-Reset": ("integer", "Seconds until there are more"),
    "Retry-After": ("integer", "Seconds to wait"),
}


class ApiSchema(AutoSchema):
    """Draws each view's problems, pages, Idempotency-Key, permission and rate limit.

    A component is named after its serializer: `ImageSerializer` becomes `ImageShape`.
    """

    def get_operation(self, *args):
        operation = super().get_operation(*args)
        if operation is None:  # the view is left out of the schema
            return None
        if isinstance(self.view, CuratorView):
            scope = self.view.scope if self.method == "GET" else self.view.write_scope
            needs = f"Scope `{scope}`, permission `{self.view.required_permissions[self.method]}`."
            operation["description"] = f"{operation.get('description', '')} {needs}".strip()
        for parameter in operation.get("parameters", []):
            if "enum" in parameter["schema"]:
                parameter["schema"].pop("minLength", None)  # the choices imply it
        responses = operation["responses"]
        for problem in self._problems_of_view():
            example = OpenApiExample(problem.code, problem.body())
            self._examples(responses, problem).update(build_examples_list([example]))
        for problem in self._problems_of_all(operation.get("security", [])):
            self._examples(responses, problem)[problem.code] = {"value": problem.body()}
        responses["429"]["headers"] = {
            name: {"schema": {"type": kind}, "description": description}
            for name, (kind, description) in RATE_HEADERS.items()
        }
        return operation

    def get_override_parameters(self):
        parameters = super().get_override_parameters()
        if self.method == "GET" and isinstance(self.view, ListView):
            parameters = [self.view.query_serializer_class, *parameters]
        if self.method == "POST" and isinstance(self.view, IdempotentMixin):
            parameters = [IDEMPOTENCY_KEY, *parameters]
        return [PRIMARY_KEY, *parameters] if "{id}" in self.path else parameters

    def get_response_serializers(self):
        if self.method == "GET" and isinstance(self.view, ListView):
            return self.view.serializer_class(many=True)
        return super().get_response_serializers()

    def get_serializer_name(self, serializer, direction):
        name = super().get_serializer_name(serializer, direction)
        return f"{name.removesuffix('Serializer')}Shape"

    def get_paginated_name(self, serializer_name):
        return f"{type(self.view).__name__.removesuffix('View')}Shape"

    def _problems_of_view(self) -> list[Problem]:
        """What the view's classes list in `problems`."""
        listed = [
            error
            for kind in type(self.view).__mro__
            for error in vars(kind).get("problems", {}).get(self.method, [])
        ]
        return [error if isinstance(error, Problem) else describe(error) for error in listed]

    def _problems_of_all(self, security: list[dict]) -> list[Problem]:
        """The refusals that any view may answer with, and those of its kinds of authentication."""
        errors = [exceptions.Throttled(wait=11)]
        if {} not in security:
            errors += [exceptions.NotAuthenticated(), exceptions.PermissionDenied()]
        for kind in self.view.authentication_classes:
            errors += getattr(kind, "problems", [])
        return [describe(error) for error in errors]

    def _examples(self, responses: dict, problem: Problem) -> dict:
        """The examples of a problem's status; adds the status to the responses if needed."""
        phrase = HTTPStatus(problem.status).phrase
        response = responses.setdefault(str(problem.status), {"description": phrase})
        reference = self.resolve_serializer(ProblemSerializer, "response").ref
        media = response.setdefault("content", {}).setdefault(CONTENT_TYPE, {"schema": reference})
        return media.setdefault("examples", {})
