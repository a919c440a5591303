"""Admin page that merges one type into another, and takes that back."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, redirect
from django.urls import path

from curation.admin.decisions import DECIDE, page
from curation.decisions import merge
from curation.models import ShoeType
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import show_error


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
        """Two types that can be merged."""
        data = super().clean()
        if not self.errors:
            try:
                self.shown = merge.preview(self.merged, data["into"])
            except ProjectError as error:
                raise forms.ValidationError(error.detail) from error
        return data


class MergePages:
    """Mixed into the admin of types."""

    change_form_template = "admin/curation/merge_change_form.html"

    def get_urls(self):
        """The page's address, before the admin's own."""
        view = self.admin_site.admin_view(self.merge_page)
        return [path("<int:pk>/merge/", view, name="curation_merge"), *super().get_urls()]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """The type's page, with a button."""
        shoe_type = self.get_object(request, object_id)
        mergeable = shoe_type is not None and shoe_type.kind == ShoeType.Kind.TYPE
        context = {**(extra_context or {}), "may_merge": mergeable and self._may_merge(request)}
        return super().change_view(request, object_id, form_url, context)

    def _may_merge(self, request):
        return self.has_change_permission(request) and request.user.has_perm(DECIDE)

    def merge_page(self, request, pk):
        """Choose and look (GET), merge or take back (POST)."""
        if not self._may_merge(request):
            raise PermissionDenied
        merged = get_object_or_404(ShoeType, pk=pk)
        sent = request.POST if request.method == "POST" else request.GET
        form = MergeForm(merged, sent if "into" in sent else None)
        if "undo" in request.POST:
            return self._unmerge(request, merged)
        good = form.is_bound and form.is_valid()
        if good and request.method == "POST":
            return self._merge(request, merged, form)
        late = merge.preview(merged, merged.survivor()) if merged.merged_into_id else None
        return page(
            self, request, "merge_type", f"Merge “{merged}”", merged=merged, form=form,
            shown=form.shown if good else None, late=late and late.labels + late.proposals,
        )  # fmt: skip

    def _merge(self, request, merged, form):
        try:
            done = merge.merge(merged, form.cleaned_data["into"], request.user)
        except ProjectError as error:
            show_error(self, request, error)
        else:
            said = (
                f"“{merged}” is merged into “{done.into}”: {done.labels} images have its label, "
                f"{done.proposals} are proposed as it."
            )
            self.message_user(request, said, messages.SUCCESS)
        return redirect("admin:curation_merge", merged.pk)

    def _unmerge(self, request, merged):
        try:
            done = merge.unmerge(merged, request.user)
        except ProjectError as error:
            show_error(self, request, error)
        else:
            said = f"The merge is undone: {len(done.images)} images are as they were."
            if done.overtaken:
                said += f" {len(done.overtaken)} keep what was decided on them since."
            self.message_user(request, said, messages.SUCCESS)
        return redirect("admin:curation_shoetype_change", merged.pk)
