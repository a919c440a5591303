"""The settings for collecting, as arguments for search and download."""

from django.conf import settings

from curation import search
from curation.download.limits import Limits
from curation.models import Collection


def download_limits() -> Limits:
    """The limits of each download."""
    return Limits(
        max_bytes=settings.IMAGE_MAX_BYTES,
        seconds=settings.COLLECT_SECONDS,
        connect_seconds=settings.COLLECT_CONNECT_SECONDS,
        redirects=settings.COLLECT_REDIRECTS,
        tries=settings.COLLECT_TRIES,
        ports=frozenset(settings.COLLECT_PORTS),
        robots=settings.COLLECT_ROBOTS,
        private=tuple(settings.COLLECT_PRIVATE),
    )


def search_connection() -> search.Connection:
    """How to reach the search engines."""
    return search.Connection(
        proxy=settings.COLLECT_PROXY,
        ca_file=settings.COLLECT_CA_FILE,
        timeout=settings.COLLECT_SEARCH_SECONDS,
    )


def search_providers(safe: bool) -> list[search.Provider]:
    """The search engines that may be used, in order of preference; with `safe` only those that can
    do strict safe search."""
    providers = [
        search.provider(name, trusted_safe=settings.COLLECT_BING_SAFE and name == "bing")
        for name in settings.COLLECT_PROVIDERS
    ]
    return [provider for provider in providers if provider.safe or not safe]


def ignored_filters(job: Collection) -> list[str]:
    """A sentence for each search engine that ignores some filters of a collection."""
    return [
        f"{provider.display_name} does not apply: {', '.join(missing)}."
        for provider in search_providers(job.safe_search)
        if (missing := [name for name in job.filters if name not in provider.honours])
    ]
