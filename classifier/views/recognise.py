"""The recogniser's page."""

import json

from django.conf import settings
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from classifier.answers import answer, learnt_types
from classifier.answers.wording import LIKELY, WORDING
from classifier.api import request_photos
from classifier.evaluation import report
from classifier.registry import serving
from classifier.views import shown_answer
from classifier.views.page import problem_page, site_page
from curation.taxonomy.guide import Guide
from shoeproject.api import throttles

# The longer side of the copy that a browser sends, in sides of the network's input: enough for the
# same answer, at a fraction of the bytes of a phone's photo.
SENT_TIMES = 2.5


@csrf_exempt  # checks the length first; `_answer_form` below is protected
@require_http_methods(["GET", "HEAD", "POST"])
@site_page
def home(request):
    """The recogniser. A POST, as forms send it without JavaScript, is answered on the same page."""
    if request.method != "POST":
        return _render(request)
    try:
        throttles.check(request, "predict")
        request_photos.check_length(request)
        request_photos.check_capacity(request)
        return _answer_form(request)
    except Exception as error:
        return problem_page(error, lambda problem: _render(request, problem))


@csrf_protect
def _answer_form(request):
    explained = request.POST.get("explain") == "1"
    return _render(request, recognised=answer.recognise(request_photos.read(request), explained))


def _render(request, problem=None, recognised=None):
    served, guide = serving.active(), Guide()
    context = {
        "served": served,
        "learnt": len(learnt_types.learnt(guide, served and served.model)),
        "types": len(guide.types()),
        "problem": problem,
        "answer": recognised and shown_answer.shown(recognised),
        "worn": report.harder_photos_sentence(report.metrics_of(served.version)) if served else "",
        "likely": LIKELY,
        "wording": json.dumps(WORDING),
        "side": round(SENT_TIMES * served.model.preprocess.size) if served else 0,
        "max_bytes": settings.IMAGE_MAX_BYTES,
        "max_megabytes": settings.IMAGE_MAX_BYTES // 1024**2,
        **shown_answer.for_feedback(guide),
    }
    response = render(request, "site/home.html", context)
    if request.method == "POST":
        response["Cache-Control"] = "no-store"
    return response
