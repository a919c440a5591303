"""Class activation maps: which part of a picture counts for a class. numpy, no torch.

The head is average pool → one Linear, so a class's logit is the mean, over all places of the last
map, of features times the class's weights, plus its bias (Zhou et al. 2016, Learning Deep Features
for Discriminative Localization).
"""

import numpy as np
from PIL import Image

from classifier.inference.map_position import position
from classifier.inference.preprocess import Preprocess, window

DIGITS = 3


def class_weights(probabilities: np.ndarray, members: list[int]) -> np.ndarray:
    """Weights (classes,) by which the maps of several classes are mixed: by probability.

    So weighted, the map is the gradient of the log of their summed probability, before the others
    are subtracted. A single member has weight 1.
    """
    probabilities = np.asarray(probabilities, np.float32)
    weights = np.zeros_like(probabilities)
    weights[members] = probabilities[members]
    total = weights.sum()
    weights[members] = weights[members] / total if total > 0 else 1 / len(members)
    return weights


def activation_map(features: np.ndarray, head: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Features (channels, height, width), head (classes, channels + 1: weights and bias), class
    weights (classes,) → float32 (height, width).

    Its mean plus the bias is the logit, for several classes the weighted mean of their logits.
    """
    return np.tensordot((weights @ head[:, :-1]).astype(np.float32), features, 1)


def contrast_map(features: np.ndarray, head: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`activation_map`, less that of the average class: float32 (height, width).

    What all logits have in common does not change the probabilities, and there is much of it where
    there is no shoe: without this, maps of street photos light up floors and corners.
    """
    return activation_map(features, head, weights - np.float32(1 / len(weights)))


def overlay(activations: np.ndarray, size: tuple[int, int], spec: Preprocess) -> dict:
    """A map to be laid over the upright picture of `size` (width, height).

    `rows`: 0 (counts for nothing or against the class) to 1 (counts most), rows from top to bottom;
    `box`: the part of the picture that they cover, left, top, right and bottom in shares of its
    sides; `where`: the same in words, see `map_position`. Cells over the background of a padded
    picture are cut away.
    """
    box, (left, top, right, bottom) = window(size, spec)
    height, width = activations.shape
    cut = Image.fromarray(np.ascontiguousarray(activations, np.float32)).resize(
        (max(1, round(width * (right - left))), max(1, round(height * (bottom - top)))),
        Image.Resampling.BILINEAR,
        box=(left * width, top * height, right * width, bottom * height),
    )
    rows = np.maximum(np.asarray(cut), 0)
    # Where nothing counts for the class, the map stays dark: noise is not amplified.
    rows /= rows.max() or 1
    return {
        "rows": [[round(float(cell), DIGITS) for cell in row] for row in rows],
        "box": [round(edge, DIGITS + 1) for edge in box],
        "where": position(rows, box),
    }
