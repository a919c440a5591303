"""Errors as problem details (RFC 9457): in the API, on pages and in the schema."""

from dataclasses import dataclass, field
from http import HTTPStatus

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from shoeproject.errors import ProjectError

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Problem:
    """An error as an HTTP response. `extra`: members of the body besides the standard ones."""

    status: int
    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict = field(default_factory=dict)

    def body(self) -> dict:
        """The members of RFC 9457, and `code`: stable, for programs."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.extra,
        }


class ProblemSerializer(serializers.Serializer):
    """An error, as in RFC 9457."""

    type = serializers.CharField(help_text="Always about:blank: `code` says which error it is")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong and what to do, for people")
    code = serializers.SlugField(help_text="Stable, for programs")


INVALID = Problem(400, "invalid", "Some fields are not valid.")
MALFORMED = Problem(
    400, "request_malformed", "The request is malformed; send it as the schema says."
)
NOT_JSON = Problem(415, "unsupported_media_type", "Send application/json.")
BAD_REQUEST = Problem(400, "request_refused", "The request is malformed; check it and try again.")
SERVER_ERROR = Problem(500, "server_error", "Something went wrong here; try again in a minute.")
# Django's own refusals of a request; the first match counts.
DJANGO = [
    (Http404, Problem(404, "not_found", "There is nothing at this address.")),
    (PermissionDenied, Problem(403, "permission_denied", "You may not do this.")),
    (
        RequestDataTooBig,
        Problem(413, "request_too_large", "The request has more data than allowed."),
    ),
    (
        SuspiciousOperation,
        Problem(
            400,
            "request_refused",
            "The request has more fields or files than allowed, or is malformed; send one photo.",
        ),
    ),
    (
        (MultiPartParserError, BadRequest),
        Problem(
            400,
            "request_malformed",
            "The form data is malformed; send multipart/form-data as browsers do.",
        ),
    ),
    (
        UnreadablePostError,
        Problem(400, "request_incomplete", "The request broke off before its end; send it again."),
    ),
]


def describe(error: Exception, view=None) -> Problem | None:
    """The problem that answers an error; None for an unexpected error."""
    if isinstance(error, ProjectError):
        wait = error.retry_after
        headers = {} if wait is None else {"Retry-After": str(wait)}
        return Problem(error.status, error.code, error.detail, headers)
    if isinstance(error, exceptions.APIException):
        return _of_framework(error, view)
    return next((problem for kind, problem in DJANGO if isinstance(error, kind)), None)


def handle(error: Exception, context: dict) -> Response | None:
    """REST framework's exception handler. None lets an unexpected error become a logged 500."""
    problem = describe(error, context.get("view"))
    if problem is None:
        return None
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(problem.body(), problem.status, headers=headers, content_type=CONTENT_TYPE)


def is_api(request) -> bool:
    """Whether this address is answered in JSON even when it does not exist."""
    return request.path_info.startswith(("/api/", "/run/", "/models/"))


def response(problem: Problem) -> JsonResponse:
    """A problem's response outside REST framework's views."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    return JsonResponse(
        problem.body(), status=problem.status, headers=headers, content_type=CONTENT_TYPE
    )


def _of_framework(error: exceptions.APIException, view) -> Problem:
    headers, extra = {}, {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait) + 1)
    code, detail = getattr(error.detail, "code", error.default_code), str(error.detail)
    if isinstance(error, exceptions.ValidationError):
        code, detail, extra = INVALID.code, INVALID.detail, {"errors": error.detail}
    elif isinstance(error, exceptions.Throttled):
        seconds = headers.get("Retry-After", "some")
        detail = f"Too many requests; try again in {seconds} seconds."
    elif isinstance(error, exceptions.UnsupportedMediaType) and view is not None:
        detail += f" Send {' or '.join(p.media_type for p in view.parser_classes)}."
    elif isinstance(error, exceptions.MethodNotAllowed) and view is not None:
        detail += f" Use {', '.join(view.allowed_methods)}."
    elif isinstance(error, exceptions.ParseError):
        code = MALFORMED.code
        detail = f"The request is malformed ({detail.rstrip(' :.')}); send it as the schema says."
    return Problem(error.status_code, code, detail, headers, extra)
