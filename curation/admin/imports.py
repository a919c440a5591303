"""Admin of imports."""

from pathlib import Path

from django import forms
from django.conf import settings
from django.contrib import admin
from django.template.loader import render_to_string

from curation.admin.upload import UploadPages
from curation.imports.report import REASONS
from curation.models import Import, ShoeType
from shoeproject.jobs.admin import JobAdmin

IMAGES_SHOWN = 24
PROBLEMS_SHOWN = 100


class ImportForm(forms.ModelForm):
    """An import of a file or folder on the server, below a folder opened for imports."""

    class Meta:
        model = Import
        fields = ["path", "label", "source", "licence", "scene", "keep_copies", "label_map"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.fields:  # none where a job is only looked at
            self.fields["path"].required = True
            self.fields["label"].queryset = ShoeType.objects.filter(merged_into=None)

    def clean_path(self):
        path = Path(self.cleaned_data["path"].replace("\0", "")).resolve()
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
class ImportAdmin(UploadPages, JobAdmin):
    """Imports of labelled pictures."""

    form = ImportForm
    list_display = ["__str__", "state", "progress", "added", "asked_by", "created_at"]
    list_select_related = ["asked_by"]
    input_fields = ("path", "label", "source", "licence", "scene", "keep_copies", "label_map")
    result_fields = ("result",)

    class Media:
        css = {"all": ["admin/decisions.css", "admin/import.css"]}

    def get_fieldsets(self, request, obj=None):
        if obj is None:
            return super().get_fieldsets(request, obj)
        inputs = [*self.input_fields, "asked_by", "created_at", "started_at", "finished_at"]
        return [
            (None, {"fields": ["state", "progress", "error", "result"]}),
            ("What was asked for", {"fields": inputs}),
        ]

    @admin.display
    def added(self, job):
        return job.report.get("added", "")

    @admin.display(description="result")
    def result(self, job):
        """Return what came in and what did not, as HTML."""
        if not job.report:
            return "Nothing yet."
        report = {"added": 0, "known": 0, "refused": {}, "unknown_labels": {}, "problems": []}
        report |= job.report
        by_reason = sorted(report["refused"].items(), key=lambda row: -row[1])
        by_label = sorted(report["unknown_labels"].items(), key=lambda row: -row[1])
        return render_to_string(
            "admin/curation/import/result.html",
            {
                "job": job,
                "report": report,
                "refused": [(REASONS.get(code, code), number) for code, number in by_reason],
                "refused_sum": sum(report["refused"].values()),
                "unknown": by_label[:PROBLEMS_SHOWN],
                "unknown_sum": sum(report["unknown_labels"].values()),
                "problems": report["problems"][:PROBLEMS_SHOWN],
                "images": job.images.order_by("-pk").select_related("label", "proposed")[
                    :IMAGES_SHOWN
                ],
            },
        )
