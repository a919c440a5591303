"""Decode pictures that may be hostile: bytes → a checked, upright RGB picture. Pure.

All pictures of pages, API, imports and admin go through `decode`. `guard` holds the rules,
`headers` reads headers before a decoder does, `colour` converts to sRGB.
"""

from curation.images.errors import (
    BrokenImage,
    EmptyImage,
    ImageTooLarge,
    SideTooLong,
    TooManyPixels,
    UnsupportedFormat,
)
from curation.images.guard import LIMITS, Limits, Picture, decode, encode, sha256_hex

__all__ = [
    "LIMITS",
    "BrokenImage",
    "EmptyImage",
    "ImageTooLarge",
    "Limits",
    "Picture",
    "SideTooLong",
    "TooManyPixels",
    "UnsupportedFormat",
    "decode",
    "encode",
    "sha256_hex",
]
