"""Convert decoded pictures of any mode to opaque 8-bit RGB in sRGB."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

# Colour space of a profile → modes it describes.
_PROFILED = {"RGB ": {"RGB", "RGBA"}, "GRAY": {"L"}, "CMYK": {"CMYK"}, "Lab ": {"LAB"}}


def to_srgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Return a new RGB picture without metadata, of the same size as a loaded picture of any mode.

    An embedded profile is applied; transparent parts are put on `background` (sRGB, 0 .. 255).
    """
    profile = image.info.get("icc_profile")
    image = _plain(image)
    if isinstance(profile, bytes) and profile:
        image = _apply_profile(image, profile)
    if image.mode == "LAB":
        image = _transform(image, ImageCms.createProfile("LAB"), "RGB")
    if image.mode == "RGBA":
        canvas = Image.new("RGB", image.size, background)
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    # A copy in any case: the plugin's own image object keeps the file's tags.
    image = image.copy() if image.mode == "RGB" else image.convert("RGB")
    image.info.clear()
    return image


def _plain(image: Image.Image) -> Image.Image:
    """Any mode → L, RGB, RGBA, CMYK or LAB."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _eight_bits(image)
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey of 16 or 32 bits to L; Pillow's own conversion clips at 255.

    16 bits are scaled from their whole range. 32 bits have no agreed range: taken is the smallest
    usual one that holds all values (0..1 for floats, 8 bits, 16 bits), else lowest to highest.
    """
    values = np.asarray(image, dtype=np.float32)
    low, high = 0.0, 65535.0
    if not image.mode.startswith("I;16"):
        values = np.clip(np.nan_to_num(values), -1e30, 1e30)
        lowest, highest = float(values.min()), float(values.max())
        usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        fitting = [top for top in usual if highest <= top] if lowest >= 0 else []
        low, high = (0.0, fitting[0]) if fitting else (lowest, highest)
    scaled = (values - low) * (255 / ((high - low) or 1))
    return Image.fromarray((scaled + 0.5).astype(np.uint8))


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert to sRGB; return the image as it is where the profile is broken or for other modes."""
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode not in _PROFILED.get(embedded.profile.xcolor_space, ()):
            return image
        name = (embedded.profile.profile_description or "").lower()
        if name.startswith("srgb") and "linear" not in name:
            return image
        return _transform(image, embedded, "RGBA" if image.mode == "RGBA" else "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, UnicodeError):
        return image


def _transform(image: Image.Image, profile: Any, mode: str) -> Image.Image:
    """Convert from a profile to sRGB, as `mode`."""
    srgb = ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(profile, srgb, image.mode, mode).apply(image)
