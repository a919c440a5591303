"""Pictures of poor quality, by cleanvision's measures. Pure."""

import math

from cleanvision.issue_managers.image_property import (
    MAX_RESOLUTION_FOR_BLURRY_DETECTION,
    calc_blurriness,
    calc_entropy,
    calc_percentile_brightness,
    calc_std_grayscale,
)
from PIL import Image

from classifier.assess.images import Images
from curation.issues.new_finding import NewFinding

# cleanvision's default thresholds, of scores from 0 (bad) to 1; below is an issue.
THRESHOLDS = {
    "dark": 0.32,
    "blown-out": 0.05,
    "blurred": 0.29,
    "odd-shape": 0.35,
    "almost-empty": 0.30,
}
MEASURES = tuple(THRESHOLDS)
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


def find_issues(images: Images, smallest: int) -> list[NewFinding]:
    """An issue for each measure below its threshold, and for each picture whose shorter side has
    fewer pixels than `smallest`."""
    issues = []
    for i, scores in enumerate(images.quality):
        for reason, score in zip(MEASURES, map(float, scores), strict=True):
            if score < THRESHOLDS[reason]:
                issues.append(NewFinding(i, reason, 1 - score / THRESHOLDS[reason]))
        shorter_side = int(images.shorter_side[i])
        if shorter_side < smallest:
            issues.append(NewFinding(i, "tiny", 1 - shorter_side / smallest))
    return issues


def _sharpness(image: Image.Image) -> float:
    """cleanvision's BlurrinessProperty; a picture with a flat histogram gets no bonus."""
    ratio = max(image.size) / MAX_RESOLUTION_FOR_BLURRY_DETECTION
    if ratio > 1:
        image = image.resize(tuple(max(1, int(side // ratio)) for side in image.size))
    grey = image.convert("L")
    edges = 1 - math.exp(-calc_blurriness(grey) * _NORMAL)
    spread = 1 - math.exp(-calc_std_grayscale(grey) * _NORMAL)
    return min(1.0, edges + (spread if spread > _FLAT else 0.0))
