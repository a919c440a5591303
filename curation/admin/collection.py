"""Admin pages of collections from the web and what their searches found."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from curation import collect, search
from curation.models import Category, Collection, Hit, ShoeType
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import JobAdmin, ReadOnlyAdmin

FILTER_WORDS = {
    "kind": "Kind of picture",
    "size": "Size",
    "colour": "Colour",
    "layout": "Shape",
    "licence": "Licence",
}


class CollectForm(forms.Form):
    """Which types, how many images, and how to search."""

    types = forms.ModelMultipleChoiceField(
        ShoeType.objects.filter(merged_into=None).select_related("category"),
        error_messages={"required": "Choose a type at least."},
    )
    count = forms.IntegerField(
        initial=200, min_value=1, label="New images of each type",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip
    terms = forms.CharField(
        required=False, label="Search for", widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One search a line, for one type alone. Left empty, each type's own terms count.",
    )  # fmt: skip
    safe_search = forms.BooleanField(
        required=False, initial=True, label="Safe search",
        help_text="Engines that cannot do it strictly are left out.",
    )  # fmt: skip
    set_label = forms.BooleanField(
        required=False, label="Set the label at once",
        help_text="Otherwise the type is only proposed. Either way the images stay unreviewed.",
    )  # fmt: skip

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["count"].max_value = settings.COLLECT_COUNT_MOST
        self.fields["count"].widget.attrs["max"] = settings.COLLECT_COUNT_MOST
        for name, values in search.FILTERS.items():
            ignored = [p.words for p in collect.providers(False) if name not in p.honours]
            self.fields[f"filter_{name}"] = forms.ChoiceField(
                choices=[("", "Any"), *values.items()], required=False, label=FILTER_WORDS[name],
                help_text=f"Not applied by {', '.join(ignored)}." if ignored else "",
            )  # fmt: skip
        if "filter_kind" in self.fields:
            self.fields["filter_kind"].initial = "photo"

    def filters(self):
        """The fields of the filters, as the template shows them."""
        return [self[name] for name in self.fields if name.startswith("filter_")]

    def ask(self, by) -> list[Collection]:
        """Queue what the valid form asks for; raises `CollectionRefused`."""
        data = self.cleaned_data
        filters = {name: data[f"filter_{name}"] for name in search.FILTERS}
        return collect.ask(
            data["types"], data["count"], terms=data["terms"].splitlines(), filters=filters,
            safe=data["safe_search"], set_label=data["set_label"], by=by,
        )  # fmt: skip


@admin.register(Collection)
class CollectionAdmin(JobAdmin):
    """Collections from the web: asked for by types, then watched."""

    list_display = ["__str__", "state", "progress", "asked_by", "created_at"]
    list_filter = ["state", "shoe_type"]
    list_select_related = ["shoe_type", "asked_by"]
    input_fields = ("shoe_type", "count", "searches", "asked_filters", "safe_search", "set_label")
    result_fields = ("results", "came_in")

    class Media:
        js = ["admin/collect.js"]
        css = {"all": ["admin/collect.css"]}

    def add_view(self, request, form_url="", extra_context=None):
        """Choose types and options; one collection is queued for each type."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = CollectForm(request.POST or None, initial={"types": request.GET.getlist("type")})
        if request.method == "POST" and form.is_valid():
            try:
                made = form.ask(request.user)
            except ProjectError as error:
                form.add_error(None, error.detail)
            else:
                return self._asked(request, made)
        chosen = form["types"].value() or []
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "form": form,
            "title": "Collect images from the web", "media": self.media,
            "kinds": _by_category({str(value) for value in chosen}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/curation/collection/add_form.html", context)

    def _asked(self, request, made):
        if len(made) == 1:
            self.message_user(request, f"{made[0]}: queued.", messages.SUCCESS)
            return redirect("admin:curation_collection_change", made[0].pk)
        self.message_user(request, f"{len(made)} collections are queued.", messages.SUCCESS)
        return redirect("admin:curation_collection_changelist")

    def progress_json(self, job) -> dict:
        """How far a collection is, with its results counted."""
        return {**super().progress_json(job), "rows": _rows(job)}

    @admin.display(description="searches")
    def searches(self, job):
        """What is searched for, a line each."""
        return format_html_join("", "<div>{}</div>", ((term,) for term in job.terms))

    @admin.display(description="filters")
    def asked_filters(self, job):
        """What is asked of the engines, and what they ignore."""
        asked = [
            f"{FILTER_WORDS[name]}: {search.FILTERS[name].get(value, value)}"
            for name, value in job.filters.items()
        ]
        return format_html_join("", "<div>{}</div>", ((line,) for line in _lines(asked, job)))

    @admin.display(description="results")
    def results(self, job):
        """What became of the results, kept up to date by the page's script."""
        rows = format_html_join("", "<tr><th>{}</th><td>{}</td></tr>", _rows(job))
        notes = format_html_join("", "<p>{}</p>", ((note,) for note in _notes(job)))
        address = f"{reverse('admin:curation_hit_changelist')}?collection={job.pk}"
        return format_html(
            '<table class="figures" data-job-rows>{}</table>{}<p><a href="{}">All results</a></p>',
            rows, notes, address,
        )  # fmt: skip

    @admin.display(description="images")
    def came_in(self, job):
        """How many came in by each search, and how many of them curators rejected since."""
        counts = collect.noise(job)
        if not counts:
            return "None yet"
        body = format_html_join(
            "", "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            ((query, n, bad, f"{100 * bad / n:.0f} %") for query, n, bad in counts),
        )  # fmt: skip
        return format_html(
            '<table class="figures"><tr><th>search</th><th>came in</th><th>rejected since</th>'
            '<th>noise</th></tr>{}</table><p><a href="{}?collection={}">Clean them</a></p>',
            body, reverse("admin:curation_queue"), job.pk,
        )  # fmt: skip


class ReasonFilter(admin.SimpleListFilter):
    """Why a result was refused, in words."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request, model_admin):
        """The reasons there are words for."""
        return list(collect.WORDS.items())

    def queryset(self, request, queryset):
        """Those refused for the reason chosen."""
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(Hit)
class HitAdmin(ReadOnlyAdmin):
    """Search results and what became of them."""

    list_display = ["rank", "outcome", "why", "file", "picture", "query"]
    list_display_links = None
    list_filter = ["outcome", "provider", ReasonFilter]
    search_fields = ["file_url", "page_url", "title", "query"]
    show_full_result_count = False

    class Media:
        css = {"all": ["admin/collect.css"]}

    def lookup_allowed(self, lookup, value, request=None):
        """A collection's own results may be asked for by address."""
        return lookup == "collection" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="why")
    def why(self, hit):
        """The reason in words, and what was said at the time."""
        words = collect.WORDS.get(hit.reason, hit.reason)
        return format_html('<span title="{}">{}</span>', hit.detail, words)

    @admin.display(description="address")
    def file(self, hit):
        """Where it lies; no link, for nobody knows what is there."""
        return format_html('<span class="address">{}</span>', hit.file_url)

    @admin.display(description="image")
    def picture(self, hit):
        """The image that was made of it."""
        if not hit.image_id:
            return ""
        address = reverse("admin:curation_shoeimage_change", args=[hit.image_id])
        return format_html('<a href="{}">{}</a>', address, hit.image_id)


def _by_category(chosen: set[str]) -> list[tuple[str, list[tuple[ShoeType, bool]]]]:
    """Category → its types and whether each is chosen; what is no type of the guide last."""
    kinds = {category.name: [] for category in Category.objects.all()} | {"Other": []}
    for shoe_type in ShoeType.objects.filter(merged_into=None).select_related("category"):
        name = shoe_type.category.name if shoe_type.category else "Other"
        kinds[name].append((shoe_type, str(shoe_type.pk) in chosen))
    return [(name, types) for name, types in kinds.items() if types]


def _rows(job: Collection) -> list[tuple[str, int]]:
    tally = collect.Tally.of(job)
    counts = [("found", tally.found), ("fetched", tally.fetched), ("came in", tally.accepted)]
    waiting = tally.found - tally.accepted - tally.refused.total()
    if waiting:
        counts.append(("not looked at", waiting))
    return counts + [(collect.WORDS.get(r, r), n) for r, n in tally.refused.most_common()]


def _lines(asked: list[str], job: Collection) -> list[str]:
    return [*(asked or ["None"]), *collect.not_applied(job)]


def _notes(job: Collection) -> list[str]:
    notes = list(job.report.get("notes", []))
    if job.report.get("dry"):
        notes.append("The results ran dry. Other search terms may find more.")
    return notes
