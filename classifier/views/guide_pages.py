"""The guide's pages: all types, a family, a type."""

from itertools import groupby

from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from classifier.evaluation import report
from classifier.registry import store
from classifier.views.page import site_page
from curation.models import ShoeType
from curation.taxonomy import search_text
from curation.taxonomy.guide import Guide

QUERY_LENGTH = 100


@require_safe
@site_page
def guide(request):
    """All types, family by family, or those that `?q=` finds."""
    served, guide = store.active(), Guide()
    measured = report.figures(served.version) if served else {}
    known = report.by_type(served.version, guide, served.model, measured) if served else {}
    query = " ".join(request.GET.get("q", "")[:QUERY_LENGTH].split())
    types = [(row, known.get(row.slug), text) for row, text in _with_text(guide.types())]
    found = [entry for entry in types if search_text.matches(entry[2], query)]
    context = {
        "families": _families(found),
        "all_families": _families(types),
        "query": query,
        "found": len(found),
        "total": len(types),
        "served": served,
        "measured": bool(measured.get("per_type")),
        "scenes": report.about_scenes(measured),
    }
    return render(request, "site/guide.html", context)


@require_safe
@site_page
def guide_category(request, slug):
    """One family."""
    served, guide = store.active(), Guide()
    families = dict(_families([(row,) for row in guide.types()]))
    category = next((category for category in families if category.slug == slug), None)
    if category is None:
        raise Http404
    known = report.by_type(served.version, guide, served.model) if served else {}
    rows = [(row, known.get(row.slug)) for (row,) in families[category]]
    context = {"category": category, "rows": rows, "families": list(families), "served": served}
    return render(request, "site/category.html", context)


@require_safe
@site_page
def guide_type(request, slug):
    """One type; one that was merged into another leads there."""
    served, guide = store.active(), Guide()
    row = guide.type(slug)
    if row is None:
        raise Http404
    if row.slug != slug:
        return redirect("guide-type", slug=row.slug)
    known = report.by_type(served.version, guide, served.model) if served else {}
    context = {
        "type": row,
        "family": [other for other in guide.types() if other.category == row.category],
        "served": served,
        "trust": known.get(slug),
    }
    return render(request, "site/type.html", context)


def _with_text(rows: list[ShoeType]):
    """Each row with the text that it is found by; one query."""
    terms = dict(ShoeType.objects.values_list("slug", "search_terms"))
    for row in rows:
        row.search_terms = terms.get(row.slug, [])
        yield row, search_text.text_of(row)


def _families(entries: list[tuple]) -> list[tuple]:
    """Entries, whose first is a type, by its category."""
    grouped = groupby(entries, key=lambda entry: entry[0].category)
    return [(category, list(group)) for category, group in grouped]
