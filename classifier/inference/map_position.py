"""The place of a class activation map in words, for people who cannot see the map itself."""

from collections.abc import Sequence

import numpy as np

# Standard deviation along an axis, in shares of its length, from which on a map counts as even; an
# entirely even one has 0.29.
EVEN = 0.265
# Distance from the middle, in shares of a side, from which on a centre is to one side of it.
OFF_CENTRE = 0.07
PLACES = [
    ["in the upper left", "in the upper part", "in the upper right"],
    ["on the left side", "in the middle", "on the right side"],
    ["in the lower left", "in the lower part", "in the lower right"],
]


def position(rows: np.ndarray, box: Sequence[float]) -> str:
    """Rows (height, width) of 0 to 1 that cover `box` (left, top, right, bottom, shares of the
    photo's sides) → the end of a sentence: "mostly in the lower left", "all over the photo"."""
    weights = np.asarray(rows, np.float64)
    if not weights.sum() > 0:
        return "nowhere in particular"
    left, top, right, bottom = box
    y, spread_y = _centre_and_spread(weights.sum(axis=1), top, bottom)
    x, spread_x = _centre_and_spread(weights.sum(axis=0), left, right)
    row, column = (1 + int(at > 0.5 + OFF_CENTRE) - int(at < 0.5 - OFF_CENTRE) for at in (y, x))
    if row == column == 1 and min(spread_y, spread_x) >= EVEN:
        return "all over the photo"
    return f"mostly {PLACES[row][column]}"


def _centre_and_spread(weights: np.ndarray, start: float, end: float) -> tuple[float, float]:
    """Mean and standard deviation of weights along an axis, each cell an even stretch of it.

    The mean is between `start` and `end`, the deviation in shares of the length between them.
    """
    cells = (np.arange(len(weights)) + 0.5) / len(weights)
    shares = weights / weights.sum()
    centre = float(shares @ cells)
    spread = shares @ (cells - centre) ** 2 + 1 / (12 * len(weights) ** 2)
    return start + (end - start) * centre, float(np.sqrt(spread))
