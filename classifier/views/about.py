"""The privacy page, and the pages for errors."""

from django.conf import settings
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_safe

from classifier.answers.feedback import CONSENT
from classifier.views.page import site_page
from shoeproject.api import problems


@require_safe
@site_page
def privacy(request):
    """The page that says what is kept of a visit."""
    days, hours = divmod(settings.ANSWER_ID_HOURS, 24)
    validity = f"{days} days" if days > 1 and not hours else f"{settings.ANSWER_ID_HOURS} hours"
    reply_hours = settings.IDEMPOTENCY_HOURS
    context = {"validity": validity, "consent": CONSENT, "reply_hours": reply_hours}
    return render(request, "site/privacy.html", context)


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
