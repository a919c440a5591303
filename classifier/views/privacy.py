"""The privacy page."""

from django.conf import settings
from django.shortcuts import render
from django.views.decorators.http import require_safe

from classifier.answers.feedback import CONSENT
from classifier.views.page import site_page


@require_safe
@site_page
def privacy(request):
    """The page that says what is kept of a visit."""
    days, hours = divmod(settings.ANSWER_ID_HOURS, 24)
    validity = f"{days} days" if days > 1 and not hours else f"{settings.ANSWER_ID_HOURS} hours"
    context = {
        "validity": validity,
        "consent": CONSENT,
        "reply_hours": settings.IDEMPOTENCY_HOURS,
    }
    return render(request, "site/privacy.html", context)
