"""Which part of a picture speaks for a class, from a network's last features. numpy, no torch.

The head is average pool → one Linear, so a class's logit is the mean, over all places of the last
map, of features times the class's weights, plus its bias (Zhou et al. 2016, Learning Deep Features
for Discriminative Localization).
"""

import numpy as np
from PIL import Image

from classifier.inference import map_position
from classifier.inference.preprocess import Preprocess, window

DIGITS = 3


def shares(probabilities: np.ndarray, members: list[int]) -> np.ndarray:
    """How much each class (classes,) counts for what several of them stand for: by probability.

    So mixed, the map is the gradient of the log of their summed probability, before the others are
    subtracted. One member has all of it.
    """
    probabilities = np.asarray(probabilities, np.float32)
    mixed = np.zeros_like(probabilities)
    mixed[members] = probabilities[members]
    total = mixed.sum()
    mixed[members] = mixed[members] / total if total > 0 else 1 / len(members)
    return mixed


def evidence(features: np.ndarray, head: np.ndarray, mixed: np.ndarray) -> np.ndarray:
    """Features (channels, height, width), head (classes, channels + 1: weights and bias), shares
    (classes,) → float32 (height, width).

    Its mean plus the bias is the logit, for several classes the mean of their logits by share.
    """
    return np.tensordot((mixed @ head[:, :-1]).astype(np.float32), features, 1)


def beyond_average(features: np.ndarray, head: np.ndarray, mixed: np.ndarray) -> np.ndarray:
    """`evidence`, less that of the average class: float32 (height, width).

    The probabilities do not know what all logits have in common, and there is much of it where
    there is no shoe: without this, maps of street photos light up floors and corners.
    """
    return evidence(features, head, mixed - np.float32(1 / len(mixed)))


def laid_over(found: np.ndarray, size: tuple[int, int], spec: Preprocess) -> dict:
    """What was found, for the upright picture of `size` (width, height).

    `rows`: 0 (nothing, or it speaks against the class) to 1 (the place that says most), rows from
    top to bottom; `box`: which part of the picture they cover, left, top, right and bottom in
    shares of its sides; `where`: the same in words, see `map_words`. Cells over the background of
    a padded picture are cut away.
    """
    box, (left, top, right, bottom) = window(size, spec)
    height, width = found.shape
    cut = Image.fromarray(np.ascontiguousarray(found, np.float32)).resize(
        (max(1, round(width * (right - left))), max(1, round(height * (bottom - top)))),
        Image.Resampling.BILINEAR,
        box=(left * width, top * height, right * width, bottom * height),
    )
    rows = np.maximum(np.asarray(cut), 0)
    most = rows.max()
    # Where nothing speaks for the class, the map is dark: it is not stretched to noise.
    rows = rows / most if most > 0 else rows
    return {
        "rows": [[round(float(cell), DIGITS) for cell in row] for row in rows],
        "box": [round(edge, DIGITS + 1) for edge in box],
        "where": map_position.where(rows, box),
    }
