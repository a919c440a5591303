"""Finding types of the guide by words. The page does the same, with the same text, as one types."""

from curation.models import ShoeType


def text_of(row: ShoeType) -> str:
    """All that a type is found by, in one line: its name, family and other words for it."""
    words = [row.name, row.slug, row.category.name, row.original_label, *row.search_terms]
    return " ".join(" ".join(filter(None, words)).casefold().split())


def matches(text: str, query: str) -> bool:
    """Whether each word of the query begins a word of a type's text; an empty query finds all."""
    return all(f" {word}" in f" {text}" for word in query.casefold().split())
