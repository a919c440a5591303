"""An import, performed: takes in what is new, reports the rest."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from django.conf import settings

from curation import ingest
from curation.collect.quota import Room
from curation.decisions import purge
from curation.errors import CurationError
from curation.imports import disk, uploads
from curation.imports.entries import Entry
from curation.imports.report import Report
from curation.imports.source import Found, Source, Wanted
from curation.models import Import, ShoeImage
from shoeproject.jobs import Claim

REPORT_SECONDS = 5.0  # between two reports of an import under way


def run(claim: Claim) -> None:
    """Perform an import job.

    Taken up again after a dead worker it walks the list anew; what is here already costs a hash,
    and addresses that this import took in are not asked again.
    """
    uploads.sweep()
    job = claim.job
    with open_source(job, ingest.Labels(job.label_map)) as source:
        Importing(claim, job, source).run()
    if job.upload:
        uploads.remove(job.upload)


def open_source(job: Import, labels: ingest.Labels) -> Source:
    """The source that an import names; raises `NothingToImport`."""
    labelled = job.label_id is not None
    if job.upload:
        return uploads.source(job.upload, labels, labelled)
    return disk.source(Path(job.path), labels, labelled)


class Importing:
    """One import under way."""

    def __init__(self, claim: Claim, job: Import, source: Source):
        self.claim, self.job, self.source = claim, job, source
        self.labels = ingest.Labels(job.label_map)
        self.label = job.label.survivor() if job.label else None
        self.report, self.room, self.down = Report(), Room(), purge.taken_down()
        self.reported = 0.0
        self.total = self.walked = 0

    def run(self) -> None:
        """All of the list."""
        entries = self.source.entries()
        self.total = len(entries)
        self.claim.tick(0, self.total, "pictures", force=True)
        try:
            fetched = self.source.fetch(self._wanted(entries), self.claim.tick)
            with closing(fetched):
                for item, found in fetched:
                    self._take(item, found)
                    self.walked = item.number
                    self._tick()
            self.walked = self.total
        finally:
            self._write_report()
        self.claim.tick(self.total, force=True)

    def _wanted(self, entries: list[Entry]) -> Iterator[Wanted]:
        """What is worth reading: refuses and counts the rest."""
        here = set(self.job.images.exclude(file_url="").values_list("file_url", flat=True))
        for number, entry in enumerate(entries, 1):
            if entry.left_out:
                self.report.refuse(entry.name, entry.left_out.code, entry.left_out.why)
            elif not self.label and not entry.label:
                self.report.refuse(
                    entry.name, "no-label", "Nothing says what it shows: it lies in no folder that "
                    "names a type, or its class is empty.",
                )  # fmt: skip
            elif (label := self._label(entry.label)) is None:
                self.report.unknown(entry.label)
            elif self.down(entry.page_url, entry.file_url):
                self.report.refuse(
                    entry.name, "taken-down", "All from there was purged on demand once, so "
                    "nothing from there is taken in.",
                )  # fmt: skip
            elif entry.file_url not in here:
                yield Wanted(number, entry, label)

    def _label(self, name: str):
        if self.label:
            return self.label
        try:
            return self.labels[name]
        except KeyError:
            return None

    def _take(self, item: Wanted, found: Found) -> None:
        entry, origin = item.entry, _origin(item.entry, self.job)
        how = {
            "label": item.label, "by": self.job.asked_by, "keep_copies": self.job.keep_copies,
            "min_side": settings.IMPORT_MIN_SIDE,
        }  # fmt: skip
        try:
            if isinstance(found, CurationError):
                raise found
            self.room.check()
            if isinstance(found, ingest.Prepared):
                taken = ingest.take_in(found, origin, **how)
                image, new = taken.image, taken.outcome == "new"
            else:
                image, new = ingest.add_image(found, origin, **how)
        except CurationError as error:
            self.report.refuse(entry.name, error.code, error.detail)
        else:
            if new:
                self.room.take(image.stored_bytes)

    def _tick(self) -> None:
        self.claim.tick(self.walked)
        if time.monotonic() - self.reported > REPORT_SECONDS:
            self._write_report()

    def _write_report(self) -> None:
        """Write what became of the entries so far, if this still is our job."""
        self.reported = time.monotonic()
        added = self.job.images.count()
        # A picture this same import added before its worker died counts as added, not as known.
        self.report.known = max(0, self.walked - added - self.report.left_out)
        self.claim.row().update(report=self.report.as_json(added))


def _origin(entry: Entry, job: Import) -> ingest.Origin:
    source = entry.source or job.source
    group = f"{source}:{entry.group}" if entry.group else ingest.page_group(entry.page_url)
    return ingest.Origin(
        # A group's name means something only within its source.
        group=group[:200],
        source=source[:200],
        licence=(entry.licence or job.licence)[:200],
        scene=entry.scene if entry.scene in ShoeImage.Scene.values else job.scene,
        title=entry.title[:300],
        query=entry.query[:200],
        page_url=entry.page_url,
        file_url=entry.file_url,
        imported_by=job,
    )
