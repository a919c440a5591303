"""Pictures of a snapshot decoded once, for training: one file of pixels, mapped into memory.

Every epoch reads every picture again, and decoding a photograph costs several times what reading
its pixels does. DataLoader processes share the map.
"""

import hashlib
import json
import mmap
import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from classifier.inference.preprocess import open_photo

SUFFIX, INDEX = ".pixels", ".json"
CHUNK = 256  # pictures in memory at a time


@dataclass(frozen=True)
class Wanted:
    """A picture and how it is to be read: its shorter side has `side` pixels or more, as
    `open_photo` decodes it; with `shrink`, it is then brought down to `side`."""

    path: Path
    side: int
    shrink: bool


def decode(wanted: Wanted) -> Image.Image:
    """Read a picture from its file. Raises UnreadablePicture."""
    image = open_photo(wanted.path, wanted.side)
    shorter = min(image.size)
    if not wanted.shrink or shorter <= wanted.side:
        return image
    size = tuple(max(1, round(length * wanted.side / shorter)) for length in image.size)
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)


class Decoded:
    """Decoded pictures by local path; what is not among them is read from its file."""

    def __init__(self, pixels: mmap.mmap | bytes = b"", index: dict[str, tuple] | None = None):
        self.pixels, self.index = pixels, index or {}

    def open(self, wanted: Wanted) -> Image.Image:
        """A picture as `wanted`, from memory where it was kept so. Raises UnreadablePicture."""
        offset, width, height, *kept = self.index.get(str(wanted.path), (0, 0, 0))
        if kept != [wanted.side, wanted.shrink]:
            return decode(wanted)
        return Image.frombuffer(
            "RGB", (width, height), self.pixels[offset : offset + width * height * 3]
        )


def keep(
    wanted: Sequence[Wanted],
    folder: Path,
    limit: int,
    tick: Callable[[int], None] = lambda done: None,
) -> Decoded:
    """The pictures `wanted`, decoded into a file of `folder`; the file there is, if it is the same.

    Nothing is kept where that takes more than `limit` bytes. Older files of the folder go. Raises
    UnreadablePicture, and what `tick(done)` raises.
    """
    rows = [[str(one.path), one.side, one.shrink] for one in wanted]
    key = hashlib.sha256(json.dumps(rows).encode())
    target = folder / f"{key.hexdigest()[:32]}{SUFFIX}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{uuid.uuid4().hex}.part"
        try:
            if not _write(wanted, part, limit, tick):
                return Decoded()
            os.replace(part.with_suffix(INDEX), target.with_suffix(INDEX))
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
            part.with_suffix(INDEX).unlink(missing_ok=True)
    for old in folder.iterdir():
        # A training that still has one of them mapped keeps it until it ends.
        if old.stem != target.stem and old.suffix != ".part":
            old.unlink(missing_ok=True)
    index = json.loads(target.with_suffix(INDEX).read_text())
    with open(target, "rb") as file:
        return Decoded(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), index)


def _write(wanted, part: Path, limit: int, tick) -> bool:
    index, offset = {}, 0
    with ThreadPoolExecutor(os.cpu_count()) as pool, open(part, "wb") as out:
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            for one, image in zip(chunk, pool.map(decode, chunk), strict=True):
                index[str(one.path)] = (offset, *image.size, one.side, one.shrink)
                offset += out.write(image.tobytes())
                tick(len(index))
            if offset > limit:
                return False
    part.with_suffix(INDEX).write_text(json.dumps(index))
    return True
