"""What curators upload, in the media storage until an import has taken it in.

An upload comes in parts (a browser sends groups of files), each once or again: what a part stores
bears the part's number, so a second try replaces the first. A part's index comes last and bears its
numbers in its name, so that the sum over all parts takes one listing:

    incoming/<id>/<part>-<file>                 the bytes, under a number
    incoming/<id>/<part>.<files>.<bytes>.json   [{"name", "kind", "bytes", "stored"}, …]
    incoming/<id>/dropped                       it was cancelled: what still arrives is not kept

An id begins with the moment it was given out, so that what nobody finished can be found and removed
without asking the storage for dates.
"""

import json
import logging
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import storages

from curation import images, ingest
from curation.errors import CurationError
from curation.imports import addresses, archive
from curation.imports.entries import Entry, LeftOut, NothingToImport, labels_of, limited
from curation.imports.source import Source
from curation.models import Import
from shoeproject.jobs import OPEN_STATES

logger = logging.getLogger(__name__)

ROOM = "incoming"
ID = re.compile(r"^([0-9]{10})-[0-9a-f]{32}$")
INDEX = re.compile(r"^(\d{5})\.(\d+)\.(\d+)\.json$")
DROPPED = "dropped"
PICTURE, ZIP, CSV = "picture", "zip", "csv"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NAME_LENGTH = 300


class UploadRefused(CurationError):
    """Something of an upload was not taken; `why` is a sentence."""

    why: str

    code = "upload_refused"
    message = "{why}"


@dataclass(frozen=True)
class Held:
    """What of an upload is here: files and bytes. `next`: the number of the part that may follow,
    from 1."""

    files: int
    bytes: int
    next: int


def new_id() -> str:
    """The id of an upload that begins now."""
    return f"{int(time.time()):010d}-{secrets.token_hex(16)}"


def place(upload_id: str) -> str:
    """Where the storage keeps an upload, as `Import.upload` names it; ValueError for no id."""
    if not ID.match(upload_id):
        raise ValueError(upload_id)
    return f"{ROOM}/{upload_id}"


def add_part(upload: str, part: int, files: Iterable[tuple[str, File]]) -> Held:
    """Keep one part of an upload: (name as the browser gives it, open file) each.

    Returns what is here with it. Raises `UploadRefused` where there is too much of it, or where the
    upload was dropped meanwhile; nothing of this part is kept then.
    """
    files = list(files)
    size = sum(file.size for _, file in files)
    listed = _indices(upload)
    there = _sum({**listed, part: ("", len(files), size)})
    if there.files > settings.UPLOAD_MAX_FILES:
        most = settings.UPLOAD_MAX_FILES
        raise UploadRefused(f"One upload has at most {most:,} files; pack them into a ZIP.")
    if there.bytes > settings.UPLOAD_MAX_BYTES:
        most = settings.UPLOAD_MAX_BYTES / 1024**2
        raise UploadRefused(f"One upload has at most {most:,.0f} MB; send it in several.")
    media = storages["media"]
    if part in listed:
        media.delete(f"{upload}/{listed[part][0]}")
    index = [_keep(upload, f"{part:05d}-{n:05d}", *named) for n, named in enumerate(files)]
    text = json.dumps(index).encode()
    media.save(f"{upload}/{part:05d}.{len(files)}.{size}.json", ContentFile(text))
    if media.exists(f"{upload}/{DROPPED}"):
        drop(upload)
        raise UploadRefused("This upload was cancelled; open the page again.")
    return there


def held(upload: str) -> Held:
    """What of an upload is here."""
    return _sum(_indices(upload))


def source(upload: str, labels: ingest.Labels, labelled: bool) -> Source:
    """The uploaded pictures, ZIP or CSV; raises `NothingToImport`."""
    items = list(_items(upload))
    name = describe(items)
    kinds = {item["kind"] for item in items}
    if kinds == {PICTURE}:
        return Uploaded(upload, items, name, labels)
    if len(items) > 1:
        raise NothingToImport(name, ONE_KIND)
    stored = f"{upload}/{items[0]['stored']}"

    def opened():
        return storages["media"].open(stored)

    if kinds == {ZIP}:
        return archive.Archive(opened(), name, labels, labelled)
    return addresses.Addresses(opened, name, labelled)


ONE_KIND = "Upload pictures, or one ZIP, or one CSV of addresses; not several of these together."


def check(upload: str) -> str:
    """What an upload holds, in words, once it can be imported; raises `UploadRefused`."""
    try:
        items = list(_items(upload))
    except NothingToImport as error:
        raise UploadRefused(error.why) from error
    if len(items) > 1 and {item["kind"] for item in items} != {PICTURE}:
        raise UploadRefused(ONE_KIND)
    if items[0]["kind"] == CSV and items[0]["bytes"] > settings.IMPORT_CSV_MAX_BYTES:
        most = settings.IMPORT_CSV_MAX_BYTES / 1024**2
        raise UploadRefused(f"A CSV has at most {most:,.0f} MB; split it up.")
    return describe(items)


def in_folders(upload: str) -> bool:
    """Whether everything says by itself what it shows: a ZIP, a CSV, or pictures in folders."""
    return all(item["kind"] != PICTURE or "/" in item["name"] for item in _items(upload))


def describe(items: list[dict]) -> str:
    """What was uploaded, in words."""
    if len(items) == 1:
        return f"{items[0]['name']} (uploaded)"
    return f"{len(items)} uploaded files"


def remove(upload: str) -> None:
    """Remove all that is kept of an upload; what a storage in trouble leaves, `sweep` finds."""
    media = storages["media"]
    try:
        for name in _names(upload):
            media.delete(f"{upload}/{name}")
        media.delete(upload)  # the folder, where the storage knows folders
    except OSError as error:
        logger.warning("The upload %s could not be removed: %s", upload, error)


def drop(upload: str) -> None:
    """Remove all of an upload that somebody cancelled. A part may still be on its way: what stays
    is a mark, until `sweep` comes, that tells whoever keeps that part to remove it."""
    media = storages["media"]
    media.save(f"{upload}/{DROPPED}", ContentFile(b""))
    for name in _names(upload):
        if name != DROPPED:
            media.delete(f"{upload}/{name}")


def sweep() -> None:
    """Remove uploads that were begun `UPLOAD_KEEP_HOURS` ago and that no open import waits for.

    A storage that is away is no reason to fail: this is called again.
    """
    before = time.time() - settings.UPLOAD_KEEP_HOURS * 3600
    try:
        old = [
            f"{ROOM}/{name}" for name in _folders() if int(ID.match(name).group(1)) < before
        ]  # fmt: skip
        waited = Import.objects.filter(upload__in=old, state__in=OPEN_STATES)
        for upload in set(old) - set(waited.values_list("upload", flat=True)):
            remove(upload)
    except OSError as error:
        logger.warning("Abandoned uploads could not be removed: %s", error)


class Uploaded(Source):
    """Pictures that were uploaded one by one; folders are those of their names."""

    def __init__(self, upload: str, items: list[dict], name: str, labels: ingest.Labels):
        self.upload, self.items, self.name, self.labels = upload, items, name, labels

    def entries(self) -> list[Entry]:
        """The pictures in the order in which they were chosen."""
        paths = [tuple(item["name"].split("/")) for item in self.items]
        found = labels_of(paths, self.labels)
        named = zip(self.items, found, strict=True)
        return limited((Entry(i["name"], label, i) for i, label in named), self.name)

    def read(self, entry: Entry) -> bytes:
        """The picture as it was uploaded."""
        item = entry.where
        if not item["stored"]:
            raise images.ImageTooLarge(item["bytes"], settings.IMAGE_MAX_BYTES)
        try:
            with storages["media"].open(f"{self.upload}/{item['stored']}") as file:
                return file.read()
        except FileNotFoundError:
            raise LeftOut("unreadable", "The upload is gone; upload it again.") from None


def _keep(upload: str, number: str, name: str, file: File) -> dict:
    name = plain_name(name)
    kind = {"zip": ZIP, "csv": CSV}.get(name.rpartition(".")[2].lower(), PICTURE)
    # Kept out of the storage already here; the import says so by name.
    stored = "" if kind == PICTURE and file.size > settings.IMAGE_MAX_BYTES else number
    if stored:
        storages["media"].save(f"{upload}/{stored}", file)
    return {"name": name, "kind": kind, "bytes": file.size, "stored": stored}


def plain_name(name: str) -> str:
    """A browser's name for a file, which may hold folders, as a plain path: for labels and reports,
    never for a file here."""
    name = name.encode("utf-8", "replace").decode()  # half of a pair of surrogates is no text
    name = CONTROL.sub("", name.replace("\\", "/"))
    parts = [part for part in name.split("/") if part.strip() not in ("", ".", "..")]
    return "/".join(parts)[-NAME_LENGTH:] or "unnamed"


def _items(upload: str):
    indices = sorted(_indices(upload).items())
    if not indices:
        raise NothingToImport("The upload", "Nothing of it is here (any more); upload it again.")
    for _, (name, _, _) in indices:
        with storages["media"].open(f"{upload}/{name}") as file:
            yield from json.loads(file.read())


def _indices(upload: str) -> dict[int, tuple[str, int, int]]:
    """Part → (name of its index, files, bytes)."""
    found = (INDEX.match(name) for name in _names(upload))
    return {int(m[1]): (m[0], int(m[2]), int(m[3])) for m in found if m}


def _sum(indices: dict[int, tuple[str, int, int]]) -> Held:
    numbers = indices.values()
    return Held(
        sum(n for _, n, _ in numbers), sum(b for _, _, b in numbers), max(indices, default=0) + 1
    )


def _names(upload: str) -> list[str]:
    try:
        return storages["media"].listdir(upload)[1]
    except FileNotFoundError:
        return []


def _folders() -> list[str]:
    try:
        folders, _ = storages["media"].listdir(ROOM)
    except FileNotFoundError:
        return []
    return [name for name in folders if ID.match(name)]
