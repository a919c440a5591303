"""A snapshot's pictures and all that is known of them, as one ZIP for others to train on."""

from curation.snapshots.export.records import LicenceNotThere, Record, Survey, survey
from curation.snapshots.export.stream import FORMATS, stream

__all__ = ["FORMATS", "LicenceNotThere", "Record", "Survey", "stream", "survey"]
