"""Uploads of curators, kept in the media storage until an import has taken them in.

A browser sends an upload in parts, groups of files, and may repeat one: all names of a part begin
with its number, so a second try replaces the first. The index of a part is written last, with the
numbers of files and bytes in its name, so that one listing gives the totals of an upload:

    incoming/<id>/<part>-<file>                 a file's bytes
    incoming/<id>/<part>.<files>.<bytes>.json   index: [{"name", "kind", "bytes", "stored"}, …]
    incoming/<id>/dropped                       the upload was cancelled: later parts are not kept

An id begins with the time it was made at, so that abandoned uploads are found without asking the
storage for dates.
"""

import json
import logging
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import storages

from curation import images, ingest
from curation.errors import CurationError
from curation.imports import addresses, archive
from curation.imports.entries import (
    Entry,
    EntryRefused,
    NothingToImport,
    bounded_list,
    labels_from_folders,
)
from curation.imports.source import Source
from curation.models import Import
from shoeproject.jobs import OPEN_STATES

logger = logging.getLogger(__name__)

FOLDER = "incoming"
ID = re.compile(r"^([0-9]{10})-[0-9a-f]{32}$")
INDEX = re.compile(r"^(\d{5})\.(\d+)\.(\d+)\.json$")
CANCELLED = "dropped"
PICTURE, ZIP, CSV = "picture", "zip", "csv"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NAME_LENGTH = 300


class UploadRefused(CurationError):
    """An upload, or a part of one, was refused; `why` is a sentence."""

    why: str

    code = "upload_refused"
    message = "{why}"


@dataclass(frozen=True)
class UploadSize:
    """Files and bytes of an upload so far. `next`: the number of the next part, from 1."""

    files: int
    bytes: int
    next: int


def new_id() -> str:
    """The id of a new upload."""
    return f"{int(time.time()):010d}-{secrets.token_hex(16)}"


def storage_path(upload_id: str) -> str:
    """The folder of an upload in the media storage, as in `Import.upload`. Raises ValueError."""
    if not ID.match(upload_id):
        raise ValueError(upload_id)
    return f"{FOLDER}/{upload_id}"


def add_part(upload: str, part: int, files: Iterable[tuple[str, File]]) -> UploadSize:
    """Store one part of an upload; return the upload's size with it.

    `files`: (name as the browser gives it, open file). Raises `UploadRefused` where the upload is
    too large or was cancelled; nothing of this part is kept then.
    """
    files = list(files)
    size = sum(file.size for _, file in files)
    indices = _indices(upload)
    total = _total({**indices, part: ("", len(files), size)})
    if total.files > settings.UPLOAD_MAX_FILES:
        raise UploadRefused(
            f"One upload has at most {settings.UPLOAD_MAX_FILES:,} files; pack them into a ZIP."
        )
    if total.bytes > settings.UPLOAD_MAX_BYTES:
        raise UploadRefused(
            f"One upload has at most {settings.UPLOAD_MAX_BYTES / 1024**2:,.0f} MB; "
            "send it in several."
        )
    media = storages["media"]
    if part in indices:
        media.delete(f"{upload}/{indices[part][0]}")
    items = [_store(upload, f"{part:05d}-{n:05d}", *named) for n, named in enumerate(files)]
    index = ContentFile(json.dumps(items).encode())
    media.save(f"{upload}/{part:05d}.{len(files)}.{size}.json", index)
    if media.exists(f"{upload}/{CANCELLED}"):
        cancel(upload)
        raise UploadRefused("This upload was cancelled; open the page again.")
    return total


def size_of(upload: str) -> UploadSize:
    """The size of an upload so far."""
    return _total(_indices(upload))


def source(upload: str, labels: ingest.Labels, labelled: bool) -> Source:
    """The source for an upload: of pictures, a ZIP or a CSV. Raises `NothingToImport`."""
    items = _items(upload)
    name, kind = _describe(items), items[0]["kind"]
    if kind == PICTURE:
        return Uploaded(upload, items, name, labels)
    open_file = partial(storages["media"].open, f"{upload}/{items[0]['stored']}")
    if kind == ZIP:
        return archive.Archive(open_file(), name, labels, labelled)
    return addresses.Addresses(open_file, name, labelled)


def check(upload: str) -> str:
    """Check that an upload can be imported; return its description. Raises `UploadRefused`."""
    try:
        items = _items(upload)
    except NothingToImport as error:
        raise UploadRefused(error.why) from error
    if items[0]["kind"] == CSV and items[0]["bytes"] > settings.IMPORT_CSV_MAX_BYTES:
        raise UploadRefused(
            f"A CSV has at most {settings.IMPORT_CSV_MAX_BYTES / 1024**2:,.0f} MB; split it up."
        )
    return _describe(items)


def in_folders(upload: str) -> bool:
    """Whether labels may come from the upload itself: a ZIP, a CSV, or pictures in folders."""
    return all(item["kind"] != PICTURE or "/" in item["name"] for item in _items(upload))


def _describe(items: list[dict]) -> str:
    if len(items) == 1:
        return f"{items[0]['name']} (uploaded)"
    return f"{len(items)} uploaded files"


def remove(upload: str) -> None:
    """Remove an upload. What stays behind after an error `remove_abandoned` removes later."""
    media = storages["media"]
    try:
        for name in _listdir(upload)[1]:
            media.delete(f"{upload}/{name}")
        media.delete(upload)  # the folder, where the storage knows folders
    except OSError as error:
        logger.warning("The upload %s could not be removed: %s", upload, error)


def cancel(upload: str) -> None:
    """Remove a cancelled upload.

    A part may still be on its way: a marker stays, until `remove_abandoned` removes it, by which
    `add_part` knows that the upload was cancelled.
    """
    media = storages["media"]
    media.save(f"{upload}/{CANCELLED}", ContentFile(b""))
    for name in _listdir(upload)[1]:
        if name != CANCELLED:
            media.delete(f"{upload}/{name}")


def remove_abandoned() -> None:
    """Remove uploads older than `UPLOAD_KEEP_HOURS` that no open import needs.

    Errors of the storage are logged, not raised: this is called again.
    """
    before = time.time() - settings.UPLOAD_KEEP_HOURS * 3600
    try:
        ids = filter(None, map(ID.match, _listdir(FOLDER)[0]))
        old = [f"{FOLDER}/{match[0]}" for match in ids if int(match[1]) < before]
        needed = Import.objects.filter(upload__in=old, state__in=OPEN_STATES)
        for upload in set(old) - set(needed.values_list("upload", flat=True)):
            remove(upload)
    except OSError as error:
        logger.warning("Abandoned uploads could not be removed: %s", error)


class Uploaded(Source):
    """Pictures that were uploaded as single files; their names may hold folders."""

    def __init__(self, upload: str, items: list[dict], name: str, labels: ingest.Labels):
        self.upload, self.items, self.name, self.labels = upload, items, name, labels

    def entries(self) -> list[Entry]:
        """The pictures, in the order in which they were chosen."""
        paths = [tuple(item["name"].split("/")) for item in self.items]
        labelled = zip(self.items, labels_from_folders(paths, self.labels), strict=True)
        return bounded_list((Entry(i["name"], label, i) for i, label in labelled), self.name)

    def read(self, entry: Entry) -> bytes:
        """The picture as it was uploaded."""
        item = entry.location
        if not item["stored"]:
            raise images.ImageTooLarge(item["bytes"], settings.IMAGE_MAX_BYTES)
        try:
            with storages["media"].open(f"{self.upload}/{item['stored']}") as file:
                return file.read()
        except FileNotFoundError:
            raise EntryRefused("unreadable", "The upload is gone; upload it again.") from None


def _store(upload: str, number: str, name: str, file: File) -> dict:
    name = plain_name(name)
    kind = {"zip": ZIP, "csv": CSV}.get(name.rpartition(".")[2].lower(), PICTURE)
    # Not stored; the import will report it by name.
    stored = "" if kind == PICTURE and file.size > settings.IMAGE_MAX_BYTES else number
    if stored:
        storages["media"].save(f"{upload}/{stored}", file)
    return {"name": name, "kind": kind, "bytes": file.size, "stored": stored}


def plain_name(name: str) -> str:
    """A browser's name for a file as a plain path, which may hold folders.

    Used for labels and reports, never as the name of a stored file.
    """
    name = name.encode("utf-8", "replace").decode()  # lone surrogates cannot be stored
    name = CONTROL.sub("", name.replace("\\", "/"))
    parts = [part for part in name.split("/") if part.strip() not in ("", ".", "..")]
    return "/".join(parts)[-NAME_LENGTH:] or "unnamed"


def _items(upload: str) -> list[dict]:
    """The files of an upload: pictures, or one ZIP or CSV. Raises `NothingToImport`."""
    items = []
    for _, (name, _, _) in sorted(_indices(upload).items()):
        with storages["media"].open(f"{upload}/{name}") as file:
            items += json.loads(file.read())
    if not items:
        raise NothingToImport("The upload", "Nothing of it is here (any more); upload it again.")
    if len(items) > 1 and {item["kind"] for item in items} != {PICTURE}:
        raise NothingToImport(
            _describe(items),
            "Upload pictures, or one ZIP, or one CSV of addresses; not several of these together.",
        )
    return items


def _indices(upload: str) -> dict[int, tuple[str, int, int]]:
    """Part → (name of its index, files, bytes)."""
    matches = (INDEX.match(name) for name in _listdir(upload)[1])
    return {int(m[1]): (m[0], int(m[2]), int(m[3])) for m in matches if m}


def _total(indices: dict[int, tuple[str, int, int]]) -> UploadSize:
    return UploadSize(
        files=sum(files for _, files, _ in indices.values()),
        bytes=sum(size for _, _, size in indices.values()),
        next=max(indices, default=0) + 1,
    )


def _listdir(path: str) -> tuple[list[str], list[str]]:
    """(folders, files) in a folder of the media storage; none where it does not exist."""
    try:
        return storages["media"].listdir(path)
    except FileNotFoundError:
        return [], []
