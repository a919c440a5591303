"""Why a picture was refused."""

from dataclasses import dataclass

from curation.errors import CurationError


class EmptyImage(CurationError):
    """No bytes at all."""

    code = "image_empty"
    sentence = "The file is empty; choose another one."


@dataclass(eq=False)
class ImageTooLarge(CurationError):
    """More bytes than allowed."""

    size: int
    limit: int
    code = "image_too_large"

    @property
    def detail(self) -> str:
        """One sentence for people."""
        size, limit = self.size / 1024**2, self.limit / 1024**2
        return f"The file has {size:.1f} MB and {limit:.1f} MB are allowed; send a smaller one."


@dataclass(eq=False)
class TooManyPixels(CurationError):
    """More pixels than allowed; `limit` is of width × height."""

    width: int
    height: int
    limit: int
    code = "image_too_many_pixels"
    sentence = (
        "The picture has {width} × {height} pixels and {limit:,} in all are allowed; "
        "send a smaller copy."
    )


class SideTooLong(TooManyPixels):
    """One side has more pixels than allowed; `limit` is of one side."""

    code = "image_side_too_long"
    sentence = (
        "The picture has {width} × {height} pixels and a side may have {limit:,}; "
        "send a smaller copy or a part of it."
    )


@dataclass(eq=False)
class UnsupportedFormat(CurationError):
    """No picture, or none of an accepted format; `found` says what it looks like."""

    found: str
    code = "image_unsupported"
    sentence = (
        "This file ({found}) is not a picture that can be read here; "
        "send JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC."
    )


@dataclass(eq=False)
class BrokenImage(CurationError):
    """It begins like a picture and cannot be decoded to the end; `why` is the decoder's word."""

    why: str
    code = "image_broken"
    sentence = "The picture is damaged or incomplete ({why}); save or download it again."
