"""The data, one module for each group of tables."""

from curation.models.guide import Category, ShoeType
from curation.models.image import ShoeImage
from curation.models.intake import Collection, Hit, Import
from curation.models.quality import (
    Assessment,
    AssessRun,
    CurrentAssessRun,
    Finding,
    WorkList,
)
from curation.models.review import Purge, Review
from curation.models.snapshot import Snapshot

__all__ = [
    "AssessRun",
    "Assessment",
    "Category",
    "Collection",
    "CurrentAssessRun",
    "Finding",
    "Hit",
    "Import",
    "Purge",
    "Review",
    "ShoeImage",
    "ShoeType",
    "Snapshot",
    "WorkList",
]
