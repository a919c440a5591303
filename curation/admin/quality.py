"""Admin pages of assessments, findings and work lists."""

from django.contrib import admin

from curation.models import Assessment, AssessRun, CurrentAssessRun, Finding, WorkList
from shoeproject.jobadmin import ReadOnlyAdmin


@admin.register(AssessRun)
class AssessRunAdmin(ReadOnlyAdmin):
    """Assess runs; nothing starts one yet."""

    missing = "Images are not assessed yet."
    list_display = ["__str__", "state", "asked_by", "created_at"]
    list_filter = ["state"]


@admin.register(CurrentAssessRun)
class CurrentAssessRunAdmin(ReadOnlyAdmin):
    """Which assess run counts."""

    missing = "Images are not assessed yet."
    list_display = ["run"]


@admin.register(Assessment)
class AssessmentAdmin(ReadOnlyAdmin):
    """What a model thinks of each image."""

    missing = "Images are not assessed yet."
    list_display = ["image", "suggested", "loss", "label_quality", "outlier", "run"]
    list_filter = ["suggested"]
    list_select_related = ["image__label", "image__proposed", "run"]
    show_full_result_count = False


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """What may be wrong with images."""

    missing = "Images are not assessed yet."
    list_display = ["reason", "score", "image", "suggested", "other", "silenced_at"]
    list_filter = ["reason", "suggested"]
    list_select_related = ["image__label", "image__proposed"]
    show_full_result_count = False


@admin.register(WorkList)
class WorkListAdmin(admin.ModelAdmin):
    """Lists of images to look at."""

    list_display = ["name", "why", "created_by", "created_at"]
    raw_id_fields = ["images"]
    exclude = ["created_by"]

    def save_model(self, request, obj, form, change):
        """Remember who made it."""
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)
