"""Read and check headers before a decoder does.

Only those that Pillow would check too late or at too high a cost: the format, the size of a WebP,
the segments of a JPEG, the tags of a TIFF or of an EXIF block.
"""

import re
import struct
from collections.abc import Iterator

from curation.images.errors import BrokenImage, UnsupportedFormat

# A JPEG scan costs a pass over the whole picture however few bytes it has: 20 MB of empty ones
# take hours. Encoders write about ten. A segment costs Pillow memory; the largest ordinary
# headers (colour profiles, depth maps) have a few hundred.
MAX_JPEG_SCANS = 64
MAX_JPEG_SEGMENTS = 4096
# Numbers in one TIFF tag: five million offsets take 2 GB; tiles of 16×16 in three planes fit.
MAX_TIFF_VALUES = 300_000

_BEGINNINGS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_OTHERS = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\1\0", "an icon"),
    (b"\0\0\0\x0cjP", "JPEG 2000"),
    (b"\0\0\0\x0cJXL", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1",
}  # fmt: skip
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}

# A marker, not the stuffing or the restart markers between coded pixels (ITU-T T.81, B.1.1).
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14, _COM, _TEM = (
    0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0x01,
)  # fmt: skip

# A reference from metadata to its picture in a HEIF container (ISO/IEC 23008-12, 6.5.4). The two
# zeros are the upper half of the box's length, so that coded pixels cannot be mistaken for it.
_METADATA_REFERENCE = re.compile(rb"(\x00\x00..)cdsc", re.DOTALL)

_COMPRESSION, _ORIENTATION, _TILE_WIDTH, _TILE_LENGTH = 259, 274, 322, 323
# None, CCITT, LZW, JPEG, deflate and PackBits. The rest is not used for photographs: LZMA (whose
# header may demand any amount of memory), old JPEG, Zstandard, WebP …
_TIFF_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
_TIFF_SHORT = 3
_TIFF_BYTES = {1, 2, 7}  # BYTE, ASCII and UNDEFINED stay bytes: their number costs nothing


def format_of(data: bytes) -> str:
    """Pillow's name for the format of the content. Raises UnsupportedFormat."""
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if data[4:8] == b"ftyp":
        return _container_format(data)
    raise UnsupportedFormat(_looks_like(data))


def _container_format(data: bytes) -> str:
    """AVIF or HEIF, by any brand: "mif1" as the first one leaves it open."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12]} | {data[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIF_BRANDS:
        return "HEIF"
    raise UnsupportedFormat("a video or an unknown container")


def _looks_like(data: bytes) -> str:
    for beginning, name in _OTHERS:
        if data.startswith(beginning):
            return name
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<"):
        return "an SVG drawing" if b"<svg" in head else "a web page or XML"
    try:
        data[:512].decode("ascii")
    except UnicodeDecodeError:
        return "an unknown format"
    return "text"


def webp_size(data: bytes) -> tuple[int, int]:
    """(width, height) of the canvas: Pillow's plugin allocates it when it is opened.

    Raises BrokenImage where there is none to read.
    """
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise BrokenImage("the WebP header is incomplete")


def bare_jpeg(data: bytes) -> tuple[bytes, bytes]:
    """(the first picture of a JPEG without metadata, its EXIF block or b"").

    Segments that decoding needs stay: JFIF, colour profile, Adobe's colour transform. So Pillow
    never parses untrusted EXIF, and what phones append (a second picture, a video) is cut off.
    Raises BrokenImage for more scans or segments than any encoder writes.
    """
    kept, exif, scans, segments, at = [], b"", 0, 0, 0
    while marker := _MARKER.search(data, at):
        kept.append(data[at : marker.start()])
        code = marker[1][0]
        if code == _EOI:
            kept.append(b"\xff\xd9")
            break
        end = marker.end()
        if code not in (_SOI, _TEM):
            end += int.from_bytes(data[end : end + 2], "big")
        segment = data[marker.start() : end]
        segments += 1
        scans += code == _SOS
        if scans > MAX_JPEG_SCANS or segments > MAX_JPEG_SEGMENTS:
            raise BrokenImage("it is cut into far too many pieces")
        if _is_needed(code, segment):
            kept.append(segment)
        elif code == _APP1 and segment[4:10] == b"Exif\0\0" and not exif:
            exif = segment[10:]
        at = end
    else:
        kept.append(data[at:])  # the end is missing: the decoder decides
    return b"".join(kept), exif


def _is_needed(code: int, segment: bytes) -> bool:
    if code == _APP2:
        return segment[4:16] == b"ICC_PROFILE\0"
    return code in (_APP0, _APP14) or not (_APP0 <= code < _APP0 + 16 or code == _COM)


def without_metadata_references(data: bytes) -> bytes:
    """A HEIF or AVIF file whose EXIF and XMP no longer belong to a picture.

    The decoders would copy the blocks for each picture that refers to them, and Pillow would
    parse them. Nothing is lost: a container turns pictures by properties, not by EXIF.
    """
    return _METADATA_REFERENCE.sub(rb"\1skip", data)


def check_tiff(data: bytes, max_pixels: int) -> None:
    """Refuse a TIFF whose first directory asks for absurd tables or tiles (BrokenImage) or for a
    rare compression (UnsupportedFormat)."""
    tile_pixels = 1
    try:
        for tag, kind, count, value in _tags(data):
            if kind not in _TIFF_BYTES and count > MAX_TIFF_VALUES:
                raise BrokenImage(f"tag {tag} holds {count} values")
            if tag == _COMPRESSION and value not in _TIFF_COMPRESSIONS:
                raise UnsupportedFormat(f"a TIFF compressed by method {value}")
            if tag in (_TILE_WIDTH, _TILE_LENGTH):
                tile_pixels *= value
    except (struct.error, KeyError) as error:
        raise BrokenImage("the TIFF directory is incomplete") from error
    # A tile is decoded in full, even where only a few pixels of it are in the picture.
    if tile_pixels > max_pixels:
        raise BrokenImage(f"its tiles have {tile_pixels} pixels")


def orientation(exif: bytes) -> int:
    """The orientation in an EXIF block, 1 .. 8; 1 (upright) where it is absent or unreadable."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    try:
        value = next((value for tag, _, _, value in _tags(exif) if tag == _ORIENTATION), 1)
    except (struct.error, KeyError):
        return 1
    return value if 1 <= value <= 8 else 1


def _tags(block: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(tag, type, count, value or offset) of the first directory of a TIFF or EXIF block.

    Raises KeyError where there is no such block, and struct.error where it is cut short, which may
    be after some tags.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}[block[:4]]
    (start,) = struct.unpack_from(order + "I", block, 4)
    (number,) = struct.unpack_from(order + "H", block, start)
    for at in range(start + 2, start + 2 + 12 * number, 12):
        tag, kind, count = struct.unpack_from(order + "HHI", block, at)
        (value,) = struct.unpack_from(order + ("H" if kind == _TIFF_SHORT else "I"), block, at + 8)
        yield tag, kind, count, value
