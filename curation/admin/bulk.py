"""Admin page that gives another label to all images of a list or of a view of the queue."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html

from curation import queue
from curation.admin.decisions import DECIDE, let_in, page
from curation.decisions import bulk
from curation.models import Review, ShoeImage, ShoeType
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import show_error


class Keys(forms.CharField):
    """Primary keys of images, comma-separated."""

    def clean(self, value):
        """A list of numbers, no longer than the installation allows."""
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
    """The label, and which images: a list, or the address of a view of the queue."""

    label = forms.ModelChoiceField(
        ShoeType.objects.filter(merged_into=None), empty_label="Choose a label"
    )
    note = forms.CharField(
        max_length=Review._meta.get_field("note").max_length,
        required=False,
        help_text="Kept in each image's history",
    )
    images = Keys(required=False, widget=forms.HiddenInput)
    filter = forms.CharField(required=False, widget=forms.HiddenInput)
    expected = forms.CharField(required=False)

    def chosen(self):
        """The images as a queryset, and what they are in words; raises `QueueError`."""
        if keys := self.fields["images"].clean(self.data.get("images", "")):
            return ShoeImage.objects.filter(pk__in=keys), f"{len(keys)} images chosen one by one"
        chosen = queue.Filter.from_query(QueryDict(self.data.get("filter", "")))
        return chosen.images(), filter_words(chosen)


def filter_words(chosen: queue.Filter) -> str:
    """A view of the queue in words."""
    parts = [
        f"{words}: {' or '.join(chosen.choices(name))}"
        for name, words in queue.FACETS.items()
        if chosen.choices(name)
    ]
    parts += ["label doubtful"] * chosen.doubtful
    return "The queue, " + ("; ".join(parts) or "all that needs a look")


class BulkPages:
    """Mixed into the admin of images."""

    def get_urls(self):
        """The page's address, before the admin's own."""
        view = self.admin_site.admin_view(self.bulk_page)
        return [path("bulk/", view, name="curation_bulk"), *super().get_urls()]

    @admin.action(
        description="Relabel all in one go, without looking at each", permissions=["change"]
    )
    def bulk_relabel(self, request, queryset):
        """Ask for the label, and show what it would change."""
        keys = ",".join(str(pk) for pk in queryset.order_by().values_list("pk", flat=True))
        return self._bulk(request, BulkForm({"images": keys}), ask=True)

    def bulk_page(self, request):
        """Asked with a view of the queue as its address, or sent by the page itself."""
        let_in(request, DECIDE)
        if request.method == "POST":
            form = BulkForm(request.POST)
            return self._bulk(request, form, sent="do" in request.POST)
        sent = request.GET.copy()
        label = sent.pop("label", [None])[-1]
        if not sent:
            return page(self, request, "bulk_relabel", "Relabel in bulk", nothing=True)
        chosen = ShoeType.objects.filter(slug=label or "", merged_into=None).first()
        data = {"filter": sent.urlencode(), "label": chosen and chosen.pk}
        return self._bulk(request, BulkForm(data), ask=not label)

    def _bulk(self, request, form, *, ask=False, sent=False):
        """Ask, or show what would change, or change it."""
        context = {"ask": ask}
        try:
            images, words = form.chosen()
            context |= {"words": words, "number": images.count()}
            if not ask and form.is_valid():
                label = form.cleaned_data["label"]
                if sent:
                    return self._relabel(request, form, images, label)
                context["shown"] = bulk.preview(images, label)
        except ValidationError as error:
            context |= {"error": " ".join(error.messages)}
        except ProjectError as error:
            context |= {"error": error.detail}
        form = BulkForm(initial=form.data) if ask else form
        return page(self, request, "bulk_relabel", "Relabel in bulk", form=form, **context)

    def _relabel(self, request, form, images, label):
        data = form.cleaned_data
        number = bulk.preview(images, label).images
        try:
            bulk.relabel(images, label, request.user, data["expected"], note=data["note"])
        except ProjectError as error:
            show_error(self, request, error)
            return self._bulk(request, form)
        said = format_html(
            '{} images are “{}” now, in one step. <a href="{}">Undo</a>',
            number, label, reverse("admin:curation_undo"),
        )  # fmt: skip
        self.message_user(request, said, messages.SUCCESS)
        return redirect("admin:curation_shoeimage_changelist")
