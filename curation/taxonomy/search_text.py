"""Find types of the guide by words. The page's script does the same, with the same text."""

from curation.models import ShoeType


def text_of(row: ShoeType) -> str:
    """The text in which a type is found: name, slug, category, search terms; in small letters."""
    words = [row.name, row.slug, row.category.name, row.original_label, *row.search_terms]
    return " ".join(" ".join(filter(None, words)).casefold().split())


def texts() -> dict[str, str]:
    """The text of every type, by slug; one query."""
    types = ShoeType.objects.filter(kind=ShoeType.Kind.TYPE).select_related("category")
    return {row.slug: text_of(row) for row in types}


def matches(text: str, query: str) -> bool:
    """Whether each word of the query begins a word of the text; an empty query matches all."""
    return all(f" {word}" in f" {text}" for word in query.casefold().split())
