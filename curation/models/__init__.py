"""The data, one module for each group of tables."""

from curation.models.guide import Category, ShoeType
from curation.models.image import ShoeImage
from curation.models.intake import Collection, Hit, Import
from curation.models.quality import (
    AssessChunk,
    Assessment,
    AssessRun,
    CurrentAssessRun,
    Finding,
    QueueClaim,
    WorkList,
)
from curation.models.review import Purge, Review
from curation.models.snapshot import Snapshot

__all__ = [
    "AssessChunk",
    "AssessRun",
    "Assessment",
    "Category",
    "Collection",
    "CurrentAssessRun",
    "Finding",
    "Hit",
    "Import",
    "Purge",
    "QueueClaim",
    "Review",
    "ShoeImage",
    "ShoeType",
    "Snapshot",
    "WorkList",
]
