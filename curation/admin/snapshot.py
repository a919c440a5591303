"""Admin of snapshots."""

from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from curation.admin.progress import ProgressPages
from curation.admin.snapshot_compare import SnapshotComparePages
from curation.admin.snapshot_export import SnapshotExportPages
from curation.models import Snapshot
from curation.snapshots import freeze
from curation.splits import Split
from shoeproject.admin_pages import form_errors


class FreezeForm(forms.ModelForm):
    """A name, and which images; `user`, who freezes, is set by a subclass."""

    min_size = forms.IntegerField(
        min_value=0, initial=100, required=False, help_text="Shorter side in pixels, at least"
    )
    confirmed = forms.BooleanField(required=False, help_text="Only images somebody has looked at")

    class Meta:
        model = Snapshot
        fields = ["name"]

    def clean(self):
        data = super().clean()
        if not self.errors:
            # Freezing here, and not on saving, shows what is wrong beside the form.
            with form_errors():
                chosen = freeze.Filter(data["min_size"] or 0, data["confirmed"])
                self.frozen = freeze.freeze(data["name"], chosen, by=self.user)
        return data


@admin.register(Snapshot)
class SnapshotAdmin(SnapshotExportPages, SnapshotComparePages, ProgressPages, admin.ModelAdmin):
    """Snapshots: freeze one, see what is in it, compare two."""

    actions = ["compare_snapshots"]
    change_list_template = "admin/curation/snapshot_change_list.html"
    list_display = ["name", "images", "labels", "incomplete", "created_by", "created_at"]
    search_fields = ["name", "digest"]

    class Media:
        css = {"all": ["admin/job-progress.css"]}

    def get_form(self, request, obj=None, **kwargs):
        if obj is not None:
            return super().get_form(request, obj, **kwargs)
        return type("FreezeForm", (FreezeForm,), {"user": request.user})

    def get_fields(self, request, obj=None):
        if obj is None:
            return ["name", "min_size", "confirmed"]
        return [
            "name", "digest", "images", "filter", "table", "incomplete", "created_by", "created_at",
        ]  # fmt: skip

    def get_readonly_fields(self, request, obj=None):
        return self.get_fields(request, obj) if obj else ()

    def save_form(self, request, form, change):
        return form.frozen

    def save_model(self, request, obj, form, change):
        """Do nothing: `freeze` saved the row."""

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    @admin.action(description="Compare the two chosen", permissions=["view"])
    def compare_snapshots(self, request, queryset):
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[:3])
        if len(chosen) != 2:
            self.message_user(request, "Choose exactly two snapshots.", messages.ERROR)
            return None
        query = urlencode({"a": chosen[0], "b": chosen[1]})
        return redirect(f"{reverse('admin:curation_snapshot_compare')}?{query}")

    @admin.display
    def labels(self, snapshot):
        return len(snapshot.counts)

    @admin.display(description="images for each label")
    def table(self, snapshot):
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>',
            ((label, *(row[split] for split in Split)) for label, row in snapshot.counts.items()),
        )
        return format_html(
            '<table class="figures"><tr><th scope="col">label</th><th scope="col">train</th>'
            '<th scope="col">valid</th><th scope="col">test</th></tr>{}</table>',
            rows,
        )
