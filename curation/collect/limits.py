"""The installation's settings as the searching and the downloading want them."""

from django.conf import settings

from curation import search
from curation.download import Limits
from curation.models import Collection


def downloader_limits() -> Limits:
    """What a download may cost and where it may go."""
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


def connection() -> search.Connection:
    """How the search engines are reached."""
    return search.Connection(
        proxy=settings.COLLECT_PROXY,
        ca_file=settings.COLLECT_CA_FILE,
        timeout=settings.COLLECT_SEARCH_SECONDS,
    )


def providers(safe: bool) -> list[search.Provider]:
    """The search engines that may be used, the first choice first; with `safe` only those that can
    do strict safe search."""
    known = [
        search.provider(name, trusted_safe=settings.COLLECT_BING_SAFE and name == "bing")
        for name in settings.COLLECT_PROVIDERS
    ]
    return [provider for provider in known if provider.safe or not safe]


def not_applied(job: Collection) -> list[str]:
    """A sentence for each engine that ignores some of the filters which a collection asks for."""
    return [
        f"{provider.words} does not apply: {', '.join(missing)}."
        for provider in providers(job.safe_search)
        if (missing := [name for name in job.filters if name not in provider.honours])
    ]
