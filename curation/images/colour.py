"""Whatever a decoder gives → RGB in sRGB, eight bits, nothing transparent."""

import io

import numpy as np
from PIL import Image, ImageCms

# Which modes a profile's colour space describes.
_PROFILED = {"RGB ": {"RGB", "RGBA"}, "GRAY": {"L"}, "CMYK": {"CMYK"}, "Lab ": {"LAB"}}


def to_srgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """A loaded picture of any mode as a new RGB picture, of the same size, without metadata.

    An embedded profile is applied; transparent parts stand on `background` (sRGB, 0 .. 255).
    """
    profile = image.info.get("icc_profile")
    image = _plain(image)
    if isinstance(profile, bytes) and profile:
        image = _converted(image, profile)
    if image.mode == "LAB":
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    if image.mode == "RGBA":
        canvas = Image.new("RGB", image.size, background)
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    # A copy in any case: what a file's plugin returned keeps its tags within reach.
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
    """Grey of 16 or 32 bits → L, scaled: Pillow's own conversion clips at 255.

    16 bits are scaled from their whole range. 32 bits have no agreed range: the smallest usual one
    that holds all values (0..1 for floats, 8 bits, 16 bits), else from lowest to highest.
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


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    """From the profile's colours to sRGB; as it was where the profile is broken or not for it."""
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode not in _PROFILED.get(embedded.profile.xcolor_space, ()):
            return image
        name = (embedded.profile.profile_description or "").lower()
        if name.startswith("srgb") and "linear" not in name:
            return image
        return ImageCms.profileToProfile(
            image,
            embedded,
            ImageCms.createProfile("sRGB"),
            outputMode="RGBA" if image.mode == "RGBA" else "RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, UnicodeError):
        return image
