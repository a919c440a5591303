"""Admin page that compares two snapshots."""

from django import forms
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils.formats import date_format

from curation.models import ShoeImage, ShoeType, Snapshot
from curation.snapshots import manifest
from curation.snapshots.compare import Comparison, compare, differing
from shoeproject.admin_pages import AdminPages, admin_page
from shoeproject.errors import ProjectError

FACT_WORDS = {"stored_sha256": "stored file"}


class CompareForm(forms.Form):
    """The two snapshots, by primary key."""

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
        data = super().clean()
        if not self.errors and data["a"] == data["b"]:
            raise forms.ValidationError("Choose two different snapshots.")
        return data


class SnapshotComparePages(AdminPages):
    """Mixin for the admin of snapshots."""

    @admin_page("compare/", "snapshot_compare")
    def compare_page(self, request):
        """Compare the snapshots with the primary keys `a` and `b`."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        snapshots = {one.pk: one for one in Snapshot.objects.order_by("-pk")}
        form = CompareForm(snapshots, request.GET if {"a", "b"} & set(request.GET) else None)
        context = {"form": form, "enough": len(snapshots) > 1}
        if form.is_bound and form.is_valid():
            a, b = (snapshots[form.cleaned_data[key]] for key in "ab")
            try:
                comparison = compare(manifest.read(a), manifest.read(b))
                context |= {"a": a, "b": b, "comparison": comparison, **_tables(comparison)}
            except ProjectError as error:
                form.add_error(None, error.detail)
        return self.render_page(
            request, "admin/curation/snapshot_compare.html", "Compare two snapshots", **context
        )


def _tables(comparison: Comparison) -> dict:
    """Return the page's tables, with names for slugs, and its lists of pictures, cut to a limit."""
    names = dict(ShoeType.objects.values_list("slug", "name"))
    most = settings.SNAPSHOT_COMPARE_SHOWN
    added, removed = ([(line, names.get(line.label, line.label)) for line in lines[:most]]
                  for lines in (comparison.added, comparison.removed))  # fmt: skip
    relabelled = [
        (new, f"{names.get(old.label, old.label)} → {names.get(new.label, new.label)}")
        for old, new in comparison.relabelled[:most]
    ]
    changed = [(new, _changes(old, new)) for old, new in comparison.changed[:most]]
    pictures = _pictures([*added, *removed, *relabelled, *changed])
    lists = [
        ("Relabelled", len(comparison.relabelled), relabelled),
        ("Came", len(comparison.added), added),
        ("Went", len(comparison.removed), removed),
        ("Changed otherwise", len(comparison.changed), changed),
    ]
    return {
        "moves": [
            (names.get(a, a), names.get(b, b), number) for a, b, number in comparison.label_changes
        ],
        "facts": [(FACT_WORDS.get(fact, fact), n) for fact, n in comparison.facts.items()],
        "labels": [
            (names.get(label, label), before, after, after - before)
            for label, (before, after) in comparison.labels.items()
        ],
        "lists": [
            (title, number, [(pictures.get(line.sha256), words) for line, words in lines])
            for title, number, lines in lists
        ],
    }


def _changes(old, new) -> str:
    return "; ".join(
        FACT_WORDS[fact] if fact in FACT_WORDS
        else f"{fact}: {getattr(old, fact) or 'none'} → {getattr(new, fact) or 'none'}"
        for fact in differing(old, new)
    )  # fmt: skip


def _pictures(lines) -> dict[str, dict]:
    """Return sha256 → the image's page and the address of its thumbnail, if it is stored."""
    rows = ShoeImage.objects.filter(sha256__in=[line.sha256 for line, _ in lines])
    return {
        sha256: {
            "short": sha256[:12],
            "page": reverse("admin:curation_shoeimage_change", args=[pk]),
            "thumbnail": stored and reverse("admin:curation_thumb", args=[stored]),
        }
        for pk, sha256, stored in rows.values_list("pk", "sha256", "stored_sha256")
    }
