"""Pictures of a snapshot decoded once for training, into one file of pixels mapped into memory.

Every epoch reads every picture again, and decoding a photograph costs several times as much as
reading its pixels. DataLoader processes share the map.
"""

import hashlib
import json
import mmap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from classifier.inference.preprocess import open_photo
from shoeproject.parallel import map_in_threads
from shoeproject.storage.files import written_beside

PIXELS, INDEX = ".pixels", ".json"  # suffixes of the two files
CHUNK = 256  # pictures in memory at a time


@dataclass(frozen=True)
class DecodeRequest:
    """A picture's file and how large to decode it: its shorter side gets at least `side` pixels, as
    `open_photo` decodes it; with `shrink`, it is then reduced to `side`."""

    path: Path
    side: int
    shrink: bool


class _TooLarge(Exception):
    """The decoded pictures take more bytes than allowed."""


def decode(request: DecodeRequest) -> Image.Image:
    """Decode a picture from its file. Raises UnreadablePicture."""
    image = open_photo(request.path, request.side)
    shorter = min(image.size)
    if not request.shrink or shorter <= request.side:
        return image
    size = tuple(max(1, round(length * request.side / shorter)) for length in image.size)
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)


class DecodedPictures:
    """Decoded pictures by local path. Others are decoded from their files when opened."""

    def __init__(self, pixels: mmap.mmap | bytes = b"", index: dict[str, tuple] | None = None):
        self.pixels, self.index = pixels, index or {}

    def open(self, request: DecodeRequest) -> Image.Image:
        """The picture, from memory where it was decoded to this size. Raises UnreadablePicture."""
        offset, width, height, *decoded = self.index.get(str(request.path), (0, 0, 0))
        if decoded != [request.side, request.shrink]:
            return decode(request)
        return Image.frombuffer(
            "RGB", (width, height), self.pixels[offset : offset + width * height * 3]
        )


def decode_all(
    requests: Sequence[DecodeRequest],
    folder: Path,
    limit: int,
    tick: Callable[[int], None] = lambda done: None,
) -> DecodedPictures:
    """Decode the pictures into a file of `folder`, unless it is there from an earlier training.

    Where that takes more than `limit` bytes nothing is written, and every picture is decoded when
    opened. Older files of the folder are removed. Raises UnreadablePicture, and what `tick(done)`
    raises.
    """
    rows = [[str(one.path), one.side, one.shrink] for one in requests]
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    target = folder / f"{digest[:32]}{PIXELS}"
    index_file = target.with_suffix(INDEX)
    if not target.exists():
        try:
            # The index is renamed first: where the pixels are, it is too.
            with written_beside(target) as pixels, written_beside(index_file) as index:
                index.write_text(json.dumps(_write(requests, pixels, limit, tick)))
        except _TooLarge:
            return DecodedPictures()
    for old in folder.iterdir():
        # A training that still has one of them mapped keeps it until it ends.
        if old.stem != target.stem and old.suffix != ".part":
            old.unlink(missing_ok=True)
    with open(target, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return DecodedPictures(mapped, json.loads(index_file.read_text()))


def _write(requests, target: Path, limit: int, tick) -> dict[str, tuple]:
    """Write the pixels; path → (offset, width, height, side, shrink)."""
    index, offset = {}, 0
    with open(target, "wb") as out:
        for start in range(0, len(requests), CHUNK):
            chunk = requests[start : start + CHUNK]
            for one, image in zip(chunk, map_in_threads(decode, chunk), strict=True):
                index[str(one.path)] = (offset, *image.size, one.side, one.shrink)
                offset += out.write(image.tobytes())
                tick(len(index))
            if offset > limit:
                raise _TooLarge
    return index


def drop(folder: Path, digests: Iterable[str]) -> None:
    """Remove the files of `folder` that hold pictures with these digests, or whose index cannot be
    read. A training that has the pixels mapped keeps them until it ends; the next one decodes its
    pictures again."""
    digests = set(digests)
    for pixels in folder.glob(f"*{PIXELS}"):
        index = pixels.with_suffix(INDEX)
        try:
            unaffected = digests.isdisjoint(
                Path(path).stem for path in json.loads(index.read_text())
            )
        except (OSError, ValueError):
            unaffected = False
        if not unaffected:
            pixels.unlink(missing_ok=True)
            index.unlink(missing_ok=True)
