"""Background replacement for catalogue shots, to look like photographs that people take.

A shoe on a white background is cut out, turned, perhaps shown as a pair, and pasted on a
photographed background. Pillow, numpy and scipy only.
"""

import random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from scipy import ndimage

WHITE_FROM = 235  # darkest channel of a pixel that counts as white; JPEG leaves noise
WHITE_BORDER = 0.7  # share of the border's pixels that must be white
SHOE_SHARES = (0.08, 0.85)  # of the picture; a cut-out smaller or larger than this failed
PAIR = 0.5  # probability that two shoes are shown


def cut_out(image: Image.Image) -> Image.Image | None:
    """Mask ("L", 255 = shoe) of what stands on a white background; None without such a background.

    The background is everything near white that is connected to the border, so white parts inside a
    shoe stay. The mask is a pixel smaller than the shoe and soft: else a white seam would show.
    """
    pixels = np.asarray(image.convert("RGB"))
    white = pixels.min(axis=2) >= WHITE_FROM
    border = np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]])
    if border.mean() < WHITE_BORDER:
        return None
    parts, _ = ndimage.label(white)
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    shoe = ~np.isin(parts, np.setdiff1d(edge, [0]))
    if not SHOE_SHARES[0] <= shoe.mean() <= SHOE_SHARES[1]:
        return None
    shoe = ndimage.binary_erosion(shoe)
    mask = Image.fromarray(shoe.astype(np.uint8) * 255)
    return mask.filter(ImageFilter.GaussianBlur(0.7))


def replace_background(
    image: Image.Image, photo: Image.Image | None, rng: random.Random
) -> Image.Image:
    """The shoe of `image` on another background; `image` itself where it cannot be cut out.

    `photo`: the background is one of its corners; None draws one. The result is a square as wide as
    the picture's longer side. All random numbers come from `rng`.
    """
    mask = cut_out(image)
    box = mask and mask.getbbox()
    if not box:
        return image
    side = max(image.size)
    canvas = _background(photo, side, rng)
    shoe, mask = image.crop(box), mask.crop(box)
    shoe = ImageEnhance.Brightness(shoe).enhance(rng.uniform(0.6, 1.1))
    # Most shoes are photographed upright or nearly; from above they lie at any angle.
    angle = rng.uniform(-25, 25) if rng.random() < 0.75 else rng.uniform(-180, 180)
    pair = rng.random() < PAIR
    size = side * rng.uniform(0.55, 0.7 if pair else 0.95)
    if pair:
        apart = size * rng.uniform(0.25, 0.55)
        turned = angle + rng.uniform(-15, 15)
        _paste(canvas, shoe, mask, size, turned, (apart, -apart / 3), rng)
        _paste(canvas, shoe, mask, size, angle, (-apart / 2, apart / 6), rng)
    else:
        _paste(canvas, shoe, mask, size, angle, (0, 0), rng)
    return canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1)))


def _background(photo: Image.Image | None, side: int, rng: random.Random) -> Image.Image:
    """A square: a corner of a photograph, whose shoe is in the middle; or drawn."""
    if photo is None:
        noise = np.random.default_rng(rng.getrandbits(32))
        colour = noise.uniform(40, 215, 3) + noise.normal(0, 18, (16, 16, 1))
        return Image.fromarray(colour.clip(0, 255).astype(np.uint8)).resize((side, side))
    cut = round(min(photo.size) * rng.uniform(0.2, 0.35))
    left = rng.choice((0, photo.width - cut))
    top = rng.choice((0, photo.height - cut))
    corner = photo.crop((left, top, left + cut, top + cut)).rotate(rng.choice((0, 90, 180, 270)))
    return corner.resize((side, side), Image.Resampling.BICUBIC)


def _paste(canvas, shoe, mask, size, angle, offset, rng) -> None:
    """Paste the shoe with a shadow: `size` pixels at its longer side, turned by `angle` degrees."""
    scale = size / max(shoe.size)
    scaled = tuple(max(1, round(length * scale)) for length in shoe.size)
    shoe = shoe.resize(scaled, Image.Resampling.BILINEAR, reducing_gap=3.0)
    mask = mask.resize(scaled, Image.Resampling.BILINEAR)
    shoe = shoe.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    mask = mask.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    spare = (canvas.width - size) / 4
    left = (canvas.width - shoe.width) / 2 + offset[0] + rng.uniform(-spare, spare)
    top = (canvas.height - shoe.height) / 2 + offset[1] + rng.uniform(-spare, spare)
    where = (round(left), round(top))
    shadow = mask.filter(ImageFilter.GaussianBlur(size / 20)).point(lambda value: value * 0.6)
    drop = round(size / 20)
    canvas.paste((20, 20, 20), (where[0] + rng.randint(-drop, drop), where[1] + drop), shadow)
    canvas.paste(shoe, where, mask)
