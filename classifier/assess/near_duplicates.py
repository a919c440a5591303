"""Copies among many photographs: pairs proposed, cheaply and too many, and groups of them. Pure.

Whether a proposed pair is one is for `curation.similarity.registration` to say.
"""

from collections.abc import Callable, Iterator

import numpy as np

from curation.similarity.registration import BLOCK, SIDE

NEIGHBOURS, NEAR = 6, 0.92  # by features
ALIKE_NEIGHBOURS, ALIKE = 4, 0.90  # by small pictures
SCORES = 2**24


def candidates(features, contents, tick: Callable[[float], None] = lambda share: None):
    """Pairs that may be copies: int64 (m, 2), the smaller number first, each pair once.

    `features`: float32 (n, d), unit length. `contents`: uint8 (n, SIDE, SIDE, 3). A crop is found
    among the nearest in feature space, everything that keeps the content among the small pictures
    that look alike, straight or mirrored. `tick(share)`: from 0 to 1.
    """
    straight, mirrored = _looks(contents), _looks(contents[:, :, ::-1])
    pairs = []
    # Each block's scores take 64 MB, whatever the number of images.
    step = max(1, min(BLOCK, SCORES // max(1, len(features))))
    for start in range(0, len(features), step):
        block = slice(start, start + step)
        near = features[block] @ features.T
        pairs.append(_nearest(near, start, NEIGHBOURS, NEAR))
        alike = np.maximum(straight[block] @ straight.T, mirrored[block] @ straight.T)
        pairs.append(_nearest(alike, start, ALIKE_NEIGHBOURS, ALIKE))
        tick(min(1.0, (start + step) / len(features)))
    if not pairs:
        return np.empty((0, 2), np.int64)
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)


def groups(pairs, number: int) -> Iterator[list[int]]:
    """Images that copies join, directly or over others: lists of two numbers or more."""
    parent = list(range(number))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in pairs:
        parent[root(int(a))] = root(int(b))
    members: dict[int, list[int]] = {}
    for node in sorted({int(node) for pair in pairs for node in pair}):
        members.setdefault(root(node), []).append(node)
    yield from members.values()


def _looks(contents) -> np.ndarray:
    """(n, 192) unit vectors: 8×8 pixels, the mean taken out."""
    n = len(contents)
    step = SIDE // 8
    looks = np.empty((n, 192), np.float32)
    for start in range(0, n, BLOCK):
        part = contents[start : start + BLOCK].astype(np.float32)
        means = part.reshape(len(part), 8, step, 8, step, 3).mean((2, 4)).reshape(len(part), -1)
        means -= means.mean(1, keepdims=True)
        looks[start : start + BLOCK] = means / (np.linalg.norm(means, axis=1, keepdims=True) + 1e-6)
    return looks


def _nearest(scores, start: int, number: int, above: float) -> np.ndarray:
    """(k, 2) pairs of a row, counted from `start`, and one of the columns that score best in it."""
    rows = np.arange(len(scores))
    scores[rows, rows + start] = -1
    row, column = np.nonzero(scores > above)
    order = np.lexsort((-scores[row, column], row))
    row, column = row[order], column[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    best = rank < number
    return np.stack([row[best] + start, column[best]], axis=1)
