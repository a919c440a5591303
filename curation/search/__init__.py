"""Image search: a query → pages of hits. Pure.

`query` holds the types, `engine` what the engines share, and each engine's module its `PROVIDER`.
"""

from dataclasses import replace

from curation.search import bing, duckduckgo
from curation.search.errors import RateLimited, SearchBroken, SearchUnreachable
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
    "provider",
]

PROVIDERS: dict[str, Provider] = {each.name: each for each in (duckduckgo.PROVIDER, bing.PROVIDER)}


def provider(name: str, *, trusted_safe: bool = False) -> Provider:
    """Return a provider by name. Raises KeyError.

    `trusted_safe`: an operator has verified its strict safe search, which could not be tested here
    (Bing's).
    """
    chosen = PROVIDERS[name]
    return replace(chosen, safe=chosen.safe or trusted_safe)
