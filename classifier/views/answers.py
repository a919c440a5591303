"""An answer that was given before, what its visitor says about it, and taking a photo back."""

from django.conf import settings
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from classifier.answers import feedback, past
from classifier.api import request_photos
from classifier.errors import AnswerExpired, AnswerUnknown, ClassifierError
from classifier.views import wording
from classifier.views.page import site_page, with_problem
from curation.taxonomy.guide import Guide
from shoeproject.api import problems, throttles


class NothingSaid(ClassifierError):
    """The form came without a yes or a no."""

    code = "right_missing"
    message = "Say whether the answer was right: choose yes or no."


class TickedWithoutPhoto(ClassifierError):
    """The photo was to be given, and none came."""

    code = "image_missing"
    message = "Choose the photo once more, because it was not kept, or take the tick away."


@csrf_exempt  # looks at the length first; `_give` below is protected
@require_http_methods(["GET", "HEAD", "POST"])
@site_page
def past_answer(request, answer_id):
    """The answer with this id; a form sent here is feedback about it."""
    form = {}
    try:
        if request.method != "POST":
            return _show(request, answer_id)
        throttles.check(request, "feedback")
        request_photos.check_length(request)
        return _give(request, answer_id, form)
    except (AnswerExpired, AnswerUnknown) as error:
        problem = problems.describe(error)
        context = {"problem": problem, "expired": isinstance(error, AnswerExpired)}
        return _private(with_problem(render(request, "site/gone.html", context), problem))
    except Exception as error:
        problem = problems.describe(error)
        if problem is None or request.method != "POST":
            raise
        page = _show(request, answer_id, problem=problem, asking=True, form=form)
        return with_problem(page, problem)


@csrf_protect
def _give(request, answer_id, form: dict):
    """`form`: filled with what was sent, so that an error can be shown beside it."""
    form.update(request.POST.dict())
    said = past.read(answer_id)
    if form.get("right") not in ("yes", "no"):
        raise NothingSaid()
    right, agreed = form["right"] == "yes", form.get("consent") == "true"
    if request.FILES and not agreed:
        raise feedback.ConsentMissing()
    if agreed and not request.FILES:
        raise TickedWithoutPhoto()
    # Who says yes to a type is not asked for one; what was chosen before does not count.
    asked = not right or said["verdict"] in wording.OPEN
    slug = form.get("type", "") if asked else ""
    given = feedback.give(answer_id, right, slug, request_photos.read(request) if agreed else None)
    return _show(request, answer_id, said, given=given)


def _show(request, answer_id, said=None, **more):
    said = said or past.read(answer_id)
    context = {
        "answer": wording.shown(said),
        "at": parse_datetime(said["at"]),
        "max_megabytes": settings.IMAGE_MAX_BYTES // 1024**2,
        **more,
    }
    if more.get("asking"):
        context |= wording.for_feedback(Guide())
    return _private(render(request, "site/past.html", context))


@require_http_methods(["GET", "HEAD", "POST"])
@site_page
@csrf_protect
def withdraw(request):
    """Removes the photo that was given with a code."""
    context = {"code": request.POST.get("code", "").strip()}
    if request.method != "POST":
        return _private(render(request, "site/withdraw.html", context))
    try:
        throttles.check(request, "feedback")
        feedback.withdraw(context["code"])
    except Exception as error:
        problem = problems.describe(error)
        if problem is None:
            raise
        page = render(request, "site/withdraw.html", {**context, "problem": problem})
        return _private(with_problem(page, problem))
    return _private(render(request, "site/withdraw.html", {"withdrawn": True}))


def _private(response):
    """For nobody's cache and no search engine."""
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex"
    return response
