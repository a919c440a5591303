"""Run a collection: downloads run ahead, acceptance follows the order of the search results.

A result is decided when all before it are, and what a dead worker had only downloaded is downloaded
again. So the same results give the same images however often workers die.
"""

import time
from collections.abc import Iterator
from contextlib import closing

from django.conf import settings

from curation import ingest
from curation.collect.fetching import Fetcher
from curation.collect.outcomes import HitCounts
from curation.collect.quota import StorageQuota
from curation.collect.searching import Searcher
from curation.errors import CurationError
from curation.models import Collection, Hit, ShoeImage
from shoeproject.jobs import Claim, Paused, Postponed

BATCH = 100  # hits read from the database at a time
GONE = (ShoeImage.State.REJECTED, ShoeImage.State.PURGED)


def collect_images(claim: Claim) -> None:
    """Run a collection job."""
    with Fetcher() as fetcher:
        Collector(claim, fetcher).run()


class Collector:
    """One worker's run of a collection."""

    def __init__(self, claim: Claim, fetcher: Fetcher):
        self.claim, self.job, self.fetcher = claim, claim.job, fetcher
        self.counts, self.quota = HitCounts.of(self.job), StorageQuota()
        self.started, self.accepted_before = time.monotonic(), self.counts.accepted
        self.searcher = Searcher(claim, self.tick)
        self.in_flight = 0  # hits that are being fetched
        self.exhausted = False  # whether there are no more results
        self.search_error: Exception | None = None

    @property
    def need(self) -> int:
        """Images still to come."""
        return self.job.count - self.counts.accepted

    def run(self) -> None:
        """Work until there are enough images, or no more results."""
        self.tick(force=True)
        try:
            while self.need > 0 and not (self.exhausted or self.search_error):
                self._round()
            if self.need > 0 and self.search_error:
                raise self.search_error
        finally:
            self._write_report()
        self.tick(force=True)

    def tick(self, force: bool = False) -> None:
        """Write the progress; see `Claim.tick`."""
        text = f"images; {self.counts}"
        new = self.counts.accepted - self.accepted_before
        seconds = time.monotonic() - self.started
        if new > 0 and self.need > 0:
            left = self.need * seconds / new
            text += f"; {new / seconds:.1f} a second, about {_duration(left)} left"
        self.claim.tick(self.counts.accepted, self.job.count, text, force=force)

    def _round(self) -> None:
        """Fetch and decide hits until there are enough images, or `_hits` ends."""
        self.in_flight = 0
        results = self.fetcher.fetch(self._hits(), lambda hit: hit.file_url, self.tick)
        with closing(results):
            for hit, result in results:
                self.in_flight -= 1
                self._decide(hit, result)
                self.tick()
                if self.need <= 0:
                    return

    def _hits(self) -> Iterator[Hit]:
        """Yield undecided hits in order, searching for more where there are none left.

        Ends early where twice as many are in flight as images are needed.
        """
        last = 0
        while True:
            undecided = self.job.hits.filter(outcome=Hit.Outcome.FOUND, pk__gt=last)
            hits = list(undecided.order_by("pk")[:BATCH])
            for hit in hits:
                if self.in_flight >= 2 * self.need:
                    return
                last, self.in_flight = hit.pk, self.in_flight + 1
                yield hit
            if not hits and (self.in_flight >= self.need or not self._search()):
                return

    def _search(self) -> bool:
        """Return whether there are new hits. Errors are raised once all hits are decided."""
        try:
            new = self.searcher.save_next_page()
        except (Postponed, Paused, CurationError) as error:
            self.search_error = error
            return False
        if new:
            self.counts = HitCounts.of(self.job)
        self.exhausted = not new
        return bool(new)

    def _decide(self, hit: Hit, result: ingest.Prepared | CurationError) -> None:
        if isinstance(result, CurationError):
            return self._refuse(hit, result.code, result.detail)
        self.quota.check()
        try:
            image, new = self._take_in(hit, result)
        except ingest.NearCopy as copy:
            gone = copy.state in GONE
            self._refuse(hit, "copy-of-rejected" if gone else copy.code, copy.detail)
        except CurationError as error:
            self._refuse(hit, error.code, error.detail)
        else:
            if new:
                self.counts.accepted += 1
                self.quota.add(len(result.stored))
            else:
                gone = image.state in GONE
                self._refuse(hit, "rejected-before" if gone else "known", f"{image.pk}")

    def _take_in(self, hit: Hit, prepared: ingest.Prepared) -> tuple[ShoeImage, bool]:
        job = self.job
        field = "label" if job.set_label else "proposed"

        def accept(image: ShoeImage) -> None:
            hit.outcome, hit.image = Hit.Outcome.ACCEPTED, image
            with self.claim.transaction():
                hit.save(update_fields=["outcome", "image"])

        return ingest.take_in(
            prepared, _origin(job, hit), by=job.asked_by, also=accept,
            keep_copies=False, min_side=settings.COLLECT_MIN_SIDE, **{field: job.shoe_type},
        )  # fmt: skip

    def _refuse(self, hit: Hit, reason: str, detail: str) -> None:
        hit.outcome, hit.reason, hit.detail = Hit.Outcome.REFUSED, reason[:60], detail[:200]
        with self.claim.transaction():
            hit.save(update_fields=["outcome", "reason", "detail"])
        self.counts.refused[hit.reason] += 1

    def _write_report(self) -> None:
        report = self.claim.job.report  # holds notes of the search
        report |= {**self.counts.as_json(), "dry": self.need > 0 and self.exhausted}
        self.claim.row().update(report=report)


def _origin(job: Collection, hit: Hit) -> ingest.Origin:
    return ingest.Origin(
        group=ingest.page_group(hit.page_url), licence=hit.licence,
        source=ingest.domain_of(hit.page_url) or ingest.domain_of(hit.file_url),
        title=hit.title, collection=job, query=hit.query, rank=hit.rank,
        page_url=hit.page_url, file_url=hit.file_url,
    )  # fmt: skip


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
