"""The pages for errors; under `/api/` the same as problems."""

from django.http import Http404
from django.shortcuts import render

from classifier.views.page import site_page
from shoeproject.api import problems


@site_page
def not_found(request, exception):
    """Handler of 404: a problem under `/api/`, a page elsewhere."""
    if problems.is_api(request):
        return problems.response(problems.describe(Http404()))
    return render(request, "404.html", status=404)


@site_page
def bad_request(request, exception):
    """Handler of 400: a request that Django refuses before any view sees it."""
    problem = problems.describe(exception) or problems.BAD_REQUEST
    if problems.is_api(request):
        return problems.response(problem)
    return render(request, "400.html", {"problem": problem}, status=problem.status)


@site_page
def server_error(request):
    """Handler of 500. The traceback goes to the log alone."""
    if problems.is_api(request):
        return problems.response(problems.SERVER_ERROR)
    # Without the request: the context processors may need what failed.
    return render(None, "500.html", status=500)
