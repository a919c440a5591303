"""The recogniser's page."""

import json

from django.conf import settings
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from classifier.answers import answer, learnt_types
from classifier.api import request_photos
from classifier.evaluation import report
from classifier.registry import store
from classifier.views import wording
from classifier.views.page import site_page, with_problem
from curation.taxonomy.guide import Guide
from shoeproject.api import problems, throttles

# A browser sends a copy whose longer side is so many times what the network looks at: enough for
# the same answer, a fraction of the bytes of a phone's photo.
SENT_TIMES = 2.5


@csrf_exempt  # looks at the length first; `_answer_form` below is protected
@require_http_methods(["GET", "HEAD", "POST"])
@site_page
def home(request):
    """The recogniser. A form sent here, without JavaScript, is answered on the same page."""
    if request.method != "POST":
        return _home(request)
    try:
        throttles.check(request, "predict")
        request_photos.check_length(request)
        request_photos.check_place(request)
        return _answer_form(request)
    except Exception as error:
        problem = problems.describe(error)
        if problem is None:
            raise
        return with_problem(_home(request, problem), problem)


@csrf_protect
def _answer_form(request):
    explained = request.POST.get("explain") == "1"
    return _home(request, answered=answer.recognise(request_photos.read(request), explained))


def _home(request, problem=None, answered=None):
    served, guide = store.active(), Guide()
    context = {
        "served": served,
        "learnt": len(learnt_types.learnt(guide, served and served.model)),
        "types": len(guide.types()),
        "problem": problem,
        "answer": answered and wording.shown(answered),
        "worn": report.about_worn(report.figures(served.version)) if served else "",
        "likely": answer.LIKELY,
        "wording": json.dumps(answer.WORDING),
        "side": round(SENT_TIMES * served.model.preprocess.size) if served else 0,
        "max_bytes": settings.IMAGE_MAX_BYTES,
        "max_megabytes": settings.IMAGE_MAX_BYTES // 1024**2,
        **wording.for_feedback(guide),
    }
    response = render(request, "site/home.html", context)
    if request.method == "POST":
        response["Cache-Control"] = "no-store"
    return response
