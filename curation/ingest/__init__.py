"""Pictures on their way in: the one door that every image comes through."""

from curation.ingest.labels import Labels
from curation.ingest.picture import (
    NearCopy,
    Origin,
    Prepared,
    Taken,
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
    "Taken",
    "TooSmall",
    "add_image",
    "domain_of",
    "limits",
    "page_group",
    "prepare",
    "take_in",
]
