"""Decode pictures safely, whoever made the bytes. In this order:

1. The number of bytes is limited.
2. The content decides the format, out of an allowlist; the file name does not matter.
3. The pixels are limited as the header declares them, before one is decoded. Pillow's own bomb
   check only warns between 89 and 179 megapixels and `Image.open` would run it first, so the
   plugins are called directly. It still checks parts that contradict their header.
4. Files that cost far more time or memory than their size suggests are refused.
5. The pixels are decoded to the end: a file that passes `verify()` may still be half a picture.
"""

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pillow_heif
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from curation.images import colour, headers
from curation.images.errors import (
    BrokenImage,
    EmptyImage,
    ImageTooLarge,
    SideTooLong,
    TooManyPixels,
)

WHITE = (255, 255, 255)

# Auxiliary pictures of a HEIC are never shown, so they are not even listed.
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

_PLUGINS: dict[str, Callable[..., ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "AVIF": AvifImageFile,
    "HEIF": pillow_heif.HeifImageFile,
}

# What Pillow's parsers and the libraries below them raise on damaged files, found by mutation.
# OSError includes "cannot identify" and "truncated"; LookupError and ArithmeticError come from the
# parsers' own indexing and scaling, RuntimeError from libheif and libavif, Warning where warnings
# are turned into errors.
_DECODER_ERRORS = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError,
    AttributeError, AssertionError, RuntimeError, MemoryError, struct.error, zlib.error, Warning,
    Image.DecompressionBombError,
)  # fmt: skip

_TURNS = {  # EXIF orientation → the transposition that makes it upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Limits:
    """Limits on bytes of the file, pixels (width × height), and pixels of one side.

    A JPEG may have more pixels, because it can be decoded at reduced scale. The side is limited
    because resampling a picture of one row takes memory in proportion to its length.
    """

    max_bytes: int = 20 * 1024 * 1024
    max_pixels_jpeg: int = 50_000_000
    max_pixels: int = 24_000_000
    max_side: int = 32_768


LIMITS = Limits()


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    `image`: RGB, in sRGB, upright, without metadata. `format`: Pillow's name for what was sent (an
    MPO is "JPEG", a HEIC "HEIF"). `width`, `height`: pixels, upright, as sent; `image` is smaller
    where `at_least` allowed a reduced decode.
    """

    image: Image.Image
    format: str
    width: int
    height: int


class _Reads(io.BytesIO):
    """The bytes for Pillow, with a limited number of reads: a GIF of one-byte comments or a PNG of
    empty chunks would need millions."""

    left = 400_000

    def read(self, size: int | None = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise OSError("it is cut into far too many pieces")
        return super().read(size)


def decode(
    data: bytes,
    limits: Limits = LIMITS,
    at_least: int | None = None,
    background: tuple[int, int, int] = WHITE,
) -> Picture:
    """The first picture in `data`, checked and upright, as RGB.

    `at_least`: pixels that the shorter side must keep; a JPEG is then decoded at 1/2, 1/4 or 1/8
    where that leaves enough (much faster), other formats in full. `background`: RGB 0 .. 255, put
    behind transparent parts. An embedded colour profile is converted to sRGB; a broken profile
    or a broken EXIF block is ignored.
    Raises EmptyImage, ImageTooLarge, UnsupportedFormat, TooManyPixels, SideTooLong or BrokenImage,
    and nothing else whatever the bytes; `ValueError` when `at_least` is not positive.
    """
    if at_least is not None and at_least < 1:
        raise ValueError(f"at_least must be positive, not {at_least}")
    if not data:
        raise EmptyImage()
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(len(data), limits.max_bytes)
    format = headers.format_of(data)
    try:
        image, exif = _open(data, format, limits)
        width, height = _check_size(image.size, format, limits)
        if at_least and format == "JPEG":
            image.draft(None, (at_least, at_least))
        image.load()
        # A PNG may hold its EXIF block behind the pixels.
        turn = headers.orientation(exif or image.info.get("exif") or b"")
        upright = colour.to_srgb(image, background)
        if turn in _TURNS:
            upright = upright.transpose(_TURNS[turn])
    except _DECODER_ERRORS as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise BrokenImage(why) from error
    if turn >= 5:
        width, height = height, width
    return Picture(upright, format, width, height)


def encode(image: Image.Image) -> bytes:
    """An RGB picture as it is stored: JPEG, quality 95, 4:4:4, no metadata.

    The same pixels give the same bytes (with one build of libjpeg). `ValueError` for other modes.
    """
    if image.mode != "RGB":
        raise ValueError(f"only RGB pictures are stored, not {image.mode}")
    out = io.BytesIO()
    # By default Pillow copies the comment of the file that the picture was read from.
    image.save(out, "JPEG", quality=95, subsampling=0, comment=b"")
    return out.getvalue()


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _open(data: bytes, format: str, limits: Limits) -> tuple[ImageFile.ImageFile, bytes]:
    """(the picture with its header read and no pixel decoded, the EXIF block of a JPEG)."""
    exif = b""
    if format == "JPEG":
        data, exif = headers.bare_jpeg(data)
    elif format in ("AVIF", "HEIF"):
        data = headers.without_metadata_references(data)
    elif format == "WEBP":
        _check_size(headers.webp_size(data), format, limits)
    elif format == "TIFF":
        headers.check_tiff(data, limits.max_pixels)
    image = _PLUGINS[format](_Reads(data), "")
    if isinstance(image, TiffImageFile):
        # Pillow reads all further directories after the pixels, unless more pictures follow: as
        # Python numbers a file full of them takes seconds and hundreds of MB. By then it has turned
        # the picture upright.
        image.is_animated = True
    return image, exif


def _check_size(size: tuple[int, int], format: str, limits: Limits) -> tuple[int, int]:
    """`size` as it is, or TooManyPixels, or SideTooLong."""
    width, height = size
    limit = limits.max_pixels_jpeg if format == "JPEG" else limits.max_pixels
    if width * height > limit:
        raise TooManyPixels(width, height, limit)
    if max(size) > limits.max_side:
        raise SideTooLong(width, height, limits.max_side)
    return size
