"""Admin pages that remove pictures for good: a preview, two confirmations, the result."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count
from django.shortcuts import get_object_or_404, redirect

from curation.admin.permissions import PURGE
from curation.decisions import purge
from curation.models import Purge
from shoeproject.admin_pages import (
    AdminPages,
    ReadOnlyAdmin,
    admin_page,
    form_errors,
    show_errors,
    submitted,
)


class ScopeForm(forms.Form):
    """Which pictures."""

    kind = forms.ChoiceField(
        label="What is meant",
        choices=[
            ("domain", "everything from a site (a host, with all below it)"),
            ("url", "everything whose page or file address begins with"),
            ("images", "images by number, with commas between"),
        ],
    )
    value = forms.CharField(
        label="which",
        widget=forms.TextInput({"size": 60, "placeholder": "shop.example"}),
    )

    def clean(self):
        data = super().clean()
        if not self.errors:
            self.scope = purge.Scope(data["kind"], data["value"])
            if data["value"].count(",") >= settings.DECIDE_LISTED_MOST:
                raise forms.ValidationError(
                    f"That is more than {settings.DECIDE_LISTED_MOST} images; purge fewer at once."
                )
            with form_errors():
                self.preview = purge.preview(self.scope.images())
            if not self.preview.images:
                raise forms.ValidationError("No picture here comes from there.")
        return data


class SureForm(forms.Form):
    """Why, and the number of images, which shows that somebody has read it."""

    why = forms.CharField(
        widget=forms.Textarea({"rows": 3, "cols": 60}),
        help_text="Kept for good: who asked for it, and on what ground",
    )
    number = forms.IntegerField(
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "off", "size": 8})
    )

    def __init__(self, images: int, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.images = images

    def clean_number(self):
        if self.cleaned_data["number"] != self.images:
            raise forms.ValidationError(
                f"That is not the number of images, which is {self.images}."
            )
        return self.images


class PurgePages(AdminPages):
    """Mixin for the admin of images."""

    def has_purge_permission(self, request):
        return request.user.has_perm(PURGE)

    @admin.action(description="Remove for good (purge)", permissions=["purge"])
    def purge_images(self, request, queryset):
        keys = ",".join(str(pk) for pk in queryset.order_by().values_list("pk", flat=True))
        return self._purge(request, ScopeForm({"kind": "images", "value": keys}))

    @admin_page("purge/", "purge", PURGE)
    def purge_page(self, request):
        """Choose the pictures; see them counted and say why; type their number; purge them.

        The posted `step` names what was just filled in: "why" or "number".
        """
        return self._purge(request, ScopeForm(submitted(request, "kind")))

    def _purge(self, request, form):
        if not form.is_bound or not form.is_valid():
            return self._render_purge(request, "purge_scope", form=form)
        step = request.POST.get("step")
        sure = SureForm(form.preview.images, request.POST if step else None)
        context = {"form": form, "scope": form.scope, "shown": form.preview, "sure": sure}
        if not step or not sure.data.get("why", "").strip():
            return self._render_purge(request, "purge_preview", **context)
        if step == "number" and sure.is_valid():
            why, expected = sure.cleaned_data["why"], request.POST.get("expected", "")
            with show_errors(self, request):
                row = purge.purge(
                    form.scope.images(), request.user, why, form.scope.words, expected
                )
                return redirect("admin:curation_purge_done", row.pk)
            return self._render_purge(request, "purge_preview", **context)
        return self._render_purge(request, "purge_sure", asked=step == "number", **context)

    def _render_purge(self, request, template, **context):
        template = f"admin/curation/{template}.html"
        return self.render_page(request, template, "Remove pictures for good", **context)


@admin.register(Purge)
class PurgeAdmin(AdminPages, ReadOnlyAdmin):
    """What was removed for good."""

    list_display = ["at", "by", "scope_shortly", "why", "images"]
    list_select_related = ["by"]
    change_form_template = "admin/curation/purge_change_form.html"

    @admin_page("<int:pk>/done/", "purge_done", PURGE)
    def done_page(self, request, pk):
        """Show what was removed and what stays."""
        row = get_object_or_404(Purge, pk=pk)
        return self.render_page(
            request, "admin/curation/purge_done.html", "Removed for good",
            purge=row, images=row.images.count(),
        )  # fmt: skip

    @admin_page("<int:pk>/files/", "purge_files", PURGE, post=True)
    def files_view(self, request, pk):
        """Remove the files again, because the storage may not have been reachable before."""
        try:
            number = purge.remove_files(get_object_or_404(Purge, pk=pk))
        except OSError as error:
            message = f"The storage cannot be reached ({error}). Try again later."
            self.message_user(request, message, messages.ERROR)
        else:
            message = f"The files of {number} pictures are gone, and what was made of them."
            self.message_user(request, message, messages.SUCCESS)
        return redirect("admin:curation_purge_done", pk)

    @admin.display(description="scope", ordering="scope")
    def scope_shortly(self, row):
        return row.scope if len(row.scope) <= 120 else f"{row.scope[:119]}…"

    @admin.display
    def images(self, row):
        return row.image_count

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(image_count=Count("images"))
