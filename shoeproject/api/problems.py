"""Errors as HTTP, in one shape (RFC 9457), for the API and for the page."""

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions
from rest_framework.response import Response

from shoeproject.api.problem import CONTENT_TYPE, Problem
from shoeproject.errors import ProjectError

# Django's own refusals of a request, first match first: status, code, sentence.
DJANGO = [
    (Http404, 404, "not_found", "There is nothing at this address."),
    (PermissionDenied, 403, "permission_denied", "You may not do this."),
    (RequestDataTooBig, 413, "request_too_large", "The request has more data than allowed."),
    (
        SuspiciousOperation,
        400,
        "request_refused",
        "The request has more fields or files than allowed, or is malformed; send one photo.",
    ),
    (
        (MultiPartParserError, BadRequest),
        400,
        "request_malformed",
        "The form data is malformed; send multipart/form-data as browsers do.",
    ),
    (
        UnreadablePostError,
        400,
        "request_incomplete",
        "The request broke off before its end; send it again.",
    ),
]
BAD_REQUEST = Problem(400, "request_refused", "The request is malformed; check it and try again.")
SERVER_ERROR = Problem(500, "server_error", "Something went wrong here; try again in a minute.")


def describe(error: Exception, view=None) -> Problem | None:
    """What is told of an error; None for one that nobody foresaw."""
    if isinstance(error, ProjectError):
        return _of_project(error)
    if isinstance(error, exceptions.APIException):
        return _of_framework(error, view)
    for kind, status, code, detail in DJANGO:
        if isinstance(error, kind):
            return Problem(status, code, detail)
    return None


def handle(error: Exception, context: dict) -> Response | None:
    """REST framework's exception handler. None lets an unforeseen error become a logged 500."""
    problem = describe(error, context.get("view"))
    if problem is None:
        return None
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(problem.body(), problem.status, headers=headers, content_type=CONTENT_TYPE)


def is_api(request) -> bool:
    """Whether this address is answered in JSON even when it does not exist."""
    return request.path_info.startswith(("/api/", "/run/", "/models/"))


def response(problem: Problem) -> JsonResponse:
    """The same outside REST framework's views."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    return JsonResponse(
        problem.body(), status=problem.status, headers=headers, content_type=CONTENT_TYPE
    )


def _of_project(error: ProjectError) -> Problem:
    wait = error.retry_after
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return Problem(error.status, error.code, error.detail, headers)


def _of_framework(error: exceptions.APIException, view) -> Problem:
    headers, more = {}, {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait) + 1)
    code, detail = error.default_code, str(error.detail)
    if isinstance(error, exceptions.ValidationError):
        code, detail, more = "invalid", "Some fields are not valid.", {"errors": error.detail}
    elif isinstance(error, exceptions.Throttled):
        seconds = headers.get("Retry-After", "some")
        detail = f"Too many requests; try again in {seconds} seconds."
    elif isinstance(error, exceptions.UnsupportedMediaType) and view is not None:
        detail += f" Send {' or '.join(p.media_type for p in view.parser_classes)}."
    elif isinstance(error, exceptions.MethodNotAllowed) and view is not None:
        detail += f" Use {', '.join(view.allowed_methods)}."
    elif isinstance(error, exceptions.ParseError):
        code = "request_malformed"
        detail = f"The request is malformed ({detail.rstrip(' :.')}); send it as the schema says."
    return Problem(error.status_code, code, detail, headers, more)
