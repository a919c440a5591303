"""Admin pages of what brings images in."""

from pathlib import Path

from django import forms
from django.conf import settings
from django.contrib import admin
from django.utils.html import format_html, format_html_join

from curation.models import Collection, Hit, Import
from shoeproject.jobadmin import JobAdmin, ReadOnlyAdmin


class ImportForm(forms.ModelForm):
    """An import of something that lies where imports may read."""

    class Meta:
        model = Import
        fields = ["path", "source", "licence", "scene", "label_map"]

    def clean_path(self):
        """Only paths below the folders that were opened for imports."""
        path = Path(self.cleaned_data["path"]).resolve()
        roots = [Path(root).resolve() for root in settings.IMPORT_ROOTS]
        if not any(path.is_relative_to(root) for root in roots):
            allowed = ", ".join(map(str, roots)) or "none"
            raise forms.ValidationError(
                f"Imports may read these folders only: {allowed}. Put the pictures there, or add "
                "to IMPORT_ROOTS."
            )
        if not path.exists():
            raise forms.ValidationError(f"There is no {path} on this server.")
        return str(path)


@admin.register(Import)
class ImportAdmin(JobAdmin):
    """Imports of labelled pictures."""

    form = ImportForm
    list_display = ["__str__", "state", "progress", "added", "asked_by", "created_at"]
    asked_fields = ("path", "source", "licence", "scene", "label_map")
    result_fields = ("result",)

    def save_model(self, request, obj, form, change):
        """Queue it."""
        obj.asked_by = request.user
        super().save_model(request, obj, form, change)
        obj.ring()

    @admin.display
    def added(self, job):
        """How many came in."""
        return job.report.get("added", "")

    @admin.display(description="report")
    def result(self, job):
        """The report in words."""
        report = job.report
        if not report:
            return "–"
        labels = ", ".join(f"{k} ({v})" for k, v in report["unknown_labels"].items())
        return format_html(
            "<p>{} added, {} known already, {} refused.</p><p>Unknown labels: {}</p><ul>{}</ul>",
            report["added"],
            report["known"],
            sum(report["refused"].values()),
            labels or "none",
            format_html_join(
                "", "<li>{}: {}</li>", ((p["path"], p["detail"]) for p in report["problems"][:100])
            ),
        )


@admin.register(Collection)
class CollectionAdmin(ReadOnlyAdmin):
    """Collections from the web; nothing starts one yet."""

    missing = "Images are not collected from the web yet."
    list_display = ["__str__", "state", "asked_by", "created_at"]
    list_filter = ["state", "shoe_type"]
    list_select_related = ["shoe_type", "asked_by"]


@admin.register(Hit)
class HitAdmin(ReadOnlyAdmin):
    """Search results and what became of them."""

    missing = "Images are not collected from the web yet."
    list_display = ["query", "rank", "outcome", "reason", "collection"]
    list_filter = ["outcome", "reason"]
    list_select_related = ["collection__shoe_type"]
    show_full_result_count = False
