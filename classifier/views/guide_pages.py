"""The guide's pages: all types, a family, a type."""

from itertools import groupby

from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from classifier.evaluation import report
from classifier.registry import serving
from classifier.views.page import site_page
from curation.taxonomy import search_text
from curation.taxonomy.guide import Guide

QUERY_LENGTH = 100


@require_safe
@site_page
def guide(request):
    """All types, family by family, or those that `?q=` finds."""
    served, guide, texts = serving.active(), Guide(), search_text.texts()
    measured = report.metrics_of(served.version) if served else {}
    accuracies = report.accuracy_by_type(served.version, guide, measured) if served else {}
    query = " ".join(request.GET.get("q", "")[:QUERY_LENGTH].split())
    types = [(row, accuracies.get(row.slug), texts[row.slug]) for row in guide.types()]
    matching = [entry for entry in types if search_text.matches(entry[2], query)]
    context = {
        "families": _families(matching),
        "all_families": _families(types),
        "query": query,
        "found": len(matching),
        "total": len(types),
        "served": served,
        "measured": bool(measured.get("per_type")),
        "scenes": report.scenes_sentence(measured),
    }
    return render(request, "site/guide.html", context)


@require_safe
@site_page
def guide_category(request, slug):
    """One family."""
    served, guide = serving.active(), Guide()
    types = [row for row in guide.types() if row.category.slug == slug]
    if not types:
        raise Http404
    accuracies = report.accuracy_by_type(served.version, guide) if served else {}
    context = {
        "category": types[0].category,
        "rows": [(row, accuracies.get(row.slug)) for row in types],
        "families": list(dict.fromkeys(row.category for row in guide.types())),
        "served": served,
    }
    return render(request, "site/category.html", context)


@require_safe
@site_page
def guide_type(request, slug):
    """One type; a merged one redirects to the type that took it."""
    served, guide = serving.active(), Guide()
    row = guide.type(slug)
    if row is None:
        raise Http404
    if row.slug != slug:
        return redirect("guide-type", slug=row.slug)
    accuracies = report.accuracy_by_type(served.version, guide) if served else {}
    context = {
        "type": row,
        "family": [other for other in guide.types() if other.category == row.category],
        "served": served,
        "trust": accuracies.get(slug),
    }
    return render(request, "site/type.html", context)


def _families(entries: list[tuple]) -> list[tuple]:
    """Group entries, whose first item is a type, by the type's category."""
    return [
        (category, list(group))
        for category, group in groupby(entries, key=lambda entry: entry[0].category)
    ]
