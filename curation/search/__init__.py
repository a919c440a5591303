"""Search engines: a query → pages of hits.

Pure. An engine is one module that ends in a `PROVIDER`; `query` is what they share with those
who ask, `engine` what they share with each other.
"""

from dataclasses import replace

from curation.search import bing, duckduckgo
from curation.search.errors import RateLimited, SearchBroken, SearchUnreachable, UnknownFilter
from curation.search.query import FILTERS, Connection, Hit, Page, Provider, Query

__all__ = [
    "FILTERS",
    "PROVIDERS",
    "Connection",
    "Hit",
    "Page",
    "Provider",
    "Query",
    "RateLimited",
    "SearchBroken",
    "SearchUnreachable",
    "UnknownFilter",
    "provider",
]

PROVIDERS: dict[str, Provider] = {each.name: each for each in (duckduckgo.PROVIDER, bing.PROVIDER)}


def provider(name: str, *, trusted_safe: bool = False) -> Provider:
    """Return a provider by name; KeyError for none.

    `trusted_safe`: an operator has seen that the strict safe search of those works for which
    that could not be shown here (Bing).
    """
    found = PROVIDERS[name]
    return replace(found, safe=found.safe or trusted_safe)
