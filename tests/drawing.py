"""Drawn pictures for tests, in every accepted format."""

import io
import random
import struct
import zlib

import pillow_heif
from PIL import Image, ImageCms, ImageDraw

pillow_heif.register_heif_opener()

RED = (190, 40, 45)
BLUE = (40, 60, 180)

# What `encoded` takes → the format that `decode` reports.
FORMATS = {
    "JPEG": "JPEG",
    "MPO": "JPEG",
    "PNG": "PNG",
    "WEBP": "WEBP",
    "GIF": "GIF",
    "BMP": "BMP",
    "TIFF": "TIFF",
    "AVIF": "AVIF",
    "HEIF": "HEIF",
}
# Formats that keep the colours of a drawing to within a few steps.
LOSSY = {"JPEG", "MPO", "WEBP", "AVIF", "HEIF"}


def shoe(
    size: tuple[int, int] = (160, 120),
    colour: tuple[int, int, int] = RED,
    seed: int = 0,
    background: tuple[int, int, int] = (255, 255, 255),
) -> Image.Image:
    """A shoe from the side, toe to the right, RGB. `seed` changes its shape: heel, toe, shaft,
    place and the stripes on it."""
    chance = random.Random(seed)
    width, height = size
    image = Image.new("RGB", size, background)
    draw = ImageDraw.Draw(image)

    def at(x: float, y: float) -> tuple[float, float]:
        return x * width, y * height

    left, right = chance.uniform(0.05, 0.2), chance.uniform(0.8, 0.95)
    sole, top = chance.uniform(0.7, 0.85), chance.uniform(0.1, 0.5)
    heel, ankle = chance.uniform(0.0, 0.2), chance.uniform(0.3, 0.5)
    toe = chance.uniform(0.08, 0.25)
    draw.polygon(
        [at(left, top), at(ankle, top), at(ankle + 0.15, sole - toe - 0.05), at(right, sole - toe),
         at(right, sole), at(left, sole - heel)],
        fill=colour,
    )  # fmt: skip
    draw.rectangle([at(left, sole - heel), at(left + 0.12, 0.9)], fill=(30, 30, 30))
    draw.line([at(left, 0.9), at(right, sole)], fill=(30, 30, 30), width=max(2, height // 30))
    for _ in range(chance.randint(2, 5)):
        x, y = chance.uniform(left, ankle), chance.uniform(top, sole - 0.1)
        pale = tuple(min(255, part + 90) for part in colour)
        draw.rectangle(
            [at(x, y), at(x + chance.uniform(0.05, 0.2), y + chance.uniform(0.03, 0.1))], fill=pale
        )
    return image


def encoded(image: Image.Image, format: str = "JPEG", **options) -> bytes:
    """The bytes of a picture; `options` go to Pillow's `save`."""
    if format == "AVIF":
        options.setdefault("speed", 10)
    if format == "MPO":
        options = {"save_all": True, "append_images": [image.copy()], **options}
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def exif(orientation: int) -> bytes:
    """An EXIF block that says how to turn the picture, as `save(exif=…)` takes it."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def display_p3() -> bytes:
    """An ICC profile of Display P3: that of sRGB with other primaries (adapted to D50, as Apple
    publishes them) and another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for tag, xyz in P3_PRIMARIES.items():
        entry = profile.index(tag)
        start = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        fixed = struct.pack(">3i", *(round(part * 65536) for part in xyz))
        profile = profile[:start] + fixed + profile[start + 12 :]
    return profile.replace("sRGB".encode("utf-16-be"), "Wide".encode("utf-16-be"))


P3_PRIMARIES = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}


def png_chunk(kind: bytes, body: bytes = b"") -> bytes:
    """One chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    """An 8-bit grey PNG that declares a size and holds what it is given."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zlib.compress(pixels))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND")


def tiff(tags: list[tuple[int, int, int, int]], rest: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory: (tag, type, count, value or offset), then `rest`."""
    directory = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (
        b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + struct.pack("<I", 0) + rest
    )  # fmt: skip
