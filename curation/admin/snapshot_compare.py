"""The page that compares two snapshots."""

from django import forms
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format

from curation.models import ShoeImage, ShoeType, Snapshot
from curation.snapshots import freeze
from curation.snapshots.compare import Comparison, compare, differing
from shoeproject.errors import ProjectError

FACT_WORDS = {"stored_sha256": "stored file"}


class CompareForm(forms.Form):
    """Which two."""

    a = forms.TypedChoiceField(label="before", coerce=int)
    b = forms.TypedChoiceField(label="after", coerce=int)

    def __init__(self, snapshots: dict[int, Snapshot], *args, **kwargs):
        super().__init__(*args, **kwargs)
        choices = [
            (pk, f"{one.name}: {one.images} images, {date_format(one.created_at, 'j M Y')}")
            for pk, one in snapshots.items()
        ]
        for field in self.fields.values():
            field.choices = [("", "Choose a snapshot"), *choices]
            field.error_messages["invalid_choice"] = "There is no such snapshot; choose another."

    def clean(self):
        """Two are two."""
        data = super().clean()
        if not self.errors and data["a"] == data["b"]:
            raise forms.ValidationError("Choose two different snapshots.")
        return data


def page(modeladmin, request):
    """Answer a request for the page; `a` and `b` are primary keys of snapshots."""
    if not modeladmin.has_view_permission(request):
        raise PermissionDenied
    snapshots = {one.pk: one for one in Snapshot.objects.order_by("-pk")}
    asked = request.GET if {"a", "b"} & set(request.GET) else None
    form = CompareForm(snapshots, asked)
    context = {"found": None}
    if asked and form.is_valid():
        a, b = (snapshots[form.cleaned_data[key]] for key in "ab")
        try:
            found = compare(freeze.read(a), freeze.read(b))
            context = {"a": a, "b": b, "found": found, **_shown(found)}
        except ProjectError as error:
            form.add_error(None, error.detail)
    return TemplateResponse(
        request,
        "admin/curation/snapshot_compare.html",
        {
            **modeladmin.admin_site.each_context(request),
            "title": "Compare two snapshots",
            "opts": modeladmin.opts,
            "form": form,
            "enough": len(snapshots) > 1,
            **context,
        },
    )


def _shown(found: Comparison) -> dict:
    """What the page draws: names instead of slugs, and pictures, a limited number of each list."""
    names = dict(ShoeType.objects.values_list("slug", "name"))
    most = settings.SNAPSHOT_COMPARE_SHOWN
    came, went = ([(line, names.get(line.label, line.label)) for line in lines[:most]]
                  for lines in (found.came, found.went))  # fmt: skip
    relabelled = [
        (new, f"{names.get(old.label, old.label)} → {names.get(new.label, new.label)}")
        for old, new in found.relabelled[:most]
    ]
    changed = [(new, _changes(old, new)) for old, new in found.changed[:most]]
    pictures = _pictures([*came, *went, *relabelled, *changed])
    lists = [
        ("Relabelled", len(found.relabelled), relabelled),
        ("Came", len(found.came), came),
        ("Went", len(found.went), went),
        ("Changed otherwise", len(found.changed), changed),
    ]
    return {
        "moves": [(names.get(a, a), names.get(b, b), number) for a, b, number in found.moves],
        "facts": [(FACT_WORDS.get(fact, fact), n) for fact, n in found.facts.items()],
        "labels": [
            (names.get(label, label), before, after, after - before)
            for label, (before, after) in found.labels.items()
        ],
        "lists": [
            (title, number, [(pictures.get(line.sha256), words) for line, words in shown])
            for title, number, shown in lists
        ],
    }


def _changes(old, new) -> str:
    return "; ".join(
        "stored file" if fact == "stored_sha256"
        else f"{fact}: {getattr(old, fact) or 'none'} → {getattr(new, fact) or 'none'}"
        for fact in differing(old, new)
    )  # fmt: skip


def _pictures(shown) -> dict[str, dict]:
    """sha256 → the image's page and its thumbnail's address, if its picture is still there."""
    rows = ShoeImage.objects.filter(sha256__in=[line.sha256 for line, _ in shown])
    return {
        sha256: {
            "short": sha256[:12],
            "page": reverse("admin:curation_shoeimage_change", args=[pk]),
            "thumbnail": stored and reverse("admin:curation_thumb", args=[stored]),
        }
        for pk, sha256, stored in rows.values_list("pk", "sha256", "stored_sha256")
    }
