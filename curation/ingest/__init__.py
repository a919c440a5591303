"""Pictures on their way in: the one door every image comes through, and the imports that use it."""

from curation.ingest.entries import (
    Entry,
    Labels,
    NothingToImport,
    read,
    read_folder,
    read_manifest,
)
from curation.ingest.picture import (
    NearCopy,
    Origin,
    Prepared,
    Taken,
    TooSmall,
    add_image,
    domain_of,
    limits,
    prepare,
    take_in,
)
from curation.ingest.run import Report, run

__all__ = [
    "Entry",
    "Labels",
    "NearCopy",
    "NothingToImport",
    "Origin",
    "Prepared",
    "Report",
    "Taken",
    "TooSmall",
    "add_image",
    "domain_of",
    "limits",
    "prepare",
    "read",
    "read_folder",
    "read_manifest",
    "run",
    "take_in",
]
