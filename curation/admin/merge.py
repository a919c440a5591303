"""Admin page that merges one type into another, and undoes that."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, redirect

from curation.admin.permissions import DECIDE
from curation.decisions import merge
from curation.models import ShoeType
from shoeproject.admin_pages import AdminPages, admin_page, form_errors, show_errors, submitted


class MergeForm(forms.Form):
    """The type that takes the images."""

    into = forms.ModelChoiceField(
        ShoeType.objects.filter(merged_into=None, kind=ShoeType.Kind.TYPE),
        empty_label="Choose a type",
    )

    def __init__(self, merged: ShoeType, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.merged = merged
        field = self.fields["into"]
        field.queryset = field.queryset.exclude(pk=merged.pk)

    def clean(self):
        data = super().clean()
        if not self.errors:
            with form_errors():
                self.preview = merge.preview(self.merged, data["into"])
        return data


class MergePages(AdminPages):
    """Mixin for the admin of types."""

    change_form_template = "admin/curation/type_change_form.html"

    def render_change_form(self, request, context, **kwargs):
        shoe_type = kwargs["obj"]
        mergeable = shoe_type is not None and shoe_type.kind == ShoeType.Kind.TYPE
        context["may_merge"] = mergeable and self._may_merge(request)
        return super().render_change_form(request, context, **kwargs)

    def _may_merge(self, request):
        return self.has_change_permission(request) and request.user.has_perm(DECIDE)

    @admin_page("<int:pk>/merge/", "merge")
    def merge_page(self, request, pk):
        """Choose a type and show what would change (GET); merge, or undo the merge (POST)."""
        if not self._may_merge(request):
            raise PermissionDenied
        merged = get_object_or_404(ShoeType, pk=pk)
        if "undo" in request.POST:
            return self._unmerge(request, merged)
        form = MergeForm(merged, submitted(request, "into"))
        valid = form.is_bound and form.is_valid()
        if valid and request.method == "POST":
            return self._merge(request, merged, form.cleaned_data["into"])
        late = merge.preview(merged, merged.survivor()) if merged.merged_into_id else None
        return self.render_page(
            request, "admin/curation/merge_type.html", f"Merge “{merged}”", merged=merged,
            form=form, shown=form.preview if valid else None,
            late=late and late.labels + late.proposals,
        )  # fmt: skip

    def _merge(self, request, merged, into):
        with show_errors(self, request):
            done = merge.merge(merged, into, request.user)
            message = (
                f"“{merged}” is merged into “{done.into}”: {done.labels} images have its label, "
                f"{done.proposals} are proposed as it."
            )
            self.message_user(request, message, messages.SUCCESS)
        return redirect("admin:curation_merge", merged.pk)

    def _unmerge(self, request, merged):
        with show_errors(self, request):
            done = merge.unmerge(merged, request.user)
            message = f"The merge is undone: {len(done.images)} images are as they were."
            if done.overtaken:
                message += f" {len(done.overtaken)} keep what was decided on them since."
            self.message_user(request, message, messages.SUCCESS)
        return redirect("admin:curation_shoetype_change", merged.pk)
