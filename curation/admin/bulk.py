"""Admin page that gives another label to all images of a list or of a view of the queue."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from curation.admin.permissions import DECIDE
from curation.decisions import bulk
from curation.models import Review, ShoeImage, ShoeType
from curation.queue.filter import FACETS, Filter
from shoeproject.admin_pages import AdminPages, admin_page, show_errors
from shoeproject.errors import ProjectError


class PrimaryKeysField(forms.CharField):
    """Primary keys of images, comma-separated, as many as the installation allows."""

    def clean(self, value):
        parts = [part for part in super().clean(value).split(",") if part]
        if not all(part.isascii() and part.isdecimal() and len(part) < 18 for part in parts):
            raise ValidationError("Images are named by numbers, with commas between.")
        if len(parts) > settings.DECIDE_LISTED_MOST:
            raise ValidationError(
                f"That is more than {settings.DECIDE_LISTED_MOST} images one by one. Filter the "
                "queue instead and relabel from there."
            )
        return [int(part) for part in parts]


class BulkForm(forms.Form):
    """The label, and which images: a list, or the query string of a view of the queue."""

    label = forms.ModelChoiceField(
        ShoeType.objects.filter(merged_into=None), empty_label="Choose a label"
    )
    note = forms.CharField(
        max_length=Review._meta.get_field("note").max_length,
        required=False,
        help_text="Kept in each image's history",
    )
    images = PrimaryKeysField(required=False, widget=forms.HiddenInput)
    filter = forms.CharField(required=False, widget=forms.HiddenInput)
    expected = forms.CharField(required=False)

    def chosen(self):
        """Return the images as a queryset, and what they are in words; raises `QueueError`."""
        if keys := self.fields["images"].clean(self.data.get("images", "")):
            return ShoeImage.objects.filter(pk__in=keys), f"{len(keys)} images chosen one by one"
        chosen = Filter.from_query(QueryDict(self.data.get("filter", "")))
        parts = [
            f"{words}: {' or '.join(chosen.choices(name))}"
            for name, words in FACETS.items()
            if chosen.choices(name)
        ]
        parts += ["label doubtful"] * chosen.doubtful
        return chosen.images(), "The queue, " + ("; ".join(parts) or "all that needs a look")


class BulkPages(AdminPages):
    """Mixin for the admin of images."""

    @admin.action(
        description="Relabel all in one go, without looking at each", permissions=["change"]
    )
    def bulk_relabel(self, request, queryset):
        keys = ",".join(str(pk) for pk in queryset.order_by().values_list("pk", flat=True))
        return self._bulk(request, BulkForm({"images": keys}), ask=True)

    @admin_page("bulk/", "bulk", DECIDE)
    def bulk_page(self, request):
        """Take a view of the queue as the query string (GET), or the page's own form (POST)."""
        if request.method == "POST":
            return self._bulk(request, BulkForm(request.POST), confirmed="do" in request.POST)
        query = request.GET.copy()
        label = query.pop("label", [None])[-1]
        if not query:
            return self._render_bulk(request, nothing=True)
        chosen = ShoeType.objects.filter(slug=label or "", merged_into=None).first()
        data = {"filter": query.urlencode(), "label": chosen and chosen.pk}
        return self._bulk(request, BulkForm(data), ask=not label)

    def _bulk(self, request, form, *, ask=False, confirmed=False):
        """Ask for the label, or show what would change, or, once `confirmed`, change it."""
        context = {}
        try:
            images, words = form.chosen()
            context |= {"words": words, "number": images.count()}
            if not ask and form.is_valid():
                label = form.cleaned_data["label"]
                if confirmed:
                    return self._relabel(request, form, images, label)
                context["shown"] = bulk.preview(images, label)
        except ValidationError as error:
            context["error"] = " ".join(error.messages)
        except ProjectError as error:
            context["error"] = error.detail
        form = BulkForm(initial=form.data) if ask else form
        return self._render_bulk(request, form=form, **context)

    def _relabel(self, request, form, images, label):
        number = bulk.preview(images, label).images
        with show_errors(self, request):
            data = form.cleaned_data
            bulk.relabel(images, label, request.user, data["expected"], note=data["note"])
            message = format_html(
                '{} images are “{}” now, in one step. <a href="{}">Undo</a>',
                number, label, reverse("admin:curation_undo"),
            )  # fmt: skip
            self.message_user(request, message, messages.SUCCESS)
            return redirect("admin:curation_shoeimage_changelist")
        return self._bulk(request, form)

    def _render_bulk(self, request, **context):
        template = "admin/curation/bulk_relabel.html"
        return self.render_page(request, template, "Relabel in bulk", **context)
