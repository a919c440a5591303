"""Admin of collections from the web and of their search results."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from curation import search
from curation.collect.configuration import ignored_filters, search_providers
from curation.collect.outcomes import REASONS, HitCounts, accepted_by_query
from curation.collect.start import start_collections
from curation.models import Category, Collection, Hit, ShoeType
from shoeproject.admin_pages import AdminPages, ReadOnlyAdmin
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import JobAdmin

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
            ignored = [p.display_name for p in search_providers(False) if name not in p.honours]
            self.fields[f"filter_{name}"] = forms.ChoiceField(
                choices=[("", "Any"), *values.items()], required=False, label=FILTER_WORDS[name],
                help_text=f"Not applied by {', '.join(ignored)}." if ignored else "",
            )  # fmt: skip
        if "filter_kind" in self.fields:
            self.fields["filter_kind"].initial = "photo"

    def filters(self):
        """Return the fields of the search filters, for the template."""
        return [self[name] for name in self.fields if name.startswith("filter_")]

    def queue_collections(self, by) -> list[Collection]:
        """Queue a collection for each type of the valid form; raises `CollectionRefused`."""
        data = self.cleaned_data
        filters = {name: data[f"filter_{name}"] for name in search.FILTERS}
        return start_collections(
            data["types"], data["count"], terms=data["terms"].splitlines(), filters=filters,
            safe=data["safe_search"], set_label=data["set_label"], by=by,
        )  # fmt: skip


@admin.register(Collection)
class CollectionAdmin(AdminPages, JobAdmin):
    """Collections from the web: added for several types at once, then watched."""

    list_display = ["__str__", "state", "progress", "asked_by", "created_at"]
    list_filter = ["state", "shoe_type"]
    list_select_related = ["shoe_type", "asked_by"]
    input_fields = ("shoe_type", "count", "searches", "asked_filters", "safe_search", "set_label")
    result_fields = ("results", "came_in")

    class Media:
        js = ["admin/collect.js"]
        css = {"all": ["admin/collect.css"]}

    def add_view(self, request, form_url="", extra_context=None):
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = CollectForm(request.POST or None, initial={"types": request.GET.getlist("type")})
        if request.method == "POST" and form.is_valid():
            try:
                return self._redirect_to(request, form.queue_collections(request.user))
            except ProjectError as error:
                form.add_error(None, error.detail)
        chosen = {str(value) for value in form["types"].value() or []}
        return self.render_page(
            request, "admin/curation/collection/add_form.html", "Collect images from the web",
            form=form, media=self.media, kinds=_by_category(chosen),
        )  # fmt: skip

    def _redirect_to(self, request, collections):
        if len(collections) == 1:
            self.message_user(request, f"{collections[0]}: queued.", messages.SUCCESS)
            return redirect("admin:curation_collection_change", collections[0].pk)
        self.message_user(request, f"{len(collections)} collections are queued.", messages.SUCCESS)
        return redirect("admin:curation_collection_changelist")

    def progress_json(self, job) -> dict:
        return {**super().progress_json(job), "rows": _result_counts(job)}

    @admin.display(description="searches")
    def searches(self, job):
        return format_html_join("", "<div>{}</div>", ((term,) for term in job.terms))

    @admin.display(description="filters")
    def asked_filters(self, job):
        """Return the search filters, and which engines ignore them."""
        filters = [
            f"{FILTER_WORDS[name]}: {search.FILTERS[name].get(value, value)}"
            for name, value in job.filters.items()
        ]
        lines = [*(filters or ["None"]), *ignored_filters(job)]
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines))

    @admin.display(description="results")
    def results(self, job):
        """Return the results counted by outcome; the page's script keeps them up to date."""
        rows = format_html_join("", "<tr><th>{}</th><td>{}</td></tr>", _result_counts(job))
        notes = list(job.report.get("notes", []))
        if job.report.get("dry"):
            notes.append("The results ran dry. Other search terms may find more.")
        notes = format_html_join("", "<p>{}</p>", ((note,) for note in notes))
        address = f"{reverse('admin:curation_hit_changelist')}?collection={job.pk}"
        return format_html(
            '<table class="figures" data-job-rows>{}</table>{}<p><a href="{}">All results</a></p>',
            rows, notes, address,
        )  # fmt: skip

    @admin.display(description="images")
    def came_in(self, job):
        """Return how many images each search brought, and how many of them were rejected since."""
        counts = accepted_by_query(job)
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
    """Filter by the reason why a result was refused."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request, model_admin):
        return list(REASONS.items())

    def queryset(self, request, queryset):
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
        # The page of a collection links to its own results.
        return lookup == "collection" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="why")
    def why(self, hit):
        """Return the reason in words, with the error's text as a tooltip."""
        words = REASONS.get(hit.reason, hit.reason)
        return format_html('<span title="{}">{}</span>', hit.detail, words)

    @admin.display(description="address")
    def file(self, hit):
        # No link: the address is a stranger's and unchecked.
        return format_html('<span class="address">{}</span>', hit.file_url)

    @admin.display(description="image")
    def picture(self, hit):
        if not hit.image_id:
            return ""
        address = reverse("admin:curation_shoeimage_change", args=[hit.image_id])
        return format_html('<a href="{}">{}</a>', address, hit.image_id)


def _by_category(chosen: set[str]) -> list[tuple[str, list[tuple[ShoeType, bool]]]]:
    """Return category → (type, whether it is chosen); types without a category come last."""
    kinds = {category.name: [] for category in Category.objects.all()} | {"Other": []}
    for shoe_type in ShoeType.objects.filter(merged_into=None).select_related("category"):
        name = shoe_type.category.name if shoe_type.category else "Other"
        kinds[name].append((shoe_type, str(shoe_type.pk) in chosen))
    return [(name, types) for name, types in kinds.items() if types]


def _result_counts(job: Collection) -> list[tuple[str, int]]:
    hits = HitCounts.of(job)
    counts = [("found", hits.found), ("fetched", hits.fetched), ("came in", hits.accepted)]
    waiting = hits.found - hits.accepted - hits.refused.total()
    if waiting:
        counts.append(("not looked at", waiting))
    return counts + [(REASONS.get(r, r), n) for r, n in hits.refused.most_common()]
