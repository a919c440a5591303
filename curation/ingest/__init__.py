"""Bring pictures in: every image of the database was made here."""

from curation.ingest.labels import Labels
from curation.ingest.picture import (
    NearCopy,
    Origin,
    Prepared,
    TooSmall,
    add_image,
    domain_of,
    limits,
    page_group,
    prepare,
    take_in,
)

__all__ = [
    "Labels",
    "NearCopy",
    "Origin",
    "Prepared",
    "TooSmall",
    "add_image",
    "domain_of",
    "limits",
    "page_group",
    "prepare",
    "take_in",
]
