"""Choose photographs of a folder, always the same ones, and enlarge them to a phone's size."""

import io
import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
PIXELS, QUALITY = 12_000_000, 92
GRAIN = 7.0  # standard deviation, of 255: a file then has the 3 MB of a phone's


def sample(folder: Path, count: int) -> list[Path]:
    """Choose photographs below `folder` at random: `count`, or all if there are fewer."""
    paths = _below(folder)
    return random.Random(1).sample(paths, min(count, len(paths)))


def in_turns(folder: Path) -> Iterator[Path]:
    """Yield the photographs below `folder` in random order, in turns from each of its folders."""
    by_folder, paths = {}, _below(folder)
    random.Random(1).shuffle(paths)
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    rounds = itertools.zip_longest(*(by_folder[name] for name in sorted(by_folder)))
    return filter(None, itertools.chain.from_iterable(rounds))


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def phone_photo(path: Path, size: tuple[int, int] | None = None, grain: float = GRAIN) -> bytes:
    """Scale a photograph to `size` (width, height; by default PIXELS in all) as a JPEG.

    `grain`: standard deviation, of 255, of the noise that is added to the brightness; it is the
    same at every call.
    """
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if size is None:
        scale = math.sqrt(PIXELS / (image.width * image.height))
        size = round(image.width * scale), round(image.height * scale)
    large = np.asarray(image.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    noise = np.random.default_rng(1).standard_normal((*large.shape[:2], 1), dtype=np.float32)
    pixels = np.clip(large + grain * noise + 0.5, 0, 255).astype(np.uint8)
    return jpeg(Image.fromarray(pixels), QUALITY)


def jpeg(image: Image.Image, quality: int) -> bytes:
    """Encode an image."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()
