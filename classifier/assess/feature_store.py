"""The stored files of an assess run: its plan, and the features of its images.

In the models storage under `assess/<run>/`: first `plan.npz`, then the features of each chunk as
`part-<number>.npz`, in the end one array for each column of `FeatureArrays`. The arrays are mapped
into memory from local copies.
"""

import io
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from classifier.assess.feature_arrays import FeatureArrays
from curation.issues.findings import LIVE
from curation.models import AssessRun, ShoeImage
from shoeproject.storage.cache import local_copy
from shoeproject.storage.files import written_beside

COLUMNS = [f.name for f in fields(FeatureArrays)]
STORED, KEYS = "stored", "image"
COPY_ROWS = 4096  # at a time


@dataclass(frozen=True)
class Plan:
    """The images of a run, and whose features are to be computed. The fields are stored names.

    `image`: int64 (n,), primary keys, ascending; `stored`: "S64" (n,), digests of the pictures.
    `todo`: rows whose features are to be computed; `before`: the earlier run that computed the
    others with the same embedder, `known`: int64 (n,), their rows there, -1 for those to do.
    `size`: rows in a chunk, stored because the setting may change before a run is resumed.
    """

    image: np.ndarray
    stored: np.ndarray
    todo: np.ndarray
    known: np.ndarray
    before: int
    size: int

    def chunk(self, number: int) -> np.ndarray:
        """The rows of one chunk."""
        return self.todo[number * self.size : (number + 1) * self.size]

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-len(self.todo) // self.size)


def plan(run: AssessRun) -> Plan:
    """The run's stored plan, or a new one of all images that are not rejected."""
    name = f"assess/{run.pk}/plan.npz"
    if storages["models"].exists(name):
        with storages["models"].open(name) as file, np.load(io.BytesIO(file.read())) as stored:
            arrays = {name: stored[name] for name in ("image", "stored", "todo", "known")}
            return Plan(**arrays, before=int(stored["before"]), size=int(stored["size"]))
    live = ShoeImage.objects.filter(state__in=LIVE).order_by("pk")
    rows = list(live.values_list("pk", "stored_sha256").iterator(chunk_size=5000))
    image = np.array([pk for pk, _ in rows], np.int64)
    stored = np.array([digest for _, digest in rows], "S64")
    before, rows_before = _earlier_run(run)
    known = np.array([rows_before.get(digest, -1) for digest in stored.tolist()], np.int64)
    new = Plan(image, stored, np.flatnonzero(known < 0), known, before, settings.ASSESS_CHUNK)
    out = io.BytesIO()
    np.savez(out, **{f.name: getattr(new, f.name) for f in fields(Plan)})
    storages["models"].save(name, ContentFile(out.getvalue()))
    return new


def _earlier_run(run: AssessRun) -> tuple[int, dict[bytes, int]]:
    """The last finished run with the same embedder, and digest → row of its features; (0, {})."""
    done = AssessRun.objects.filter(state=AssessRun.State.DONE, model_digest=run.model_digest)
    for before in done.exclude(pk=run.pk).values_list("pk", flat=True)[:3]:
        try:
            stored, seen = (_fetch(before, column) for column in (STORED, "seen"))
        except (OSError, ValueError):
            continue  # dropped, or not readable: its features are computed again
        return before, {d: i for i, d in enumerate(stored.tolist()) if seen[i]}
    return 0, {}


def save_chunk(run: int, number: int, features: FeatureArrays) -> None:
    """Store the features of one chunk."""
    storages["models"].save(_chunk_name(run, number), ContentFile(features.as_bytes()))


def merge(run: int, planned: Plan, tick=lambda: None) -> FeatureArrays:
    """The features of all images of the plan, in its order, mapped from local disk.

    Stores them as one array for each column, then deletes the chunks' files. Raises OSError or
    ValueError where a chunk's file is missing.
    """
    if not storages["models"].exists(_column_name(run, COLUMNS[-1])):
        folder = _folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(suffix=".part", dir=folder) as scratch:
            _write_columns(run, planned, Path(scratch), tick)
            for column in (STORED, *COLUMNS):  # once the last one is stored, all are
                file = Path(scratch) / f"{column}.npy"
                with open(file, "rb") as content:
                    storages["models"].save(_column_name(run, column), File(content))
                file.replace(folder / file.name)
                tick()
    for number in range(planned.chunks):
        storages["models"].delete(_chunk_name(run, number))
    return FeatureArrays(**{column: _fetch(run, column) for column in COLUMNS})


def _write_columns(run: int, planned: Plan, folder: Path, tick) -> None:
    """Write the columns of the earlier run and of the chunks to files of a local folder."""
    np.save(folder / f"{STORED}.npy", planned.stored)
    n, arrays = len(planned.stored), {}

    def array_of(column: str, like: np.ndarray):
        if column not in arrays:
            arrays[column] = np.lib.format.open_memmap(
                folder / f"{column}.npy", "w+", like.dtype, (n, *like.shape[1:])
            )
        return arrays[column]

    if planned.before:
        old = np.flatnonzero(planned.known >= 0)
        for column in COLUMNS:
            before = _fetch(planned.before, column)
            target = array_of(column, before)
            for start in range(0, len(old), COPY_ROWS):
                rows = old[start : start + COPY_ROWS]
                target[rows] = before[planned.known[rows]]
                tick()
    for number in range(planned.chunks):
        with storages["models"].open(_chunk_name(run, number)) as file:
            features = FeatureArrays.from_bytes(file.read())
        for column in COLUMNS:
            values = getattr(features, column)
            array_of(column, values)[planned.chunk(number)] = values
        tick()
    # Blank pictures that were purged after their features were computed.
    kept = ShoeImage.objects.exclude(stored_sha256="").values_list("stored_sha256", flat=True)
    digests = {digest.encode() for digest in kept.iterator(chunk_size=5000)}
    purged = [row for row, digest in enumerate(planned.stored.tolist()) if digest not in digests]
    for array in arrays.values():
        array[purged] = 0
        array.flush()


def is_cached(run: int) -> bool:
    """Whether this machine has local copies of what `embeddings` returns."""
    return all((_folder(run) / f"{column}.npy").exists() for column in (KEYS, "embedding"))


def embeddings(run: int) -> tuple[np.ndarray, np.ndarray]:
    """A finished run's images, int64 (n,), primary keys, ascending, and their features, float16
    (n, d): both mapped from local copies, which are made where they are missing.

    Rows of what could not be read or was purged are zero. Raises OSError or ValueError.
    """
    path = _folder(run) / f"{KEYS}.npy"
    if not path.exists():
        with storages["models"].open(f"assess/{run}/plan.npz") as file:
            data = io.BytesIO(file.read())
        with np.load(data) as stored, written_beside(path) as beside, open(beside, "wb") as out:
            np.save(out, stored[KEYS])
    keys, features = np.load(path, mmap_mode="r", allow_pickle=False), _fetch(run, "embedding")
    if len(keys) != len(features):
        raise ValueError(f"assessment {run} has {len(features)} rows for {len(keys)} images")
    return keys, features


def drop_earlier_copies(run: int) -> None:
    """Remove this machine's local copies of earlier runs' features; the stored ones stay."""
    for folder in _folder(run).parent.glob("*"):
        if folder.name.isdecimal() and int(folder.name) < run:
            shutil.rmtree(folder, ignore_errors=True)


def drop_all_but(run: int) -> None:
    """Remove the files of every other run that is over, on this machine and in the storage."""
    over = AssessRun.objects.exclude(pk=run).exclude(
        state__in=[AssessRun.State.QUEUED, AssessRun.State.RUNNING, AssessRun.State.PAUSED]
    )
    folders, _ = storages["models"].listdir("assess")
    for other in over.filter(pk__in=[int(f) for f in folders if f.isdecimal()]):
        drop(other.pk)


def drop(run: int) -> None:
    """Remove the files of one run, on this machine and in the storage."""
    shutil.rmtree(_folder(run), ignore_errors=True)
    try:
        _, names = storages["models"].listdir(f"assess/{run}")
    except FileNotFoundError:
        return
    for name in names:
        storages["models"].delete(f"assess/{run}/{name}")


def blank(digests: Iterable[str]) -> None:
    """Set the features of these stored pictures to 0 in every run's files: they were purged."""
    purged = np.array([digest.encode() for digest in digests], "S64")
    try:
        folders, _ = storages["models"].listdir("assess")
    except FileNotFoundError:
        return
    for run in (int(folder) for folder in folders if folder.isdecimal()):
        try:
            rows = np.flatnonzero(np.isin(_fetch(run, STORED), purged))
        except (OSError, ValueError):
            continue  # not merged yet: `merge` blanks them
        for column in COLUMNS if len(rows) else ():
            _blank_rows(run, column, rows)
        if len(rows):
            shutil.rmtree(_folder(run), ignore_errors=True)


def _blank_rows(run: int, column: str, rows: np.ndarray) -> None:
    """Store a column again with zeros in these rows; on disk, for it may be larger than memory."""
    _fetch(run, column)
    path = _folder(run) / f"{column}.npy"
    with written_beside(path) as beside:
        shutil.copyfile(path, beside)
        array = np.load(beside, mmap_mode="r+", allow_pickle=False)
        array[rows] = 0
        array.flush()
        with open(beside, "rb") as file:
            storages["models"].save(_column_name(run, column), File(file))


def _fetch(run: int, column: str) -> np.ndarray:
    """One column, mapped from the local copy, which is made where it is missing."""
    path = local_copy("models", _column_name(run, column), _folder(run) / f"{column}.npy")
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _folder(run: int) -> Path:
    return settings.CACHE_DIR / "assess" / str(run)


def _column_name(run: int, column: str) -> str:
    return f"assess/{run}/{column}.npy"


def _chunk_name(run: int, number: int) -> str:
    return f"assess/{run}/part-{number:05d}.npz"
