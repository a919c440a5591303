"""Admin of visitors' feedback."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from classifier.answers.wording import percent
from classifier.models import Feedback
from shoeproject.admin_pages import ReadOnlyAdmin


class PhotoFilter(admin.SimpleListFilter):
    """Filter by whether a photo came with the feedback."""

    title = "photo"
    parameter_name = "photo"

    def lookups(self, request, model_admin):
        return [("kept", "kept"), ("withdrawn", "taken back"), ("none", "none")]

    def queryset(self, request, queryset):
        photos = queryset.filter(image__isnull=False)
        return {
            "kept": photos.filter(withdrawn_at__isnull=True),
            "withdrawn": queryset.filter(withdrawn_at__isnull=False),
            "none": queryset.filter(image__isnull=True),
        }.get(self.value(), queryset)


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    """Feedback: what the model answered, what the visitor says, and the photo if there is one."""

    list_display = ["created_at", "right", "answered", "shoe_type", "version", "photo"]
    list_filter = ["right", PhotoFilter, "shoe_type"]
    list_select_related = ["shoe_type", "image"]
    date_hierarchy = "created_at"
    fields = ["created_at", "right", "answered", "likeliest", "shoe_type", "version", "photo"]
    readonly_fields = fields

    @admin.display(description="the model said")
    def answered(self, row):
        verdict, top = row.answer.get("verdict", "–"), row.answer.get("top")
        return f"{verdict}: {top[0][0]}" if verdict == "type" and top else verdict

    @admin.display(description="likeliest types")
    def likeliest(self, row):
        top = row.answer.get("top") or []
        return ", ".join(f"{slug} {percent(share)}" for slug, share in top) or "–"

    @admin.display(description="version")
    def version(self, row):
        return row.answer.get("version", "–")

    @admin.display(description="photo")
    def photo(self, row):
        if row.withdrawn_at:
            return "taken back"
        if row.image is None:
            return "–"
        address = reverse("admin:curation_shoeimage_change", args=[row.image_id])
        words = "given" if row.code_key else "was here before"
        return format_html('<a href="{}">{}</a>', address, words)
