"""Manifests: the list of a snapshot's images as a file, one JSON object on each line, gzipped."""

import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.files.storage import storages

from curation.errors import CurationError
from curation.models import Snapshot


class ManifestDamaged(CurationError):
    """The manifest file is missing or does not match its digest."""

    name: str
    why: str
    code = "snapshot_damaged"
    message = "The manifest of snapshot “{name}” {why}; restore it from a backup."


@dataclass(frozen=True)
class ManifestLine:
    """One image of a snapshot. Manifests are sorted by `sha256`."""

    sha256: str
    stored_sha256: str
    label: str
    split: str
    group: str
    source: str
    scene: str
    licence: str


def read(snapshot: Snapshot) -> Iterator[ManifestLine]:
    """The lines of a snapshot's manifest, whose digest is checked first.

    Raises `ManifestDamaged`, before the first line.
    """
    try:
        with storages["media"].open(snapshot.manifest_name) as file:
            text = gzip.decompress(file.read())
    except (FileNotFoundError, EOFError, gzip.BadGzipFile) as error:
        raise ManifestDamaged(snapshot.name, "is missing or broken") from error
    if hashlib.sha256(text).hexdigest() != snapshot.digest:
        raise ManifestDamaged(snapshot.name, "does not match its digest")
    return (ManifestLine(**json.loads(line)) for line in io.BytesIO(text))
