"""Admin page of what visitors say."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from classifier.answers import answer
from classifier.models import Feedback
from shoeproject.jobs.admin import ReadOnlyAdmin


class PhotoFilter(admin.SimpleListFilter):
    """Whether a photo came with it."""

    title = "photo"
    parameter_name = "photo"

    def lookups(self, request, model_admin):
        """What a photo may have become."""
        return [("kept", "kept"), ("withdrawn", "taken back"), ("none", "none")]

    def queryset(self, request, queryset):
        """The feedback of one kind."""
        photos = queryset.filter(image__isnull=False)
        return {
            "kept": photos.filter(withdrawn_at__isnull=True),
            "withdrawn": queryset.filter(withdrawn_at__isnull=False),
            "none": queryset.filter(image__isnull=True),
        }.get(self.value(), queryset)


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    """Visitors' feedback: what the model said, what they say, and the photo where there is one."""

    list_display = ["created_at", "right", "answered", "shoe_type", "version", "photo"]
    list_filter = ["right", PhotoFilter, "shoe_type"]
    list_select_related = ["shoe_type", "image"]
    date_hierarchy = "created_at"
    fields = ["created_at", "right", "answered", "likeliest", "shoe_type", "version", "photo"]
    readonly_fields = fields

    @admin.display(description="the model said")
    def answered(self, row):
        """The verdict, with the type where there is one."""
        verdict, top = row.answer.get("verdict", "–"), row.answer.get("top")
        return f"{verdict}: {top[0][0]}" if verdict == "type" and top else verdict

    @admin.display(description="likeliest types")
    def likeliest(self, row):
        """The top five."""
        top = row.answer.get("top") or []
        return ", ".join(f"{slug} {answer.percent(share)}" for slug, share in top) or "–"

    @admin.display(description="version")
    def version(self, row):
        """Which version answered."""
        return row.answer.get("version", "–")

    @admin.display(description="photo")
    def photo(self, row):
        """A link to the image, or what became of it."""
        if row.withdrawn_at:
            return "taken back"
        if row.image is None:
            return "–"
        address = reverse("admin:curation_shoeimage_change", args=[row.image_id])
        new = "given" if row.code_key else "was here before"
        return format_html('<a href="{}">{}</a>', address, new)
