"""Picture → the network's input, alike for validation during training and for serving. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, BinaryIO, TypeVar

import numpy as np
from PIL import Image

from classifier.errors import UnreadablePicture

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
WHITE = (255, 255, 255)
T = TypeVar("T")
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Preprocess:
    """`size`: side of the square in pixels; `fit`: "pad" or "crop"; `mean` and `std` per channel
    (RGB) on the scale 0 to 1; `background`: RGB, 0 to 255, the ground of a padded picture."""

    size: int
    fit: str = "pad"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    background: tuple[int, int, int] = WHITE

    def as_json(self) -> dict:
        """A dict of JSON types; `from_json` reads it back."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping) -> "Preprocess":
        """Read `as_json`. Raises KeyError, TypeError or ValueError where it is damaged."""
        spec = cls(
            size=int(data["size"]),
            fit=str(data["fit"]),
            mean=_channels(data["mean"], float),
            std=_channels(data["std"], float),
            background=_channels(data["background"], int),
        )
        if not 1 <= spec.size <= 2048 or spec.fit not in ("pad", "crop"):
            raise ValueError(f"size {spec.size} or fit {spec.fit!r} is not known")
        if min(spec.std) <= 0:
            raise ValueError("std needs to be above 0")
        return spec


def _channels(values: Iterable, convert: Callable[[Any], T]) -> tuple[T, T, T]:
    red, green, blue = map(convert, values)
    return red, green, blue


def open_photo(path: str | PathLike | BinaryIO, at_least: int) -> Image.Image:
    """A stored picture (already checked and upright) as RGB.

    A JPEG is decoded at reduced scale, its shorter side still >= `at_least` pixels, exactly as
    uploads are decoded for serving. Raises UnreadablePicture.
    """
    try:
        with Image.open(path) as image:
            image.draft("RGB", (at_least, at_least))
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadablePicture(str(path), str(error) or type(error).__name__) from error


def padded(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """The whole picture, unscaled, in the middle of a square as wide as its longer side."""
    side = max(image.size)
    if image.size == (side, side):
        return image
    canvas = Image.new("RGB", (side, side), background)
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return canvas


def square(image: Image.Image, spec: Preprocess) -> Image.Image:
    """An RGB picture of `spec.size` squared pixels.

    pad: scaled so that the longer side fits, on the background. crop: what fastai's
    RandomResizedCrop does outside training: squeezed to a square 14 % larger (rounded up to 8
    pixels), then the middle of it.
    """
    image = image if image.mode == "RGB" else image.convert("RGB")
    if spec.fit == "crop":
        corner, side = _crop(spec.size)
        image = _scaled(image, (side, side))
        return image.crop((corner, corner, corner + spec.size, corner + spec.size))
    # Scaling before padding gives the same picture for a fraction of the pixels.
    scale = spec.size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return padded(_scaled(image, (width, height)), spec.background)


def window(size: tuple[int, int], spec: Preprocess) -> tuple[Box, Box]:
    """The box of a picture of `size` (width, height) that `square` keeps, and where in the square
    it is: both left, top, right, bottom, in shares from 0 to 1."""
    whole = (0.0, 0.0, 1.0, 1.0)
    if spec.fit == "crop":
        corner, side = _crop(spec.size)
        low, high = corner / side, (corner + spec.size) / side
        return (low, low, high, high), whole
    left, top = ((1 - length / max(size)) / 2 for length in size)
    return whole, (left, top, 1 - left, 1 - top)


def to_array(image: Image.Image, spec: Preprocess) -> np.ndarray:
    """`square`, normalised: float32 of shape (3, size, size), C-contiguous."""
    # Channels first: over rows of pixels numpy computes several times as fast as over triples.
    planes = np.asarray(square(image, spec)).transpose(2, 0, 1).astype(np.float32, order="C")
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (spec.mean, spec.std))
    planes /= np.float32(255)
    planes -= mean
    planes /= std
    return planes


def _crop(size: int) -> tuple[int, int]:
    """Where the middle of `size` pixels begins in the larger square, and that one's side."""
    margin = math.ceil(size * 0.14 / 8) * 8
    return margin // 2, size + margin


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    # Pillow's bilinear widens its support when it shrinks, so it does not alias; reducing_gap
    # averages whole blocks first, which for large pictures is several times faster.
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
