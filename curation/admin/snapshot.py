"""Admin pages of snapshots."""

from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join

from curation.admin import snapshot_compare, snapshot_export
from curation.admin.progress import page
from curation.models import Snapshot
from curation.snapshots import freeze
from curation.splits import Split
from shoeproject.errors import ProjectError


class FreezeForm(forms.ModelForm):
    """A name, and which images."""

    min_size = forms.IntegerField(
        min_value=0, initial=100, required=False, help_text="Shorter side in pixels, at least"
    )
    confirmed = forms.BooleanField(required=False, help_text="Only images somebody has looked at")

    class Meta:
        model = Snapshot
        fields = ["name"]

    def clean(self):
        """Freeze here, where what is wrong can still be said beside the form."""
        data = super().clean()
        if not self.errors:
            chosen = freeze.Filter(data["min_size"] or 0, data["confirmed"])
            try:
                self.frozen = freeze.freeze(data["name"], chosen, by=self.user)
            except ProjectError as error:
                raise forms.ValidationError(error.detail) from error
        return data


@admin.register(Snapshot)
class SnapshotAdmin(admin.ModelAdmin):
    """Snapshots: freeze one, see what is in it, compare two."""

    actions = ["compare_snapshots"]
    change_form_template = "admin/curation/snapshot_change_form.html"
    change_list_template = "admin/curation/snapshot_compare_list.html"
    list_display = ["name", "images", "labels", "incomplete", "created_by", "created_at"]
    search_fields = ["name", "digest"]

    class Media:
        css = {"all": ["admin/job-progress.css"]}

    def get_form(self, request, obj=None, **kwargs):
        """The freezing form for a new one."""
        if obj is not None:
            return super().get_form(request, obj, **kwargs)
        return type("FreezeForm", (FreezeForm,), {"user": request.user})

    def get_fields(self, request, obj=None):
        """What to choose by, or what was chosen."""
        if obj is None:
            return ["name", "min_size", "confirmed"]
        return [
            "name", "digest", "images", "filter", "table", "incomplete", "created_by", "created_at",
        ]  # fmt: skip

    def get_readonly_fields(self, request, obj=None):
        """A snapshot does not change."""
        return self.get_fields(request, obj) if obj else ()

    def save_form(self, request, form, change):
        """The row the form froze."""
        return form.frozen

    def save_model(self, request, obj, form, change):
        """`freeze` saved it."""

    def has_change_permission(self, request, obj=None):
        """A snapshot does not change."""
        return False

    def has_delete_permission(self, request, obj=None):
        """Models were trained on it."""
        return False

    def get_urls(self):
        """The admin's addresses, those of comparing and exporting, and the progress board's."""
        compare = self.admin_site.admin_view(self.compare_view)
        progress = self.admin_site.admin_view(self.board_view)
        export = self.admin_site.admin_view(self.export_view)
        return [
            path("<int:pk>/export/<slug:layout>/", export, name="curation_snapshot_export"),
            path("compare/", compare, name="curation_snapshot_compare"),
            path("board/", progress, name="curation_board"),
            *super().get_urls(),
        ]

    def board_view(self, request):
        """How far the cleaning is."""
        return page(self, request)

    def compare_view(self, request):
        """Two snapshots side by side."""
        return snapshot_compare.page(self, request)

    def export_view(self, request, pk, layout):
        """The pictures as a ZIP."""
        return snapshot_export.answer(self, request, pk, layout)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """The snapshot, with links to download it."""
        context = {**(extra_context or {}), "exports": snapshot_export.links(request)}
        return super().change_view(request, object_id, form_url, context)

    @admin.action(description="Compare the two chosen", permissions=["view"])
    def compare_snapshots(self, request, queryset):
        """From the older to the newer one."""
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[:3])
        if len(chosen) != 2:
            self.message_user(request, "Choose exactly two snapshots.", messages.ERROR)
            return None
        pair = urlencode({"a": chosen[0], "b": chosen[1]})
        return redirect(f"{reverse('admin:curation_snapshot_compare')}?{pair}")

    @admin.display
    def labels(self, frozen):
        """How many labels it holds."""
        return len(frozen.counts)

    @admin.display(description="images for each label")
    def table(self, frozen):
        """The counts as a table."""
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>',
            ((label, *(row[split] for split in Split)) for label, row in frozen.counts.items()),
        )
        return format_html(
            '<table class="figures"><tr><th scope="col">label</th><th scope="col">train</th>'
            '<th scope="col">valid</th><th scope="col">test</th></tr>{}</table>',
            rows,
        )
