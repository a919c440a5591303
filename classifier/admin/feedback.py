"""Admin page of what visitors say."""

from django.contrib import admin

from classifier.models import Feedback
from shoeproject.jobadmin import ReadOnlyAdmin


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    """Visitors' feedback; the site does not ask for it yet."""

    missing = "The site does not ask for feedback yet."
    list_display = ["created_at", "right", "shoe_type"]
    list_filter = ["right", "shoe_type"]
    list_select_related = ["shoe_type"]
