"""Template filters for numbers and times in the queue."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """A probability, 0 to 1, in whole percent; below 1 it is never shown as 100."""
    rounded = round(100 * share)
    if rounded >= 100 and share < 1:
        return "over 99\u00a0%"
    return f"{rounded}\u00a0%"


@register.filter
def ago(at: str) -> str:
    """How long ago an ISO time was, in its largest unit."""
    then = datetime.fromisoformat(at)
    if (timezone.now() - then).total_seconds() < 60:
        return "just now"
    return f"{timesince(then, depth=1)} ago"
