"""Queries, results and providers of image search: the same for every engine."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from curation.search.errors import UnknownFilter

# Filter → value → label for people. Each engine maps them to its own names.
FILTERS: dict[str, dict[str, str]] = {
    "kind": {
        "photo": "Photographs",
        "clipart": "Clip art",
        "line": "Line drawings",
        "gif": "Animations",
        "transparent": "Transparent background",
    },
    "size": {
        "small": "Small",
        "medium": "Medium",
        "large": "Large",
        "wallpaper": "Very large",
    },
    "colour": {
        "colour": "In colour",
        "monochrome": "Black and white",
        "red": "Red",
        "orange": "Orange",
        "yellow": "Yellow",
        "green": "Green",
        "teal": "Teal",
        "blue": "Blue",
        "purple": "Purple",
        "pink": "Pink",
        "brown": "Brown",
        "black": "Black",
        "gray": "Grey",
        "white": "White",
    },
    "layout": {"square": "Square", "tall": "Tall", "wide": "Wide"},
    "licence": {
        "any": "Creative Commons or public domain",
        "public": "Public domain",
        "share": "Free to share",
        "share-commercially": "Free to share commercially",
        "modify": "Free to change and share",
        "modify-commercially": "Free to change and share commercially",
    },
}


@dataclass(frozen=True)
class Query:
    """A search. Pages are counted from 1; those before `first_page` are left out.

    Raises UnknownFilter for a filter or value that is not in FILTERS.
    """

    text: str
    filters: Mapping[str, str] = field(default_factory=dict)
    safe: bool = True  # strict safe search; False: none at all
    first_page: int = 1

    def __post_init__(self):
        if self.first_page < 1:
            raise ValueError(f"Pages are counted from 1, not {self.first_page}.")
        for name, value in self.filters.items():
            if value not in FILTERS.get(name, ()):
                raise UnknownFilter(name, value)


@dataclass(frozen=True)
class Hit:
    """One result: the http(s) address of a file, and what the engine says of it."""

    rank: int  # the engine's own, from 1, over all pages
    file_url: str
    page_url: str  # empty where there is none
    title: str
    width: int | None  # pixels, as the engine says
    height: int | None


@dataclass(frozen=True)
class Page:
    """One page of results, in the engine's order; `hits` may be empty though more pages follow."""

    number: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Connection:
    """How to reach the engines."""

    proxy: str = ""  # its URL
    ca_file: str = ""  # PEM file of the only certificate authorities to trust
    timeout: float = 20.0  # seconds for one request, from its start to the end of the answer


@dataclass(frozen=True)
class Provider:
    """A search engine. `search` yields pages, with one or two requests each, until there are none.

    It raises RateLimited, SearchUnreachable or SearchBroken, and neither waits nor tries again: the
    caller may continue later with `first_page`.
    """

    name: str  # stored with hits
    display_name: str
    search: Callable[[Query, Connection], Iterator[Page]]
    honours: frozenset[str]  # filters that are sent to it
    safe: bool  # whether its strict safe search can be relied on
