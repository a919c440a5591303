"""The pages of an answer given before, of feedback about it, and of withdrawing a photo."""

from functools import partial

from django.conf import settings
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from classifier.answers import answer, feedback
from classifier.api import request_photos
from classifier.errors import AnswerExpired, AnswerUnknown, ClassifierError
from classifier.views import shown_answer
from classifier.views.page import problem_page, site_page
from curation.taxonomy.guide import Guide
from shoeproject.api import throttles


class RightMissing(ClassifierError):
    """The form came without a yes or a no."""

    code = "right_missing"
    message = "Say whether the answer was right: choose yes or no."


class TickedWithoutPhoto(ClassifierError):
    """The visitor agreed to give the photo, and none was sent."""

    code = "image_missing"
    message = "Choose the photo once more, because it was not kept, or take the tick away."


@csrf_exempt  # checks the length first; `_give_feedback` below is protected
@require_http_methods(["GET", "HEAD", "POST"])
@site_page
def past_answer(request, answer_id):
    """The answer with this id; a POST is feedback about it."""
    form = {}
    try:
        if request.method != "POST":
            return _render(request, answer_id)
        throttles.check(request, "feedback")
        request_photos.check_length(request)
        return _give_feedback(request, answer_id, form)
    except (AnswerExpired, AnswerUnknown) as error:
        context = {"expired": isinstance(error, AnswerExpired)}
        return problem_page(
            error, lambda problem: _private(render(request, "site/gone.html", context))
        )
    except Exception as error:
        if request.method != "POST":
            raise
        return problem_page(
            error,
            lambda problem: _render(request, answer_id, problem=problem, show_form=True, form=form),
        )


@csrf_protect
def _give_feedback(request, answer_id, form: dict):
    """Save feedback. `form` is filled with the fields, for an error page to show them again."""
    form.update(request.POST.dict())
    past = answer.from_id(answer_id)
    if form.get("right") not in ("yes", "no"):
        raise RightMissing()
    right, agreed = form["right"] == "yes", form.get("consent") == "true"
    if request.FILES and not agreed:
        raise feedback.ConsentMissing()
    if agreed and not request.FILES:
        raise TickedWithoutPhoto()
    # After "yes" to a type the form asks for none; one that was chosen before does not count.
    takes_type = not right or past["verdict"] in shown_answer.OPEN
    slug = form.get("type", "") if takes_type else ""
    photo = request_photos.read(request) if agreed else None
    receipt = feedback.give(answer_id, right, slug, photo)
    return _render(request, answer_id, past, receipt=receipt)


def _render(request, answer_id, past=None, **more):
    past = past or answer.from_id(answer_id)
    context = {
        "answer": shown_answer.shown(past),
        "at": parse_datetime(past["at"]),
        "max_megabytes": settings.IMAGE_MAX_BYTES // 1024**2,
        **more,
    }
    if more.get("show_form"):
        context |= shown_answer.for_feedback(Guide())
    return _private(render(request, "site/past.html", context))


@require_http_methods(["GET", "HEAD", "POST"])
@site_page
@csrf_protect
def withdraw(request):
    """Remove the photo that was given with a code."""
    context = {"code": request.POST.get("code", "").strip()}
    page = partial(render, request, "site/withdraw.html")
    if request.method != "POST":
        return _private(page(context))
    try:
        throttles.check(request, "feedback")
        feedback.withdraw(context["code"])
    except Exception as error:
        return problem_page(error, lambda problem: _private(page({**context, "problem": problem})))
    return _private(page({"withdrawn": True}))


def _private(response):
    """The response with headers that keep it out of caches and search engines."""
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex"
    return response
