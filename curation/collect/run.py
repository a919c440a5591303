"""A collection, performed: downloads run ahead, acceptance goes by the order of the results.

So the same results give the same images however often workers die: a hit is decided when all before
it are, and what a dead worker had only fetched is fetched again.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from django.conf import settings

from curation import ingest
from curation.collect.fetching import Fetching
from curation.collect.outcomes import Tally
from curation.collect.quota import Room
from curation.collect.searching import Searching
from curation.errors import CurationError
from curation.models import Collection, Hit, ShoeImage
from shoeproject.jobs import Claim, Paused, Postponed

BATCH = 100  # hits read from the database at a time
GONE = (ShoeImage.State.REJECTED, ShoeImage.State.PURGED)


def run(claim: Claim) -> None:
    """Perform a collection job."""
    with Fetching() as fetching:
        Collecting(claim, fetching).run()


@dataclass(frozen=True)
class Stopped:
    """Why no more results are to be had."""

    error: Exception | None  # None: they ran dry


class Collecting:
    """One worker's work on a collection."""

    def __init__(self, claim: Claim, fetching: Fetching):
        self.claim, self.job, self.fetching = claim, claim.job, fetching
        self.tally, self.room = Tally.of(self.job), Room()
        self.began, self.before = time.monotonic(), self.tally.accepted
        self.searching = Searching(claim, self.tick)
        self.in_flight = 0
        self.stopped: Stopped | None = None

    @property
    def need(self) -> int:
        """Images still to come."""
        return self.job.count - self.tally.accepted

    def run(self) -> None:
        """Until enough is in, or results run dry."""
        self.tick(force=True)
        try:
            while self.need > 0 and not self.stopped:
                self._round()
            if self.need > 0 and self.stopped.error:
                raise self.stopped.error
        finally:
            self._report()
        self.tick(force=True)

    def tick(self, force: bool = False) -> None:
        """Say how far this is."""
        words = f"images; {self.tally.words}"
        new, seconds = self.tally.accepted - self.before, time.monotonic() - self.began
        if new > 0 and self.need > 0:
            left = self.need * seconds / new
            words += f"; {new / seconds:.1f} a second, about {_duration(left)} left"
        self.claim.tick(self.tally.accepted, self.job.count, words, force=force)

    def _round(self) -> None:
        """Fetch and decide hits until enough is in, or no more should be fetched undecided."""
        self.in_flight = 0
        results = self.fetching.ahead(self._hits(), lambda hit: hit.file_url, self.tick)
        with closing(results):
            for hit, found in results:
                self.in_flight -= 1
                self._decide(hit, found)
                self.tick()
                if self.need <= 0:
                    return

    def _hits(self) -> Iterator[Hit]:
        """Undecided hits in order, searching for more where they run out; ends early rather than
        have much more fetched than is needed."""
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
        """Whether there is more. What stops the search is raised once all fetched is decided."""
        try:
            new = self.searching.more()
        except (Postponed, Paused, CurationError) as error:
            self.stopped = Stopped(error)
            return False
        if new:
            self.tally = Tally.of(self.job)
        else:
            self.stopped = Stopped(None)
        return bool(new)

    def _decide(self, hit: Hit, found: ingest.Prepared | CurationError) -> None:
        if isinstance(found, CurationError):
            return self._refuse(hit, found.code, found.detail)
        self.room.check()
        try:
            taken = self._take_in(hit, found)
        except ingest.NearCopy as copy:
            gone = copy.state in GONE
            self._refuse(hit, "copy-of-rejected" if gone else copy.code, copy.detail)
        except CurationError as error:
            self._refuse(hit, error.code, error.detail)
        else:
            if taken.outcome == "new":
                self.tally.accepted += 1
                self.room.take(len(found.stored))
            else:
                gone = taken.image.state in GONE
                self._refuse(hit, "rejected-before" if gone else "known", f"{taken.image.pk}")

    def _take_in(self, hit: Hit, prepared: ingest.Prepared) -> ingest.Taken:
        job = self.job
        kind = "label" if job.set_label else "proposed"

        def accept(image: ShoeImage) -> None:
            hit.outcome, hit.image = Hit.Outcome.ACCEPTED, image
            with self.claim.transaction():
                hit.save(update_fields=["outcome", "image"])

        return ingest.take_in(
            prepared, _origin(job, hit), by=job.asked_by, also=accept,
            keep_copies=False, min_side=settings.COLLECT_MIN_SIDE, **{kind: job.shoe_type},
        )  # fmt: skip

    def _refuse(self, hit: Hit, reason: str, detail: str) -> None:
        hit.outcome, hit.reason, hit.detail = Hit.Outcome.REFUSED, reason[:60], detail[:200]
        with self.claim.transaction():
            hit.save(update_fields=["outcome", "reason", "detail"])
        self.tally.refused[hit.reason] += 1

    def _report(self) -> None:
        report = self.claim.job.report  # holds notes of the search
        report |= self.tally.as_json()
        report["dry"] = self.need > 0 and self.stopped == Stopped(None)
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
