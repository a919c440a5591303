"""Run an import: take in what is new, report the rest."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from django.conf import settings

from curation import ingest
from curation.collect.quota import StorageQuota
from curation.decisions import purge
from curation.errors import CurationError
from curation.imports import disk, uploads
from curation.imports.entries import Entry
from curation.imports.report import Report
from curation.imports.source import EntryToFetch, FetchResult, Source
from curation.models import Import, ShoeImage
from shoeproject.jobs import Claim

REPORT_SECONDS = 5.0  # between two updates of the report


def import_images(claim: Claim) -> None:
    """Run an import job.

    After a dead worker it goes through the whole list again: known files cost a hash each, and
    addresses that this import took in are not downloaded again.
    """
    uploads.remove_abandoned()
    job = claim.job
    labels = ingest.Labels(job.label_map)
    with open_source(job, labels) as source:
        Importer(claim, labels, source).run()
    if job.upload:
        uploads.remove(job.upload)


def open_source(job: Import, labels: ingest.Labels) -> Source:
    """The source of an import. Raises `NothingToImport`."""
    labelled = job.label_id is not None
    if job.upload:
        return uploads.source(job.upload, labels, labelled)
    return disk.source(Path(job.path), labels, labelled)


class Importer:
    """One worker's run of an import."""

    def __init__(self, claim: Claim, labels: ingest.Labels, source: Source):
        self.claim, self.job, self.labels, self.source = claim, claim.job, labels, source
        self.label = self.job.label.survivor() if self.job.label else None
        self.report, self.quota = Report(), StorageQuota()
        self.is_purged_source = purge.purged_source_check()
        self.reported_at = 0.0
        self.done = 0

    def run(self) -> None:
        """Go through the whole list."""
        entries = self.source.entries()
        self.claim.tick(0, len(entries), "pictures", force=True)
        try:
            with closing(self.source.fetch(self._to_fetch(entries), self.claim.tick)) as results:
                for item, result in results:
                    self._take_in(item, result)
                    self.done = item.number
                    self.claim.tick(self.done)
                    if time.monotonic() - self.reported_at > REPORT_SECONDS:
                        self._write_report()
            self.done = len(entries)
        finally:
            self._write_report()
        self.claim.tick(self.done, force=True)

    def _to_fetch(self, entries: list[Entry]) -> Iterator[EntryToFetch]:
        """Yield the entries to read; report the others."""
        taken = set(self.job.images.exclude(file_url="").values_list("file_url", flat=True))
        for number, entry in enumerate(entries, 1):
            if entry.refusal:
                self.report.refuse(entry.name, entry.refusal.code, entry.refusal.why)
            elif not self.label and not entry.label:
                self.report.refuse(
                    entry.name, "no-label", "Nothing says what it shows: it lies in no folder that "
                    "names a type, or its class is empty.",
                )  # fmt: skip
            elif (label := self.label or self.labels.get(entry.label)) is None:
                self.report.unknown(entry.label)
            elif self.is_purged_source(entry.page_url, entry.file_url):
                self.report.refuse(
                    entry.name, "taken-down", "All from there was purged on demand once, so "
                    "nothing from there is taken in.",
                )  # fmt: skip
            elif entry.file_url not in taken:
                yield EntryToFetch(number, entry, label)

    def _take_in(self, item: EntryToFetch, result: FetchResult) -> None:
        try:
            if isinstance(result, CurationError):
                raise result
            self.quota.check()
            add = ingest.take_in if isinstance(result, ingest.Prepared) else ingest.add_image
            image, new = add(
                result, _origin(item.entry, self.job), label=item.label, by=self.job.asked_by,
                keep_copies=self.job.keep_copies, min_side=settings.IMPORT_MIN_SIDE,
            )  # fmt: skip
        except CurationError as error:
            self.report.refuse(item.entry.name, error.code, error.detail)
        else:
            if new:
                self.quota.add(image.stored_bytes)

    def _write_report(self) -> None:
        """Write the report so far, if the job still belongs to this worker."""
        self.reported_at = time.monotonic()
        added = self.job.images.count()
        # A picture that this import added before a worker died counts as added, not as known.
        self.report.known = max(0, self.done - added - self.report.left_out)
        self.claim.row().update(report=self.report.as_json(added))


def _origin(entry: Entry, job: Import) -> ingest.Origin:
    source = entry.source or job.source
    group = f"{source}:{entry.group}" if entry.group else ingest.page_group(entry.page_url)
    return ingest.Origin(
        # Groups of different sources may have the same name.
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
