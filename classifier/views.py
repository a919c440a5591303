"""The site's pages."""

import json
from functools import wraps
from itertools import groupby

from django.conf import settings
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from classifier import answer, photo, problems, store, trust
from classifier.guide import Guide
from shoeproject.access import throttles

# Everything from this host; blob: is the visitor's own photo, shown without being sent anywhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def site_page(view):
    """Send a page with the site's Content-Security-Policy."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        response["Content-Security-Policy"] = POLICY
        return response

    return guarded


@csrf_exempt  # looks at the length first; `_answer_form` below is protected
@require_http_methods(["GET", "HEAD", "POST"])
@site_page
def home(request):
    """The recogniser. A form sent here, without JavaScript, is answered on the same page."""
    if request.method != "POST":
        return _home(request)
    try:
        throttles.check(request, "predict")
        photo.check_length(request)
        return _answer_form(request)
    except Exception as error:
        problem = problems.describe(error)
        if problem is None:
            raise
        return _home(request, problem)


@csrf_protect
def _answer_form(request):
    return _home(request, answered=answer.recognise(photo.read(request)))


def _home(request, problem=None, answered=None):
    served, guide = store.active(), Guide()
    context = {
        "served": served,
        "learnt": len(guide.learnt(served and served.model)),
        "types": len(guide.types()),
        "problem": problem,
        "worn": trust.about_worn(trust.figures(served.version)) if served else "",
        "likely": answer.LIKELY,
        "wording": json.dumps(answer.WORDING),
        "max_bytes": settings.IMAGE_MAX_BYTES,
        "max_megabytes": settings.IMAGE_MAX_BYTES // 1024**2,
    }
    if answered:
        context["answer"] = {
            **answered,
            **answer.wording(answered),
            "top": [{**e, "percent": answer.percent(e["confidence"])} for e in answered["top"]],
        }
    response = render(request, "site/home.html", context, status=problem.status if problem else 200)
    if request.method == "POST":
        response["Cache-Control"] = "no-store"
    for name, value in (problem.headers if problem else {}).items():
        response[name] = value
    return response


@require_safe
@site_page
def guide(request):
    """All types, family by family."""
    served, guide = store.active(), Guide()
    measured = trust.figures(served.version) if served else {}
    known = trust.by_type(served.version, guide, served.model, measured) if served else {}
    families = [
        (category, [(row, known.get(row.slug)) for row in rows])
        for category, rows in groupby(guide.types(), key=lambda row: row.category)
    ]
    context = {
        "families": families,
        "served": served,
        "measured": bool(measured.get("per_type")),
        "scenes": trust.about_scenes(measured),
    }
    return render(request, "site/guide.html", context)


@require_safe
@site_page
def guide_type(request, slug):
    """One type; one that was merged into another leads there."""
    served, guide = store.active(), Guide()
    row = guide.type(slug)
    if row is None:
        raise Http404
    if row.slug != slug:
        return redirect("guide-type", slug=row.slug)
    known = trust.by_type(served.version, guide, served.model) if served else {}
    context = {
        "type": row,
        "family": [other for other in guide.types() if other.category == row.category],
        "served": served,
        "trust": known.get(slug),
    }
    return render(request, "site/type.html", context)


@require_safe
@site_page
def privacy(request):
    """What is kept of a visit."""
    days, hours = divmod(settings.ANSWER_ID_HOURS, 24)
    validity = f"{days} days" if days > 1 and not hours else f"{settings.ANSWER_ID_HOURS} hours"
    return render(request, "site/privacy.html", {"validity": validity})


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
    """Handler of 500. The log has the traceback; nobody else gets it."""
    if problems.is_api(request):
        return problems.response(problems.SERVER_ERROR)
    # Without the request: what failed may be what the context processors need.
    return render(None, "500.html", status=500)
