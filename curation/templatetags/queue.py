"""How the queue words numbers and times."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """A probability, 0 to 1, in whole percent; never a certainty that it is not."""
    rounded = round(100 * share)
    if rounded >= 100 and share < 1:
        return "over 99\u00a0%"
    return f"{rounded}\u00a0%"


@register.filter
def ago(at: str) -> str:
    """How long ago, in the larger unit only."""
    then = datetime.fromisoformat(at)
    if (timezone.now() - then).total_seconds() < 60:
        return "just now"
    return f"{timesince(then, depth=1)} ago"
