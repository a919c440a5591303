"""Admin pages that remove pictures for good: what would go, are you sure, what went."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.shortcuts import get_object_or_404, redirect
from django.urls import path

from curation.admin.decisions import PURGE, let_in, page
from curation.decisions import purge
from curation.models import Purge
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import ReadOnlyAdmin, show_error


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
        """Images there are."""
        data = super().clean()
        if not self.errors:
            self.scope = purge.Scope(data["kind"], data["value"])
            if data["value"].count(",") >= settings.DECIDE_LISTED_MOST:
                raise forms.ValidationError(
                    f"That is more than {settings.DECIDE_LISTED_MOST} images; purge fewer at once."
                )
            try:
                self.shown = purge.preview(self.scope.images())
            except ProjectError as error:
                raise forms.ValidationError(error.detail) from error
            if not self.shown.images:
                raise forms.ValidationError("No picture here comes from there.")
        return data


class SureForm(forms.Form):
    """Why, and the number of images as somebody typed it."""

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
        """Only the right one shows that somebody has read it."""
        if self.cleaned_data["number"] != self.images:
            raise forms.ValidationError(
                f"That is not the number of images, which is {self.images}."
            )
        return self.images


class PurgePages:
    """Mixed into the admin of images."""

    def get_urls(self):
        """The pages' addresses, before the admin's own."""
        view = self.admin_site.admin_view(self.purge_page)
        return [path("purge/", view, name="curation_purge"), *super().get_urls()]

    def has_purge_permission(self, request):
        """Operators only."""
        return request.user.has_perm(PURGE)

    @admin.action(description="Remove for good (purge)", permissions=["purge"])
    def purge_images(self, request, queryset):
        """Show what would go."""
        keys = ",".join(str(pk) for pk in queryset.order_by().values_list("pk", flat=True))
        return self._purge(request, ScopeForm({"kind": "images", "value": keys}))

    def purge_page(self, request):
        """Choose; see what would go and say why (`why`); type the number (`number`); done."""
        let_in(request, PURGE)
        sent = request.POST if request.method == "POST" else request.GET
        return self._purge(request, ScopeForm(sent if "kind" in sent else None))

    def _purge(self, request, form):
        title = "Remove pictures for good"
        if not form.is_bound or not form.is_valid():
            return page(self, request, "purge_scope", title, form=form)
        shown = form.shown
        step = request.POST.get("step")
        sure = SureForm(shown.images, request.POST if step else None)
        context = {"form": form, "scope": form.scope, "shown": shown, "sure": sure}
        if not step or not sure.data.get("why", "").strip():
            return page(self, request, "purge_preview", title, **context)
        if step == "number" and sure.is_valid():
            why = sure.cleaned_data["why"]
            scope, expected = form.scope, request.POST.get("expected")
            try:
                row = purge.purge(scope.images(), request.user, why, scope.words, expected or "")
            except ProjectError as error:
                show_error(self, request, error)
                return page(self, request, "purge_preview", title, **context)
            return redirect("admin:curation_purge_done", row.pk)
        asked = step == "number"
        return page(self, request, "purge_sure", title, asked=asked, **context)


@admin.register(Purge)
class PurgeAdmin(ReadOnlyAdmin):
    """What was removed for good."""

    list_display = ["at", "by", "scope_shortly", "why", "images"]
    list_select_related = ["by"]
    change_form_template = "admin/curation/purge_change_form.html"

    def get_urls(self):
        """The admin's addresses, and the two that follow a purge."""
        done = self.admin_site.admin_view(self.done_page)
        files = self.admin_site.admin_view(self.files_view)
        return [
            path("<int:pk>/done/", done, name="curation_purge_done"),
            path("<int:pk>/files/", files, name="curation_purge_files"),
            *super().get_urls(),
        ]

    def done_page(self, request, pk):
        """What went, and what stays."""
        let_in(request, PURGE)
        row = get_object_or_404(Purge, pk=pk)
        return page(
            self, request, "purge_done", "Removed for good", purge=row, images=row.images.count()
        )

    def files_view(self, request, pk):
        """Remove the files once more, in case the storage was away."""
        let_in(request, PURGE)
        if request.method != "POST":
            raise PermissionDenied
        row = get_object_or_404(Purge, pk=pk)
        try:
            number = purge.remove_files(row)
        except OSError as error:
            self.message_user(
                request, f"The storage cannot be reached ({error}). Try again later.",
                messages.ERROR,
            )  # fmt: skip
        else:
            said = f"The files of {number} pictures are gone, and what was made of them."
            self.message_user(request, said, messages.SUCCESS)
        return redirect("admin:curation_purge_done", pk)

    @admin.display(description="scope", ordering="scope")
    def scope_shortly(self, row):
        """A list of numbers can be long."""
        return row.scope if len(row.scope) <= 120 else f"{row.scope[:119]}…"

    @admin.display
    def images(self, row):
        """How many pictures went."""
        return row.gone

    def get_queryset(self, request):
        """With the number of images."""
        return super().get_queryset(request).annotate(gone=Count("images"))
