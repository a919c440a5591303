"""The searches of one collection, a page of results at a time; its row keeps the position."""

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from curation import search
from curation.collect.configuration import search_connection, search_providers
from curation.collect.outcomes import TEMPORARY
from curation.decisions import purge
from curation.errors import CurationError
from curation.models import Collection, Hit
from shoeproject.api.optional_cache import call_or_default
from shoeproject.jobs import Claim, Paused, Postponed

# Refusals after which another collection tries the address again; COLLECT_MIN_SIDE may change.
RETRIED = [*TEMPORARY, "too-small", "said-too-small"]


class NoProvider(CurationError):
    """No search engine that is configured can do safe search."""

    code = "no_provider"
    message = (
        "No search engine that may be used can do safe search. Collect without it, or name another "
        "in COLLECT_PROVIDERS."
    )


@dataclass
class Cursor:
    """The position of a search: numbers of provider and term, the next page, and how often in a row
    the provider limited its rate."""

    provider: int = 0
    term: int = 0
    page: int = 1
    waits: int = 0


class Searcher:
    """Searches for a collection: one provider after the other, each with all terms."""

    def __init__(self, claim: Claim, tick: Callable[[], None]):
        """`tick` is called while this waits for a search engine. Raises `NoProvider`."""
        self.claim, self.job, self.tick = claim, claim.job, tick
        self.providers = search_providers(self.job.safe_search)
        if not self.providers:
            raise NoProvider
        self.cursor = Cursor(**self.job.cursor)
        self._pages = None
        self._is_purged = purge.purged_source_check()

    def save_next_page(self) -> int:
        """Save the next page with new hits; return their number, 0 where there are no more.

        Raises `Postponed` where an engine limits its rate, `Paused` where it still does after
        COLLECT_WAITS times, and the last engine's error where none can be reached.
        """
        while self.cursor.provider < len(self.providers):
            provider = self.providers[self.cursor.provider]
            page = self._next_page(provider)
            if page is None:
                self._next_term()
            else:
                self.cursor.page, self.cursor.waits = page.number + 1, 0
                if new := self._save_hits(provider, page):
                    return new
        return 0

    def _next_page(self, provider: search.Provider) -> search.Page | None:
        """Fetch the current term's next page; None where there is none."""
        if self.cursor.page > settings.COLLECT_PAGES:
            return None
        self._wait_for_turn(provider)
        if self._pages is None:
            query = search.Query(
                text=self.job.terms[self.cursor.term], filters=self.job.filters,
                safe=self.job.safe_search, first_page=self.cursor.page,
            )  # fmt: skip
            self._pages = provider.search(query, search_connection())
        try:
            return next(self._pages, None)
        except search.RateLimited as limited:
            self._postpone(provider, limited.retry_after)
        except (search.SearchUnreachable, search.SearchBroken) as error:
            if self._is_last_provider():
                raise
            self._skip_provider(error.detail)
        return None

    def _next_term(self) -> None:
        self._pages = None
        self.cursor.term, self.cursor.page = self.cursor.term + 1, 1
        if self.cursor.term >= len(self.job.terms):
            self.cursor = Cursor(self.cursor.provider + 1)
        self._save_cursor()

    def _is_last_provider(self) -> bool:
        return self.cursor.provider + 1 >= len(self.providers)

    def _skip_provider(self, why: str) -> None:
        """Go on with the next provider. `why`: a sentence for the job's notes."""
        following = self.providers[self.cursor.provider + 1].display_name
        report = self.claim.job.report
        report.setdefault("notes", []).append(f"{why} Went on with {following}.")
        self.claim.row().update(report=report)
        # After the last term `_next_term` goes on with the next provider's first.
        self.cursor.term = len(self.job.terms) - 1

    def _postpone(self, provider: search.Provider, retry_after: float | None) -> None:
        """Postpone the job, as the provider limits its rate; skip it after COLLECT_WAITS times."""
        self.cursor.waits += 1
        if self.cursor.waits > settings.COLLECT_WAITS:
            why = (
                f"{provider.display_name} still limits how often it is asked, "
                f"after {self.cursor.waits - 1} waits."
            )
            self.cursor.waits = 0
            self._save_cursor()
            if self._is_last_provider():
                raise Paused(f"{why} Resume this collection later; it goes on where it was.")
            return self._skip_provider(why)
        self._save_cursor()
        seconds = retry_after or settings.COLLECT_WAIT_SECONDS * 2 ** (self.cursor.waits - 1)
        # At random, so that postponed jobs do not all come back at once, but never sooner.
        seconds = min(seconds, settings.COLLECT_WAIT_MOST) * random.uniform(1, 1.3)
        until = timezone.now() + timedelta(seconds=seconds)
        _set_resumes_at(provider, until, seconds)
        raise _postponed(provider, until)

    def _wait_for_turn(self, provider: search.Provider) -> None:
        """Return once a page may be requested. Raises `Postponed` while the rate is limited."""
        until = _resumes_at(provider)
        if until and until > timezone.now():
            raise _postponed(provider, until + timedelta(seconds=random.uniform(0, 5)))
        while not _claim_turn(provider):
            time.sleep(0.1)
            self.tick()

    def _save_hits(self, provider: search.Provider, page: search.Page) -> int:
        """Save a page's new hits and the cursor in one transaction; return the hits' number."""
        rows = {}
        for hit in page.hits:
            row = self._row(provider, hit)
            rows.setdefault(row.url_sha256, row)
        seen = Hit.objects.filter(url_sha256__in=rows)
        for digest in seen.filter(collection=self.job).values_list("url_sha256", flat=True):
            rows.pop(digest, None)
        decided = seen.exclude(outcome=Hit.Outcome.FOUND).exclude(
            outcome=Hit.Outcome.REFUSED, reason__in=RETRIED
        )
        for digest in decided.values_list("url_sha256", flat=True):
            if digest in rows:
                _refuse(rows[digest], "seen-before")
        with self.claim.transaction():
            Hit.objects.bulk_create(rows.values())
            Collection.objects.filter(pk=self.job.pk).update(cursor=asdict(self.cursor))
        return len(rows)

    def _row(self, provider: search.Provider, hit: search.Hit) -> Hit:
        licence = "unknown"
        if "licence" in provider.honours and self.job.filters.get("licence"):
            licence = search.FILTERS["licence"][self.job.filters["licence"]]
        row = Hit(
            collection=self.job, provider=provider.name, rank=hit.rank,
            query=self.job.terms[self.cursor.term][:200], title=hit.title[:300],
            url_sha256=hashlib.sha256(hit.file_url.encode()).hexdigest(),
            file_url=hit.file_url, page_url=hit.page_url,
            licence=licence, width=hit.width, height=hit.height,
        )  # fmt: skip
        if self._is_purged(row.page_url, row.file_url):
            _refuse(row, "taken-down")
        elif row.width and row.height and min(row.width, row.height) < settings.COLLECT_MIN_SIDE:
            _refuse(row, "said-too-small")
        return row

    def _save_cursor(self) -> None:
        if not self.claim.row().update(cursor=asdict(self.cursor)):
            self.claim.tick(force=True)  # raises why the claim is lost


def _refuse(row: Hit, reason: str) -> None:
    row.outcome, row.reason = Hit.Outcome.REFUSED, reason


def _postponed(provider: search.Provider, until: datetime) -> Postponed:
    return Postponed(
        until,
        f"waiting until {until:%H:%M:%S} UTC, "
        f"as {provider.display_name} limits how often it is asked",
    )


# Through the cache all workers share when a rate limit ends and when the last page was requested.
# Without a cache each worker goes by what it sees itself.


def _resumes_at(provider: search.Provider) -> datetime | None:
    """The end of the provider's rate limit, if there is one."""
    name = f"collect:quiet:{provider.name}"
    return call_or_default(lambda: cache.get(name), "rate limits of searches are not shared")


def _set_resumes_at(provider: search.Provider, until: datetime, seconds: float) -> None:
    name = f"collect:quiet:{provider.name}"
    call_or_default(
        lambda: cache.set(name, until, timeout=int(seconds) + 1),
        "rate limits of searches are not shared",
    )


def _claim_turn(provider: search.Provider) -> bool:
    """Whether COLLECT_SEARCH_PAUSE has passed since the last page; if so, it begins anew."""
    pause = settings.COLLECT_SEARCH_PAUSE
    if not pause:
        return True
    claimed = call_or_default(
        lambda: cache.add(f"collect:turn:{provider.name}", True, timeout=pause),
        "each worker paces its searches by itself",
    )
    if claimed is None:
        time.sleep(pause)
        return True
    return claimed
