"""Reasons why a picture is refused."""

from curation.errors import CurationError


class EmptyImage(CurationError):
    """The file is empty."""

    code = "image_empty"
    message = "The file is empty; choose another one."


class ImageTooLarge(CurationError):
    """The file has more bytes than allowed."""

    size: int
    limit: int
    code = "image_too_large"
    status = 413
    message = (
        "The file has {megabytes[0]:.1f} MB and {megabytes[1]:.1f} MB are allowed; "
        "send a smaller one."
    )

    @property
    def megabytes(self) -> tuple[float, float]:
        """Size and limit in units of 1024² bytes."""
        return self.size / 1024**2, self.limit / 1024**2


class TooManyPixels(CurationError):
    """The picture has more pixels than allowed; `limit` is of width × height."""

    width: int
    height: int
    limit: int
    code = "image_too_many_pixels"
    status = 413
    message = (
        "The picture has {width} × {height} pixels and {limit:,} in all are allowed; "
        "send a smaller copy."
    )


class SideTooLong(TooManyPixels):
    """One side has more pixels than allowed; `limit` is of one side."""

    code = "image_side_too_long"
    message = (
        "The picture has {width} × {height} pixels and a side may have {limit:,}; "
        "send a smaller copy or a part of it."
    )


class UnsupportedFormat(CurationError):
    """The format is not accepted; `found` says what the file looks like."""

    found: str
    code = "image_unsupported"
    status = 415
    message = (
        "This file ({found}) is not a picture that can be read here; "
        "send JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC."
    )


class BrokenImage(CurationError):
    """The picture cannot be decoded to its end; `why` is the decoder's message."""

    why: str
    code = "image_broken"
    message = "The picture is damaged or incomplete ({why}); save or download it again."
