"""The search of one collection, a page of results at a time; its row remembers how far it is."""

import hashlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from curation import search
from curation.collect.limits import connection, providers
from curation.collect.outcomes import PASSING
from curation.decisions import purge
from curation.errors import CurationError
from curation.models import Collection, Hit
from shoeproject.jobs import Claim, Paused, Postponed

logger = logging.getLogger(__name__)
# What another collection may try again: no answer, or too small under a setting that may change.
WORTH_ANOTHER_TRY = [*PASSING, "too-small", "said-too-small"]


class NoProvider(CurationError):
    """No search engine may be used for what is asked."""

    code = "no_provider"
    message = (
        "No search engine that may be used can do safe search. Collect without it, or name another "
        "in COLLECT_PROVIDERS."
    )


@dataclass
class Cursor:
    """Where the search stands: numbers of provider and term, the page that comes next, and how
    often in a row it was told to wait."""

    provider: int = 0
    term: int = 0
    page: int = 1
    waits: int = 0


class Searching:
    """Finds hits for a collection: providers one after the other, each with all terms."""

    def __init__(self, claim: Claim, tick: Callable[[], None]):
        """`tick` is called while this waits for a search engine. Raises `NoProvider`."""
        self.claim, self.job, self.tick = claim, claim.job, tick
        self.providers = providers(self.job.safe_search)
        if not self.providers:
            raise NoProvider
        self.at = Cursor(**self.job.cursor)
        self._pages = None
        self._down = purge.taken_down()

    def more(self) -> int:
        """Write the next page that holds anything new; how many hits, 0 once all is dry.

        Raises `Postponed` where an engine wants to be left alone, `Paused` where it still does
        after COLLECT_WAITS times, and the last engine's error where none can be reached.
        """
        while self.at.provider < len(self.providers):
            provider = self.providers[self.at.provider]
            page = self._ask(provider)
            if page is None or page.number > settings.COLLECT_PAGES:
                self._next_term()
                continue
            self.at.page, self.at.waits = page.number + 1, 0
            new = self._write(provider, page)
            if new:
                return new
        return 0

    def _ask(self, provider: search.Provider) -> search.Page | None:
        if self.at.page > settings.COLLECT_PAGES:
            return None
        self._pace(provider)
        if self._pages is None:
            query = search.Query(
                text=self.job.terms[self.at.term], filters=self.job.filters,
                safe=self.job.safe_search, first_page=self.at.page,
            )  # fmt: skip
            self._pages = provider.search(query, connection())
        try:
            return next(self._pages, None)
        except search.RateLimited as limited:
            self._pages = None
            self._wait(provider, limited.retry_after)
        except (search.SearchUnreachable, search.SearchBroken) as error:
            self._pages = None
            self._give_up(provider, error)
        return None

    def _next_term(self) -> None:
        self._pages = None
        if self.at.provider < len(self.providers):
            self.at.term, self.at.page = self.at.term + 1, 1
            if self.at.term >= len(self.job.terms):
                self.at = Cursor(self.at.provider + 1)
        self._save()

    def _give_up(self, provider: search.Provider, error: CurationError) -> None:
        """Go on with the next provider, or raise the error."""
        if self.at.provider + 1 >= len(self.providers):
            raise error
        self._note(f"{error.detail} Went on with {self.providers[self.at.provider + 1].words}.")
        # The term and page that `_next_term` makes the first of the next provider.
        self.at.term = len(self.job.terms) - 1

    def _wait(self, provider: search.Provider, retry_after: float | None) -> None:
        self.at.waits += 1
        if self.at.waits > settings.COLLECT_WAITS:
            waits, self.at.waits = self.at.waits - 1, 0
            self._save()
            why = f"{provider.words} still limits how often it is asked, after {waits} waits."
            if self.at.provider + 1 >= len(self.providers):
                raise Paused(f"{why} Resume this collection later; it goes on where it was.")
            return self._give_up(provider, _Limited(why))
        self._save()
        seconds = retry_after or settings.COLLECT_WAIT_SECONDS * 2 ** (self.at.waits - 1)
        # Later by chance, never sooner, so that those who wait do not all come back at once.
        seconds = min(seconds, settings.COLLECT_WAIT_MOST) * random.uniform(1, 1.3)
        until = timezone.now() + timedelta(seconds=seconds)
        _set_quiet(provider, until, seconds)
        raise _postponed(provider, until)

    def _pace(self, provider: search.Provider) -> None:
        """Leave the engine alone while it wants that; else wait for this installation's turn."""
        until = _quiet(provider)
        if until and until > timezone.now():
            raise _postponed(provider, until + timedelta(seconds=random.uniform(0, 5)))
        while not _turn(provider):
            time.sleep(0.1)
            self.tick()

    def _write(self, provider: search.Provider, page: search.Page) -> int:
        """Keep a page's hits and how far the search is, in one transaction."""
        rows = {}
        for hit in page.hits:
            row = self._row(provider, hit)
            rows.setdefault(row.url_sha256, row)
        seen = Hit.objects.filter(url_sha256__in=rows)
        for digest in seen.filter(collection=self.job).values_list("url_sha256", flat=True):
            rows.pop(digest, None)
        before = seen.exclude(reason__in=WORTH_ANOTHER_TRY, outcome=Hit.Outcome.REFUSED)
        before = before.exclude(outcome=Hit.Outcome.FOUND)
        for digest in before.values_list("url_sha256", flat=True):
            if digest in rows:
                _refuse(rows[digest], "seen-before")
        with self.claim.transaction():
            Hit.objects.bulk_create(rows.values())
            Collection.objects.filter(pk=self.job.pk).update(cursor=asdict(self.at))
        return len(rows)

    def _row(self, provider: search.Provider, hit: search.Hit) -> Hit:
        licence = "unknown"
        if "licence" in provider.honours and self.job.filters.get("licence"):
            licence = search.FILTERS["licence"][self.job.filters["licence"]]
        row = Hit(
            collection=self.job, provider=provider.name, query=self.job.terms[self.at.term][:200],
            rank=hit.rank, file_url=hit.file_url, page_url=hit.page_url, title=hit.title[:300],
            licence=licence, width=hit.width, height=hit.height,
        )  # fmt: skip
        row.url_sha256 = hashlib.sha256(row.file_url.encode()).hexdigest()
        if self._down(row.page_url, row.file_url):
            _refuse(row, "taken-down")
        elif row.width and row.height and min(row.width, row.height) < settings.COLLECT_MIN_SIDE:
            _refuse(row, "said-too-small")
        return row

    def _save(self) -> None:
        if not self.claim.row().update(cursor=asdict(self.at)):
            self.claim.tick(force=True)  # says why

    def _note(self, text: str) -> None:
        report = self.claim.job.report
        report.setdefault("notes", []).append(text)
        self.claim.row().update(report=report)


class _Limited(CurationError):
    why: str
    code = "rate_limited"
    message = "{why}"


def _refuse(row: Hit, reason: str) -> None:
    row.outcome, row.reason = Hit.Outcome.REFUSED, reason


def _postponed(provider: search.Provider, until: datetime) -> Postponed:
    words = f"waiting until {until:%H:%M:%S} UTC, as {provider.words} limits how often it is asked"
    return Postponed(until, words)


# All workers know when an engine wants to be left alone and whose turn it is, by way of the cache.
# Without one each worker knows its own.


def _quiet(provider: search.Provider) -> datetime | None:
    try:
        return cache.get(f"collect:quiet:{provider.name}")
    except Exception as error:  # each cache has its own ways to say that it is down
        logger.warning("The cache cannot say whether %s may be asked: %s", provider.name, error)
        return None


def _set_quiet(provider: search.Provider, until: datetime, seconds: float) -> None:
    try:
        cache.set(f"collect:quiet:{provider.name}", until, timeout=int(seconds) + 1)
    except Exception as error:
        logger.warning("The cache cannot keep that %s wants a pause: %s", provider.name, error)


def _turn(provider: search.Provider) -> bool:
    if not settings.COLLECT_SEARCH_PAUSE:
        return True
    try:
        name = f"collect:turn:{provider.name}"
        return cache.add(name, True, timeout=settings.COLLECT_SEARCH_PAUSE)
    except Exception as error:
        logger.warning("The cache cannot pace the searches: %s", error)
        time.sleep(settings.COLLECT_SEARCH_PAUSE)
        return True
