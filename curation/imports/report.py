"""The report of an import: counts, and the first problems in full."""

from collections import Counter

from django.conf import settings

from curation.collect import outcomes

NAME_LENGTH = 300
OTHERS = "(others)"
# Reason → text for people, where it differs from a collection's.
REASONS = outcomes.REASONS | {
    "no-label": "nothing says what it shows",
    "outside": "leads out of what is imported",
    "unreadable": "cannot be read",
    "odd-name": "a name that is no plain path",
    "not-a-file": "a link, or no file at all",
    "encrypted": "locked with a password",
    "packing": "packed in a way that is not read here",
    "archive": "an archive inside the archive",
    "duplicate-name": "a second file of the same name",
    "damaged": "damaged in the ZIP",
    "image_side_too_long": "a side too long",
    "image_unsupported": "no picture, or none of a known format",
    "image_broken": "a damaged picture",
}


class Report:
    """Counts of an import's entries by outcome; of bounded size."""

    def __init__(self):
        self.known, self.refused, self.unknown_labels = 0, Counter(), Counter()
        self.problems = []

    def refuse(self, name: str, code: str, detail: str) -> None:
        """Count a refusal, and keep the first ones in full."""
        self.refused[code] += 1
        if len(self.problems) < settings.IMPORT_REPORT_LINES:
            self.problems.append(
                {"path": printable(name), "code": code, "detail": printable(detail)}
            )

    def unknown(self, label: str) -> None:
        """Count a label that is none of the types."""
        label = printable(label)
        full = len(self.unknown_labels) >= settings.IMPORT_REPORT_LINES
        if full and label not in self.unknown_labels:
            label = OTHERS
        self.unknown_labels[label] += 1

    @property
    def left_out(self) -> int:
        """Entries that were not imported, for whatever reason."""
        return self.refused.total() + self.unknown_labels.total()

    def as_json(self, added: int) -> dict:
        """The report as it is stored on the import's row."""
        return {
            "added": added,
            "known": self.known,
            "refused": dict(self.refused),
            "unknown_labels": dict(self.unknown_labels),
            "problems": self.problems,
        }


def printable(text: str) -> str:
    """Text as a database can store it: a file's name on disk may be invalid Unicode."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()[:NAME_LENGTH]
