"""Draw distinct pictures that are as large as photographs, and search results that hold them."""

import io
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench.photographs import jpeg
from curation.similarity.perceptual_hash import colour_distance, distance, mean_colour, phash

SIZE = (640, 480)
MIN_DISTANCE = 12  # bits in which the hashes of two pictures differ at least
COPY_BITS, COPY_COLOUR = 4, 2.0  # at most; what the collector takes for a copy
TAKEN = ("good", "slow", "copy", "near")  # kinds of results whose picture may come in
CHUNK = 64


@dataclass(frozen=True)
class Result:
    """One search result: its kind, the number of its picture within the type, what is sent."""

    kind: str
    of: int
    data: bytes


def distinct(photos: Path | None) -> Iterator[bytes]:
    """Yield JPEG files, no two so alike that a copy of one could be taken for the other."""
    hashes = np.empty(0, dtype=np.uint64)
    for data, value in _photographs(photos) if photos else _drawings():
        if np.bitwise_count(hashes ^ np.uint64(value)).min(initial=64) > MIN_DISTANCE:
            hashes = np.append(hashes, np.uint64(value))
            yield data
    raise SystemExit(f"{photos} has only {len(hashes)} distinct photographs: use fewer --types")


def _photographs(folder: Path) -> Iterator[tuple[bytes, int]]:
    for path in sorted(folder.rglob("*.jp*g")):
        with Image.open(path) as image:
            if min(image.size) >= SIZE[1] // 2:
                yield path.read_bytes(), phash(image.convert("RGB"))


def _drawings() -> Iterator[tuple[bytes, int]]:
    with ProcessPoolExecutor() as pool:
        for start in count(0, CHUNK):
            yield from pool.map(draw, range(start, start + CHUNK), chunksize=CHUNK // 4)


def draw(number: int) -> tuple[bytes, int]:
    """Draw coloured shapes with a camera's grain; returns (JPEG, perceptual hash)."""
    chance = random.Random(number)
    width, height = SIZE
    shade = lambda: tuple(chance.randrange(20, 236) for _ in range(3))  # noqa: E731
    image = Image.new("RGB", SIZE, shade())
    pen = ImageDraw.Draw(image)
    for _ in range(chance.randint(8, 16)):
        x, y = chance.uniform(0, width), chance.uniform(0, height)
        points = [(x + chance.gauss(0, 130), y + chance.gauss(0, 100)) for _ in range(4)]
        pen.polygon(points, fill=shade())
    grain = _grain()
    left, top = chance.randrange(grain.shape[1] - width), chance.randrange(grain.shape[0] - height)
    field = grain[top : top + height, left : left + width, None] * chance.uniform(0.6, 1.4)
    pixels = np.clip(np.asarray(image, dtype=np.int16) + field.astype(np.int16), 0, 255)
    image = Image.fromarray(pixels.astype(np.uint8))
    return jpeg(image, 85), phash(image)


@cache
def _grain() -> np.ndarray:
    """Return a field of coarse and fine noise, of which each picture takes a part."""
    chance = np.random.default_rng(3)
    fine = chance.normal(0, 5, (1200, 1600))
    coarse = Image.fromarray(chance.normal(0, 14, (400, 534)).astype(np.float32))
    return fine + np.asarray(coarse.resize((1600, 1200), Image.Resampling.BICUBIC))


def results(seed: int, own: list[bytes], each: dict[str, int]) -> list[Result]:
    """Return a type's results in a fixed order: `own` pictures, and so many of `each` kind."""
    chance = random.Random(seed)
    numbers = chance.sample(range(len(own)), len(own))
    take = lambda kind: [numbers.pop() for _ in range(each[kind])]  # noqa: E731
    slow = set(take("slow"))
    made = [Result("slow" if n in slow else "good", n, data) for n, data in enumerate(own)]
    made += [Result("copy", n, own[n]) for n in take("copy")]
    near = []
    while len(near) < each["near"]:
        number = numbers.pop()
        if data := _copy(own[number], len(near)):
            near.append(Result("near", number, data))
    made += near
    made += [Result("small", n, _scaled(own[n], 0.22, 80)) for n in take("small")]
    made += [Result("inside", n, own[n]) for n in take("inside")]
    made += [Result(kind, -1, b"") for kind in ("missing", "html") for _ in range(each[kind])]
    chance.shuffle(made)
    return made


def _copy(data: bytes, number: int) -> bytes | None:
    """Recompress a picture and maybe scale it; None if that is no longer taken for a copy."""
    made = _scaled(data, (1, 0.75, 0.6)[number % 3], 70)
    before, after = (Image.open(io.BytesIO(each)).convert("RGB") for each in (data, made))
    bits = distance(phash(before), phash(after))
    means = mean_colour(before), mean_colour(after)
    return made if bits <= COPY_BITS and colour_distance(*means) < COPY_COLOUR else None


def _scaled(data: bytes, by: float, quality: int) -> bytes:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return jpeg(image.resize([round(side * by) for side in image.size]), quality)
