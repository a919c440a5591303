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
from pathlib import Path

from PIL import Image

from classifier.preprocess import open_photo

SUFFIX, INDEX = ".pixels", ".json"
CHUNK = 256  # pictures in memory at a time


class Decoded:
    """Decoded pictures by local path; what is not among them is read from its file."""

    def __init__(self, pixels: mmap.mmap | bytes = b"", index: dict[str, tuple] | None = None):
        self.pixels, self.index = pixels, index or {}

    def open(self, path: Path, at_least: int) -> Image.Image:
        """`open_photo` of a picture; from memory where it was kept for `at_least` or more pixels.

        Raises UnreadablePicture.
        """
        offset, width, height, side = self.index.get(str(path), (0, 0, 0, -1))
        if side < at_least:
            return open_photo(path, at_least)
        return Image.frombuffer(
            "RGB", (width, height), self.pixels[offset : offset + width * height * 3]
        )


def keep(
    wanted: Sequence[tuple[Path, int, bool]],
    folder: Path,
    limit: int,
    tick: Callable[[int], None] = lambda done: None,
) -> Decoded:
    """The pictures `wanted`, decoded into a file of `folder`; the file there is, if it is the same.

    `wanted`: path, smallest shorter side in pixels, and whether the picture may be shrunk to it
    (else it stays as `open_photo` gives it). Nothing is kept where that takes more than `limit`
    bytes. Older files of the folder go. Raises UnreadablePicture, and what `tick(done)` raises.
    """
    key = hashlib.sha256(json.dumps([[str(p), *rest] for p, *rest in wanted]).encode())
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
            for (path, side, _), image in zip(chunk, pool.map(_decode, chunk), strict=True):
                index[str(path)] = (offset, *image.size, side)
                offset += out.write(image.tobytes())
                tick(len(index))
            if offset > limit:
                return False
    part.with_suffix(INDEX).write_text(json.dumps(index))
    return True


def _decode(one: tuple[Path, int, bool]) -> Image.Image:
    path, side, shrink = one
    image = open_photo(path, side)
    shorter = min(image.size)
    if not shrink or shorter <= side:
        return image
    size = tuple(max(1, round(length * side / shorter)) for length in image.size)
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
