"""Bytes → a checked, upright RGB picture: the one decode guard of page, API, import and admin.

Pure. `guard` holds the rules; `headers` reads what the bytes say of themselves before a decoder
sees them; `colour` turns whatever was decoded into sRGB.
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
