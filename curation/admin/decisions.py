"""Admin pages of decisions on many images: steps to undo, and how far curators agree."""

from datetime import timedelta

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Max, Min
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from curation.admin.permissions import DECIDE, PURGE, VIEW_IMAGES
from curation.decisions import history, undo
from curation.models import Review, ShoeImage
from curation.reports import agreement
from shoeproject.admin_pages import AdminPages, admin_page, show_errors, submitted

DATETIME_LOCAL = "%Y-%m-%dT%H:%M"  # as browsers send an <input type="datetime-local">


class SpanForm(forms.Form):
    """One person and a time span, in the installation's time zone."""

    who = forms.ModelChoiceField(get_user_model().objects.none(), empty_label="Choose a person")
    since, until = (
        forms.DateTimeField(
            label=label,
            input_formats=[DATETIME_LOCAL, f"{DATETIME_LOCAL}:%S"],
            widget=forms.DateTimeInput({"type": "datetime-local"}, format=DATETIME_LOCAL),
        )
        for label in ("from", "until")
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        deciders = Review.objects.filter(by__isnull=False).order_by().values("by")
        people = get_user_model().objects.filter(pk__in=deciders)
        self.fields["who"].queryset = people.order_by(get_user_model().USERNAME_FIELD)

    def clean(self):
        data = super().clean()
        if not self.errors and data["since"] >= data["until"]:
            raise ValidationError("“Until” comes after “from”.")
        return data

    def query(self) -> str:
        """Return what the bound form was sent as a query string."""
        data = self.data.copy()
        for name in set(data) - set(self.fields):
            del data[name]
        return data.urlencode()


class DecisionPages(AdminPages):
    """Mixin for the admin of images."""

    @admin_page("undo/", "undo", DECIDE)
    def undo_page(self, request):
        """Show the person's own last steps; a POST with `batch` undoes that one."""
        if request.method == "POST":
            self._undo(request)
            return redirect("admin:curation_undo")
        return self.render_page(
            request, "admin/curation/undo_steps.html", "Undo: my last steps",
            steps=steps_of(request.user, settings.UNDO_STEPS_SHOWN),
            most=settings.UNDO_STEPS_SHOWN,
        )  # fmt: skip

    def _undo(self, request):
        try:
            batch = forms.UUIDField().clean(request.POST.get("batch"))
        except ValidationError:
            self.message_user(request, "There is no such step.", messages.ERROR)
            return
        # Steps of others may be undone by those who may undo a person's time span.
        others = Review.objects.filter(batch=batch).exclude(by=request.user)
        if others.exists() and not request.user.has_perm(PURGE):
            raise PermissionDenied
        with show_errors(self, request):
            undone = len(undo.undo_batch(batch, request.user).images)
            decisions = "1 decision" if undone == 1 else f"{undone} decisions"
            self.message_user(request, f"{decisions} undone.", messages.SUCCESS)

    @admin_page("undo/span/", "undo_span", PURGE)
    def span_page(self, request):
        """Count what one person decided in a time span (GET), or undo all of it (POST)."""
        now = timezone.localtime().replace(second=0, microsecond=0)
        today = {"since": now.replace(hour=0, minute=0), "until": now + timedelta(minutes=1)}
        form = SpanForm(submitted(request, "who"), initial=today)
        counts = None
        if form.is_bound and form.is_valid():
            span = [form.cleaned_data[name] for name in ("who", "since", "until")]
            if request.method == "POST":
                done = undo.undo_span(*span, by=request.user)
                message = f"{done.undone} decisions of {span[0]} undone."
                if done.overtaken:
                    message += f" {done.overtaken} images stay: somebody has decided on them since."
                self.message_user(request, message, messages.SUCCESS)
                return redirect(f"{reverse('admin:curation_undo_span')}?{form.query()}")
            rows = undo.decisions_in_span(*span)
            counts = rows.aggregate(decisions=Count("pk"), images=Count("image", distinct=True))
        return self.render_page(
            request, "admin/curation/undo_span.html", "Undo a person's decisions",
            form=form, zone=timezone.get_current_timezone_name(), counts=counts,
        )  # fmt: skip

    @admin_page("agreement/", "agreement", VIEW_IMAGES)
    def agreement_page(self, request):
        """Show who agrees with whom, and the images on which people disagree."""
        return self.render_page(
            request, "admin/curation/image_agreement.html", "Agreement of curators",
            agreement=agreement.measure_agreement(settings.AGREEMENT_SHOWN),
        )  # fmt: skip


def steps_of(who, most: int) -> list[dict]:
    """Return the newest steps of a person, newest first: {"batch", "at", "words", "images",
    "undone" (how many of them), "labels", "note", "samples" (one or two of the images), "final"
    (whether it cannot be undone)}."""
    rows = list(
        history.undoable()
        .filter(by=who)
        .order_by()
        .values("batch", "action")
        .annotate(
            newest=Max("pk"), at=Max("at"), images=Count("pk"), undone=Count("undone_by"),
            first=Min("image"), last=Max("image"), note=Max("note"),
        )
        .order_by("-newest")[:most]
    )  # fmt: skip
    samples = ShoeImage.objects.select_related("label", "proposed").in_bulk(
        {row[end] for row in rows for end in ("first", "last")}
    )
    labels = dict[object, list[str]]()
    given = Review.objects.filter(batch__in=[row["batch"] for row in rows], label_to__isnull=False)
    named = given.order_by("label_to__name").values_list("batch", "label_to__name").distinct()
    for batch, name in named:
        labels.setdefault(batch, []).append(name)
    return [
        {
            **row,
            "words": Review.Action(row["action"]).label,
            "labels": labels.get(row["batch"], []),
            "samples": [samples[pk] for pk in sorted({row["first"], row["last"]})],
            "final": row["action"] == Review.Action.PURGE,
        }
        for row in rows
    ]
