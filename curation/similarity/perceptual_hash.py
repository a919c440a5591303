"""Perceptual hash of a picture, the hash's bands for database look-ups, and mean colour. Pure."""

from functools import cache

import numpy as np
from PIL import Image

HASH_BITS = 64
BAND_BITS = 16

_SIDE = 32  # the picture is reduced to 32×32
_LOW = 8  # and its 8×8 lowest frequencies are kept


def phash(image: Image.Image) -> int:
    """The perceptual hash of an upright picture of any size: 0 .. 2**64 - 1.

    Luma at 32×32, two-dimensional DCT-II, the 8×8 lowest frequencies, one bit each: above their
    median or not; row by row, most significant bit first. This is the DCT hash of C. Zauner,
    "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1, in
    the form of the `imagehash` package: no mean filter, and the constant term stays among the 64
    (its bit is 1 for every picture that is not black).
    """
    luma = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    dct = _dct_matrix()[:_LOW]
    # Rounded: the last bits of a matrix product differ between processors, and would decide the
    # hash of a flat picture.
    low = (dct @ np.asarray(luma, dtype=np.float64) @ dct.T).round(3)
    bits = low.ravel() > np.median(low)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def to_hex(value: int) -> str:
    """A 64-bit hash as 16 lower-case hexadecimal digits. `ValueError` out of range."""
    return f"{_checked(value, HASH_BITS):016x}"


def from_hex(text: str) -> int:
    """The hash that `to_hex` wrote. `ValueError` for anything but 16 hexadecimal digits."""
    if len(text) != 16 or not set(text) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"a hash is 16 hexadecimal digits, not {text!r}")
    return int(text, 16)


def distance(a: int, b: int) -> int:
    """The number of differing bits (Hamming distance), 0 .. 64."""
    return (a ^ b).bit_count()


def bands(value: int) -> tuple[int, int, int, int]:
    """The hash cut into four 16-bit numbers, most significant first. `ValueError` out of range."""
    _checked(value, HASH_BITS)
    return (value >> 48, value >> 32 & 0xFFFF, value >> 16 & 0xFFFF, value & 0xFFFF)


def band_neighbours(band: int) -> list[int]:
    """A 16-bit band and the 16 that differ from it in one bit: 17 values, itself first.

    Looking up these for each of the four bands finds every hash within distance 7. Proof by
    pigeonhole: if each of the four bands differed in two bits or more, the hashes would differ in
    at least 4 × 2 = 8 bits. So at distance 7 or less some band differs in one bit at most. Hashes
    further off are found, too: check each with `distance`.
    `ValueError` out of range.
    """
    _checked(band, BAND_BITS)
    return [band, *(band ^ 1 << bit for bit in range(BAND_BITS))]


def mean_colour(image: Image.Image) -> tuple[int, int, int]:
    """Mean sRGB (0 .. 255 each) over the whole picture, background included.

    Taken from a copy of 32×32: a box filter keeps the mean.
    """
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    small = rgb.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return tuple(np.asarray(small).reshape(-1, 3).mean(axis=0).round().astype(int).tolist())


def colour_distance(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    """The perceived difference of two sRGB colours: 0 for equal, about 2.3 just noticeable, 100 for
    black and white.

    CIE 1976 ΔE*ab: the Euclidean distance in CIE L*a*b* (CIE 15:2004, D65 white).
    Perceptual hashes see luma only: two hashes that agree and two mean colours that do not are the
    same product in another colour, not a copy.
    """
    return float(np.linalg.norm(_lab(a) - _lab(b)))


@cache
def _dct_matrix() -> np.ndarray:
    """(32, 32), row k = the k-th basis function of the orthonormal DCT-II (Ahmed, Natarajan and
    Rao, "Discrete Cosine Transform", 1974)."""
    k, n = np.mgrid[:_SIDE, :_SIDE]
    matrix = np.cos(np.pi * (2 * n + 1) * k / (2 * _SIDE)) * np.sqrt(2 / _SIDE)
    matrix[0] /= np.sqrt(2)
    return matrix


def _lab(colour: tuple[int, int, int]) -> np.ndarray:
    """sRGB → L*a*b*: transfer function and matrix from IEC 61966-2-1, the rest from CIE 15."""
    srgb = np.asarray(colour, dtype=np.float64) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    # A row's sum is the white point of that coordinate, so that white comes out as (100, 0, 0).
    ratio = to_xyz @ linear / to_xyz.sum(axis=1)
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _checked(value: int, bits: int) -> int:
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{value} is not a number of {bits} bits")
    return value
