"""Admin pages of decisions beyond one image: steps to undo, and how far people agree."""

from datetime import timedelta

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Max, Min
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from curation.decisions import decide, history
from curation.models import Review, ShoeImage
from curation.reports import agreement
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import show_error

LOOK, DECIDE, PURGE = (
    f"curation.{what}" for what in ("view_shoeimage", "change_shoeimage", "add_purge")
)
MOMENT = "%Y-%m-%dT%H:%M"  # as browsers send a `datetime-local`


def let_in(request, permission: str) -> None:
    """Raise PermissionDenied unless this person has the permission."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def page(modeladmin, request, template: str, title: str, **context) -> TemplateResponse:
    """One of the admin's pages about images, in its frame."""
    frame = modeladmin.admin_site.each_context(request)
    context = {**frame, "title": title, "opts": modeladmin.opts, **context}
    return TemplateResponse(request, f"admin/curation/{template}.html", context)


class SpanForm(forms.Form):
    """One person and a time span, in the installation's time zone."""

    who = forms.ModelChoiceField(get_user_model().objects.none(), empty_label="Choose a person")
    since, until = (
        forms.DateTimeField(
            label=label,
            input_formats=[MOMENT, f"{MOMENT}:%S"],
            widget=forms.DateTimeInput({"type": "datetime-local"}, format=MOMENT),
        )
        for label in ("from", "until")
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        deciders = Review.objects.filter(by__isnull=False).order_by().values("by")
        people = get_user_model().objects.filter(pk__in=deciders)
        self.fields["who"].queryset = people.order_by(get_user_model().USERNAME_FIELD)

    def clean(self):
        """A span has a beginning before its end."""
        data = super().clean()
        if not self.errors and data["since"] >= data["until"]:
            raise ValidationError("“Until” comes after “from”.")
        return data


class DecisionPages:
    """Mixed into the admin of images."""

    def get_urls(self):
        """The pages' addresses, before the admin's own."""
        pages = {"undo": self.undo_page, "undo/span": self.span_page}
        pages["agreement"] = self.agreement_page
        return [
            *(
                path(f"{route}/", self.admin_site.admin_view(view),
                     name=f"curation_{route.replace('/', '_')}")
                for route, view in pages.items()
            ),
            *super().get_urls(),
        ]  # fmt: skip

    def undo_page(self, request):
        """My last steps; a POST with `batch` takes that one back."""
        let_in(request, DECIDE)
        if request.method == "POST":
            self._undo(request)
            return redirect("admin:curation_undo")
        return page(
            self, request, "undo_steps", "Undo: my last steps",
            steps=steps_of(request.user, settings.UNDO_STEPS_SHOWN),
            may_span=request.user.has_perm(PURGE),
            most=settings.UNDO_STEPS_SHOWN,
        )  # fmt: skip

    def _undo(self, request):
        batch = forms.UUIDField(required=True)
        try:
            batch = batch.clean(request.POST.get("batch"))
            # Another person's step is undone where a span of theirs is, by those who may.
            others = Review.objects.filter(batch=batch).exclude(by=request.user)
            if others.exists() and not request.user.has_perm(PURGE):
                raise PermissionDenied
            undone = Review.objects.filter(batch=decide.undo(batch, request.user)).count()
        except ValidationError:
            self.message_user(request, "There is no such step.", messages.ERROR)
        except ProjectError as error:
            show_error(self, request, error)
        else:
            said = "1 decision undone." if undone == 1 else f"{undone} decisions undone."
            self.message_user(request, said, messages.SUCCESS)

    def span_page(self, request):
        """What one person decided in a time span, and a button that takes all of it back."""
        let_in(request, PURGE)
        sent = request.POST if request.method == "POST" else request.GET
        form = SpanForm(sent if "who" in sent else None, initial=_today())
        context = {"found": None}
        if form.is_bound and form.is_valid():
            span = [form.cleaned_data[name] for name in ("who", "since", "until")]
            if request.method == "POST":
                done = decide.undo_span(*span, by=request.user)
                said = f"{done.undone} decisions of {span[0]} undone."
                if done.overtaken:
                    said += f" {done.overtaken} images stay: somebody has decided on them since."
                self.message_user(request, said, messages.SUCCESS)
                return redirect(f"{reverse('admin:curation_undo_span')}?{form_query(form)}")
            rows = decide.span(*span)
            context = {
                "found": rows.aggregate(decisions=Count("pk"), images=Count("image", distinct=True))
            }
        return page(
            self, request, "undo_span", "Undo a person's decisions",
            form=form, zone=timezone.get_current_timezone_name(), **context,
        )  # fmt: skip

    def agreement_page(self, request):
        """Who agrees with whom, and the images they disagree on."""
        let_in(request, LOOK)
        found = agreement.of_pairs(settings.AGREEMENT_SHOWN)
        return page(self, request, "image_agreement", "Agreement of curators", found=found)


def form_query(form: forms.Form) -> str:
    """What a bound form was sent, as an address says it."""
    sent = form.data.copy()
    for name in set(sent) - set(form.fields):
        del sent[name]
    return sent.urlencode()


def steps_of(who, most: int) -> list[dict]:
    """The newest steps of a person, newest first: {"batch", "at", "words", "images", "undone" (how
    many of them), "labels", "note", "samples" (one or two of the images)}."""
    rows = list(
        history.steps()
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


def _today() -> dict:
    now = timezone.localtime().replace(second=0, microsecond=0)
    return {"since": now.replace(hour=0, minute=0), "until": now + timedelta(minutes=1)}
