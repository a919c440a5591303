"""Photographs of a folder, drawn always alike, and made as large as a phone takes them."""

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
GRAIN = 7.0  # standard deviation, of 255: a file then weighs what a phone's does, some 3 MB


def below(folder: Path) -> list[Path]:
    """The photographs in `folder` and all its folders, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def sample(folder: Path, count: int) -> list[Path]:
    """So many of the photographs below `folder`, or all where there are fewer."""
    found = below(folder)
    return random.Random(1).sample(found, min(count, len(found)))


def evenly(folder: Path) -> Iterator[Path]:
    """The photographs below `folder`, in turns from each of its folders."""
    found = below(folder)
    random.Random(1).shuffle(found)
    classes = {}
    for path in found:
        classes.setdefault(path.parent, []).append(path)
    rounds = itertools.zip_longest(*(classes[name] for name in sorted(classes)))
    return filter(None, itertools.chain.from_iterable(rounds))


def from_a_phone(path: Path, size: tuple[int, int] | None = None, grain: float = GRAIN) -> bytes:
    """A photograph as a JPEG of `size` (width, height), or of about `PIXELS` where there is none.

    `grain`: standard deviation of the noise in brightness, of 255; a photograph always has the
    same.
    """
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if size is None:
        scale = math.sqrt(PIXELS / (image.width * image.height))
        size = round(image.width * scale), round(image.height * scale)
    large = np.asarray(image.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    noise = np.random.default_rng(1).standard_normal((*large.shape[:2], 1), dtype=np.float32)
    pixels = np.clip(large + grain * noise + 0.5, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
