"""Admin of assess runs, assessments, findings and work lists."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html_join

from curation.models import Assessment, AssessRun, CurrentAssessRun, Finding, WorkList
from shoeproject.admin_pages import ReadOnlyAdmin
from shoeproject.jobs.admin import JobAdmin


@admin.register(AssessRun)
class AssessRunAdmin(JobAdmin):
    """Assess runs: a model looks at every image."""

    list_display = ["__str__", "state", "progress", "images", "findings", "asked_by", "created_at"]
    input_fields = ("embedding",)
    result_fields = ("model_name", "images", "found", "overlap", "took")

    @admin.display
    def findings(self, run):
        return sum(run.report["reasons"].values()) if run.report else "–"

    @admin.display(description="findings")
    def found(self, run):
        """Return the findings of each reason, linked to the queue."""
        if not run.report:
            return "–"
        queue = reverse("admin:curation_queue")
        return format_html_join(
            ", ",
            '<a href="{}?reason={}">{}</a>\u00a0{}',
            (
                (queue, slug, slug, number)
                for slug, number in sorted(run.report["reasons"].items(), key=lambda row: -row[1])
            ),
        ) or "nothing"  # fmt: skip

    @admin.display(description="types hard to tell apart")
    def overlap(self, run):
        """Return the pairs of types with the most images in doubt."""
        if not run.report:
            return "–"
        if not run.report["labels_judged"]:
            return (
                "The labels could not be judged: that needs two types with images of two different "
                "things each."
            )
        pairs = run.report["overlapping"][:10]
        return format_html_join("", "<p>{} and {}: {} images</p>", pairs) or "none"

    @admin.display(description="what it took")
    def took(self, run):
        if not run.report:
            return "–"
        seconds, unreadable = run.report["seconds"], run.report["unreadable"]
        left_out = f" {unreadable} pictures could not be read." if unreadable else ""
        return (
            f"{run.report['looked_at']} pictures looked at in {seconds['looking']} s, all judged "
            f"in {seconds['judging']} s.{left_out}"
        )


@admin.register(CurrentAssessRun)
class CurrentAssessRunAdmin(ReadOnlyAdmin):
    """The assess run whose findings count."""

    list_display = ["run"]


@admin.register(Assessment)
class AssessmentAdmin(ReadOnlyAdmin):
    """What a model thinks of each image."""

    list_display = ["image", "suggested", "loss", "label_quality", "outlier", "run"]
    list_filter = ["suggested"]
    list_select_related = ["image__label", "image__proposed", "run"]
    show_full_result_count = False


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """What may be wrong with images."""

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
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)
