"""Where in a photo a class map lies, in words: for who cannot see it laid over the photo."""

from collections.abc import Sequence

import numpy as np

EVERYWHERE, NOWHERE = "all over the photo", "nowhere in particular"
# An even map's standard deviation is 0.29 of what it covers, each way; from here on it is even.
EVEN = 0.265
# How far from the middle, in shares of a side, the centre of a map is on one side of the photo.
ASIDE = 0.07
PLACES = [
    ["in the upper left", "in the upper part", "in the upper right"],
    ["on the left side", "in the middle", "on the right side"],
    ["in the lower left", "in the lower part", "in the lower right"],
]


def where(rows: np.ndarray, box: Sequence[float]) -> str:
    """Rows (height, width) of 0 to 1 that cover `box` (left, top, right, bottom, shares of the
    photo's sides) → the end of a sentence: "mostly in the lower left", "all over the photo"."""
    weights = np.asarray(rows, np.float64)
    if not weights.sum() > 0:
        return NOWHERE
    left, top, right, bottom = box
    down, high = _along(weights.sum(axis=1), top, bottom)
    across, wide = _along(weights.sum(axis=0), left, right)
    line, column = (1 + int(at > 0.5 + ASIDE) - int(at < 0.5 - ASIDE) for at in (down, across))
    if line == column == 1 and min(high, wide) >= EVEN:
        return EVERYWHERE
    return f"mostly {PLACES[line][column]}"


def _along(weights: np.ndarray, start: float, end: float) -> tuple[float, float]:
    """Where the centre is of what lies between two places, each cell an even stretch; and its
    standard deviation, in shares of the way between them."""
    cells = (np.arange(len(weights)) + 0.5) / len(weights)
    shares = weights / weights.sum()
    centre = float(shares @ cells)
    spread = shares @ (cells - centre) ** 2 + 1 / (12 * len(weights) ** 2)
    return start + (end - start) * centre, float(np.sqrt(spread))
