"""The files of one assess run: which images it looks at, and what it saw of them.

In the models storage under `assess/<run>/`: `plan.npz` first, a part for every chunk that was
looked at, then one array a column, float16 features among them. Here they are mapped into memory
from a local copy.
"""

import io
import logging
import os
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from classifier.assess.sights import Sights
from curation.issues.findings import LIVE
from curation.models import AssessRun, ShoeImage

logger = logging.getLogger(__name__)
COLUMNS = [f.name for f in fields(Sights)]
STORED, KEYS = "stored", "image"
COPIED = 4096  # rows at a time


@dataclass(frozen=True)
class Plan:
    """What a run looks at. `image`: int64 (n,), primary keys, ascending; `stored`: "S64" (n,),
    digests of the pictures. `todo`: rows that nobody has looked at with these eyes; `before`: the
    run that saw the others, at its rows `known`, int64 (n,), -1 for those to do. `size`: rows in a
    chunk, written down because the setting may change before a run is taken up again."""

    image: np.ndarray
    stored: np.ndarray
    todo: np.ndarray
    known: np.ndarray
    before: int
    size: int

    def part(self, number: int) -> np.ndarray:
        """The rows of one chunk."""
        return self.todo[number * self.size : (number + 1) * self.size]

    @property
    def parts(self) -> int:
        """How many chunks there are."""
        return -(-len(self.todo) // self.size)


def plan(run: AssessRun) -> Plan:
    """The run's plan: the one that is stored, or a new one of all images that are not rejected."""
    name = f"assess/{run.pk}/plan.npz"
    if storages["models"].exists(name):
        with storages["models"].open(name) as file, np.load(io.BytesIO(file.read())) as stored:
            arrays = {name: stored[name] for name in ("image", "stored", "todo", "known")}
            return Plan(**arrays, before=int(stored["before"]), size=int(stored["size"]))
    live = ShoeImage.objects.filter(state__in=LIVE).order_by("pk")
    rows = list(live.values_list("pk", "stored_sha256").iterator(chunk_size=5000))
    image = np.array([pk for pk, _ in rows], np.int64)
    stored = np.array([digest for _, digest in rows], "S64")
    before, seen = _seen_before(run)
    known = np.array([seen.get(digest, -1) for digest in stored.tolist()], np.int64)
    todo = np.flatnonzero(known < 0)
    made = Plan(image, stored, todo, known, before, settings.ASSESS_CHUNK)
    out = io.BytesIO()
    np.savez(out, **{f.name: getattr(made, f.name) for f in fields(Plan)})
    storages["models"].save(name, ContentFile(out.getvalue()))
    return made


def _seen_before(run: AssessRun) -> tuple[int, dict[bytes, int]]:
    """The last finished run with the same eyes, and digest → row of what it saw; (0, {})."""
    done = AssessRun.objects.filter(state=AssessRun.State.DONE, model_digest=run.model_digest)
    for before in done.exclude(pk=run.pk).values_list("pk", flat=True)[:3]:
        try:
            stored, seen = (_fetch(before, column) for column in (STORED, "seen"))
        except (OSError, ValueError):
            continue  # dropped, or not readable: what it saw is looked at again
        return before, {d: i for i, d in enumerate(stored.tolist()) if seen[i]}
    return 0, {}


def save_part(run: int, number: int, sights: Sights) -> None:
    """Keep what was seen of one chunk."""
    storages["models"].save(_part_name(run, number), ContentFile(sights.as_bytes()))


def merge(run: int, planned: Plan, tick=lambda: None) -> Sights:
    """All that was seen of the plan's images, in its order, mapped from local disk.

    Stored as one array a column; parts go once that is done. Raises OSError or ValueError where a
    part is not there.
    """
    if not storages["models"].exists(_column_name(run, COLUMNS[-1])):
        folder = _folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        made = _put_together(run, planned, folder, tick)
        for column in (STORED, *COLUMNS):  # the last one stored says that all are there
            with open(made / f"{column}.npy", "rb") as file:
                storages["models"].save(_column_name(run, column), File(file))
            os.replace(made / f"{column}.npy", folder / f"{column}.npy")
            tick()
        shutil.rmtree(made, ignore_errors=True)
    for number in range(planned.parts):
        storages["models"].delete(_part_name(run, number))
    return Sights(**{column: _fetch(run, column) for column in COLUMNS})


def _put_together(run: int, planned: Plan, folder: Path, tick) -> Path:
    made = folder / f"{uuid.uuid4().hex[:8]}.part"
    made.mkdir()
    np.save(made / f"{STORED}.npy", planned.stored)
    n, arrays = len(planned.stored), {}

    def rows_of(column: str, like: np.ndarray):
        if column not in arrays:
            arrays[column] = np.lib.format.open_memmap(
                made / f"{column}.npy", "w+", like.dtype, (n, *like.shape[1:])
            )
        return arrays[column]

    if planned.before:
        old = np.flatnonzero(planned.known >= 0)
        for column in COLUMNS:
            before = _fetch(planned.before, column)
            target = rows_of(column, before)
            for start in range(0, len(old), COPIED):
                rows = old[start : start + COPIED]
                target[rows] = before[planned.known[rows]]
                tick()
    for number in range(planned.parts):
        with storages["models"].open(_part_name(run, number)) as file:
            part = Sights.from_bytes(file.read())
        for column in COLUMNS:
            rows_of(column, getattr(part, column))[planned.part(number)] = getattr(part, column)
        tick()
    # What was purged since a part was looked at leaves nothing behind here either.
    kept = ShoeImage.objects.exclude(stored_sha256="").values_list("stored_sha256", flat=True)
    here = {digest.encode() for digest in kept.iterator(chunk_size=5000)}
    gone = [row for row, digest in enumerate(planned.stored.tolist()) if digest not in here]
    for array in arrays.values():
        array[gone] = 0
        array.flush()
    return made


def here(run: int) -> bool:
    """Whether this machine has what `embeddings` gives."""
    return all((_folder(run) / f"{column}.npy").exists() for column in (KEYS, "embedding"))


def embeddings(run: int) -> tuple[np.ndarray, np.ndarray]:
    """A finished run's images, int64 (n,), primary keys, ascending, and their features, float16
    (n, d): both mapped from local copies, which are made where they are missing.

    Rows of what could not be read or was purged are zero. Raises OSError or ValueError.
    """
    path = _folder(run) / f"{KEYS}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{uuid.uuid4().hex[:8]}.part")
        with storages["models"].open(f"assess/{run}/plan.npz") as file, open(beside, "wb") as out:
            with np.load(io.BytesIO(file.read())) as stored:
                np.save(out, stored["image"])
        os.replace(beside, path)
    keys, features = np.load(path, mmap_mode="r", allow_pickle=False), _fetch(run, "embedding")
    if len(keys) != len(features):
        raise ValueError(f"assessment {run} has {len(features)} rows for {len(keys)} images")
    return keys, features


def forget_earlier(run: int) -> None:
    """Remove this machine's copies of what earlier runs saw; what is in the storage stays."""
    for folder in _folder(run).parent.glob("*"):
        if folder.name.isdecimal() and int(folder.name) < run:
            shutil.rmtree(folder, ignore_errors=True)


def drop_but(run: int) -> None:
    """Remove the files of every other run that is over, here and in the storage."""
    over = AssessRun.objects.exclude(pk=run).exclude(
        state__in=[AssessRun.State.QUEUED, AssessRun.State.RUNNING, AssessRun.State.PAUSED]
    )
    folders, _ = storages["models"].listdir("assess")
    for other in over.filter(pk__in=[int(f) for f in folders if f.isdecimal()]):
        drop(other.pk)


def drop(run: int) -> None:
    """Remove the files of one run."""
    shutil.rmtree(_folder(run), ignore_errors=True)
    try:
        _, names = storages["models"].listdir(f"assess/{run}")
    except FileNotFoundError:
        return
    for name in names:
        storages["models"].delete(f"assess/{run}/{name}")


def forget(digests: Iterable[str]) -> None:
    """Blank what was seen of these stored pictures, in every run's files: they were purged."""
    gone = np.array([digest.encode() for digest in digests], "S64")
    try:
        folders, _ = storages["models"].listdir("assess")
    except FileNotFoundError:
        return
    for run in (int(folder) for folder in folders if folder.isdecimal()):
        try:
            rows = np.flatnonzero(np.isin(_fetch(run, STORED), gone))
        except (OSError, ValueError):
            continue  # not put together yet: they are left out when it is
        for column in COLUMNS if len(rows) else ():
            _blank(run, column, rows)
        if len(rows):
            shutil.rmtree(_folder(run), ignore_errors=True)


def _blank(run: int, column: str, rows: np.ndarray) -> None:
    """Store a column anew with zeros in these rows; on disk, for it may be larger than memory."""
    _fetch(run, column)
    beside = _folder(run) / f"{uuid.uuid4().hex[:8]}.part"
    shutil.copyfile(_folder(run) / f"{column}.npy", beside)
    array = np.load(beside, mmap_mode="r+", allow_pickle=False)
    array[rows] = 0
    array.flush()
    with open(beside, "rb") as file:
        storages["models"].save(_column_name(run, column), File(file))
    beside.unlink()


def _fetch(run: int, column: str) -> np.ndarray:
    """One column, mapped from the local copy, which is made where it is missing."""
    path = _folder(run) / f"{column}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{uuid.uuid4().hex[:8]}.part")
        with storages["models"].open(_column_name(run, column)) as file, open(beside, "wb") as out:
            for chunk in file.chunks():
                out.write(chunk)
        os.replace(beside, path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _folder(run: int) -> Path:
    return settings.CACHE_DIR / "assess" / str(run)


def _column_name(run: int, column: str) -> str:
    return f"assess/{run}/{column}.npy"


def _part_name(run: int, number: int) -> str:
    return f"assess/{run}/part-{number:05d}.npz"
