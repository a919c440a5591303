"""An import, performed: takes in what is new, reports the rest."""

from collections import Counter
from pathlib import Path

from django.conf import settings

from curation import images
from curation.errors import CurationError
from curation.ingest.entries import Entry, Labels, NothingToImport, read
from curation.ingest.picture import Origin, add_image
from curation.models import Import, ShoeImage


class Report:
    """What became of an import's entries; kept small however many there are."""

    def __init__(self):
        self.known, self.refused, self.unknown_labels = 0, Counter(), Counter()
        self.problems = []

    def refuse(self, path, code, detail):
        """Count a refusal, and keep the first ones word for word."""
        self.refused[code] += 1
        if len(self.problems) < settings.IMPORT_REPORT_LINES:
            self.problems.append({"path": str(path), "code": code, "detail": detail})

    def as_json(self, added: int) -> dict:
        """The report as it is stored on the import's row."""
        return {
            "added": added,
            "known": self.known,
            "refused": dict(self.refused),
            "unknown_labels": dict(self.unknown_labels),
            "problems": self.problems,
        }


def run(claim) -> None:
    """Perform an import job: take in what is new, report the rest.

    Taken up again after a dead worker it walks the list anew; what is here already costs a hash.
    """
    job = claim.job
    root = Path(job.path)
    labels = Labels(job.label_map)
    entries = list(read(root))
    if not entries:
        raise NothingToImport(root, "no pictures there. It needs one folder for each label.")
    base = root.resolve() if root.is_dir() else root.parent.resolve()
    report = Report()
    claim.tick(0, len(entries), "pictures", force=True)
    for number, entry in enumerate(entries, 1):
        _take(entry, base, job, labels, report)
        claim.tick(number)
    claim.tick(len(entries), force=True)
    added = job.images.count()
    # A picture this same import added before its worker died counts as added, not as known.
    report.known = len(entries) - added - report.refused.total() - report.unknown_labels.total()
    with claim.holding():
        Import.objects.filter(pk=job.pk).update(report=report.as_json(added))


def _take(entry: Entry, base: Path, job: Import, labels: Labels, report: Report) -> None:
    try:
        label = labels[entry.label]
    except KeyError:
        report.unknown_labels[entry.label] += 1
        return
    name = entry.path.relative_to(base) if entry.path.is_relative_to(base) else entry.path
    path = entry.path.resolve()
    if not path.is_relative_to(base):
        report.refuse(name, "outside", "The path leads out of the folder that is imported.")
        return
    source = entry.source or job.source
    origin = Origin(
        # A group's name means something only within its source.
        group=f"{source}:{entry.group}"[:200] if entry.group else "",
        source=source[:200],
        licence=(entry.licence or job.licence)[:200],
        scene=entry.scene if entry.scene in ShoeImage.Scene.values else job.scene,
        title=entry.title[:300],
        imported_by=job,
    )
    try:
        size = path.stat().st_size
        if size > settings.IMAGE_MAX_BYTES:
            raise images.ImageTooLarge(size, settings.IMAGE_MAX_BYTES)
        add_image(
            path.read_bytes(), origin, label=label, by=job.asked_by, keep_copies=job.keep_copies
        )
    except CurationError as error:
        report.refuse(name, error.code, error.detail)
    except OSError as error:
        report.refuse(name, "unreadable", f"The file cannot be read: {error.strerror}.")
