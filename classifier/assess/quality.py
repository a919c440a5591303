"""Is the picture itself any good? cleanvision's measures, one picture at a time. Pure."""

import math

from cleanvision.issue_managers.image_property import (
    MAX_RESOLUTION_FOR_BLURRY_DETECTION,
    calc_blurriness,
    calc_entropy,
    calc_percentile_brightness,
    calc_std_grayscale,
)
from PIL import Image

# cleanvision's default thresholds, of scores from 0 (bad) to 1; below is an issue.
THRESHOLDS = {
    "dark": 0.32,
    "blown-out": 0.05,
    "blurred": 0.29,
    "odd-shape": 0.35,
    "almost-empty": 0.30,
}
MEASURES = tuple(THRESHOLDS)
TINY = "tiny"
_NORMAL, _EMPTY, _FLAT = 0.01, 0.1, 0.18  # cleanvision's normalising factors


def measure(image: Image.Image) -> list[float]:
    """The scores of an RGB picture, 0 (bad) to 1, in the order of MEASURES.

    dark: the brightness that only one pixel in a hundred exceeds. blown-out: 1 less the brightness
    that only one in twenty falls below. blurred: the spread of the edges. odd-shape: the shorter
    side by the longer. almost-empty: entropy.
    """
    low, high = calc_percentile_brightness(image, [5, 99])
    width, height = image.size
    empty = min(1.0, _EMPTY * calc_entropy(image))
    scores = (high, 1 - low, _sharpness(image), min(width, height) / max(width, height), empty)
    return [round(float(score), 4) for score in scores]


def found(scores: dict[str, float], shorter_side: int, smallest: int) -> dict[str, float]:
    """Reason → how bad it is, 0 to 1, for what is below its threshold.

    `shorter_side` in pixels as received; below `smallest` the picture is tiny.
    """
    bad = {
        name: 1 - score / THRESHOLDS[name]
        for name, score in scores.items()
        if name in THRESHOLDS and score < THRESHOLDS[name]
    }
    if shorter_side < smallest:
        bad[TINY] = 1 - shorter_side / smallest
    return bad


def _sharpness(image: Image.Image) -> float:
    """As cleanvision's BlurrinessProperty scores it; a picture with a flat histogram is spared."""
    ratio = max(image.size) / MAX_RESOLUTION_FOR_BLURRY_DETECTION
    if ratio > 1:
        image = image.resize(tuple(max(1, int(side // ratio)) for side in image.size))
    grey = image.convert("L")
    edges = 1 - math.exp(-calc_blurriness(grey) * _NORMAL)
    spread = 1 - math.exp(-calc_std_grayscale(grey) * _NORMAL)
    return min(1.0, edges + (spread if spread > _FLAT else 0.0))
