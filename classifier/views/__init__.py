"""The site's pages."""

from classifier.views.about import bad_request, not_found, privacy, server_error
from classifier.views.answers import past_answer, withdraw
from classifier.views.guide_pages import guide, guide_category, guide_type
from classifier.views.recognise import home

__all__ = [
    "bad_request",
    "guide",
    "guide_category",
    "guide_type",
    "home",
    "not_found",
    "past_answer",
    "privacy",
    "server_error",
    "withdraw",
]
