"""Copies of one another among all images. Pure.

Pairs that may be copies are proposed cheaply, and too many; `curation.similarity.registration` then
lays the two pictures of each over each other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from classifier.assess.images import Images
from curation.issues.new_finding import NewFinding
from curation.similarity import registration
from curation.similarity.registration import BLOCK, SIDE

NEIGHBOURS, NEAR = 6, 0.92  # by features
ALIKE_NEIGHBOURS, ALIKE = 4, 0.90  # by small pictures
SCORES = 2**24
SPLIT_ORDER = {"test": 0, "valid": 1, "train": 2}

Pair = tuple[int, int, float]  # places of two copies among the images, and their difference


def find_pairs(images: Images, features, tick: Callable[[float, str], None]) -> list[Pair]:
    """All pairs of copies. `features`: as `candidates` takes them. `tick(share, what)`: from 0 to 1
    within each of two steps."""
    proposed = candidates(
        features, images.content, lambda share: tick(share / 2, "possible copies")
    )
    differences = registration.differences(
        proposed, images.whole, images.content, lambda share: tick(0.5 + share / 2, "copies")
    )
    close = differences < registration.COPY_BELOW
    pairs = [
        (int(a), int(b), float(difference))
        for (a, b), difference in zip(proposed[close], differences[close], strict=True)
    ]
    return pairs + [(a, b, 0.0) for a, b in _repeated(images.stored or [])]


def joined_groups(images: Images, pairs: Iterable[Pair]) -> np.ndarray:
    """(n,) numbers that are alike for images of one group and for their copies.

    A wrong label would otherwise be excused by the same wrong label of a copy or another view.
    """
    numbers = np.arange(len(images))
    joined = [(a, b) for a, b, _ in pairs] + _repeated(images.group)
    for members in groups(joined, len(images)):
        numbers[members] = members[0]
    return numbers


def find_issues(images: Images, pairs: Iterable[Pair]) -> list[NewFinding]:
    """An issue for each copy that should be removed, with the copy to keep as `other`."""
    difference = {}
    for a, b, found in pairs:
        difference[a, b] = difference[b, a] = found
    issues = []
    for members in groups(list(difference), len(images)):
        left = sorted(members, key=lambda i: _keep_first(images, i))
        # Only copies of the very image that is kept are removed. Through others, a row of black
        # shoes that each look like the next would all be one.
        while left:
            keep, *others = left
            removed = [i for i in others if (i, keep) in difference]
            for i in removed:
                score = 1 - difference[i, keep] / registration.COPY_BELOW / 2
                issues += _copy_issues(images, i, keep, score)
            left = [i for i in others if i not in removed]
    return issues


def _copy_issues(images: Images, copy: int, keep: int, score: float) -> list[NewFinding]:
    same = bool(images.stored) and images.stored[copy] == images.stored[keep]
    reasons = ["exact-duplicate" if same else "near-duplicate"]
    if images.split[copy] != images.split[keep]:
        reasons.append("leakage")
    return [NewFinding(copy, reason, score, other=images.sha256[keep]) for reason in reasons]


def _keep_first(images: Images, i: int) -> tuple:
    """Sort key, the copy to keep first: it leaves no leak, is confirmed, largest, earliest."""
    return (
        SPLIT_ORDER.get(images.split[i], 3),
        not images.confirmed[i],
        -int(images.pixels[i]),
        int(images.order[i]),
    )


def candidates(features, contents, tick: Callable[[float], None] = lambda share: None):
    """Pairs that may be copies: int64 (m, 2), the smaller number first, each pair once.

    `features`: float32 (n, d), unit length. `contents`: uint8 (n, SIDE, SIDE, 3). A crop is found
    among the nearest in feature space, everything that keeps the content among the small pictures
    that look alike, straight or mirrored. `tick(share)`: from 0 to 1.
    """
    straight, mirrored = _thumbnails(contents), _thumbnails(contents[:, :, ::-1])
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


def groups(pairs: Sequence, number: int) -> list[list[int]]:
    """The connected components of a graph of `number` images, whose edges are `pairs`.

    Members ascend, groups are ordered by their first; images without a pair are in none.
    """
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges), bool), edges.T), shape=(number, number))
    _, component = connected_components(graph, directed=False)
    members = defaultdict(list)
    for image in np.unique(edges).tolist():
        members[component[image]].append(image)
    return list(members.values())


def _repeated(names: Sequence[str]) -> list[tuple[int, int]]:
    """(first, later) for every name that occurs again; empty names do not count."""
    first: dict[str, int] = {}
    return [
        (first[name], i) for i, name in enumerate(names) if name and first.setdefault(name, i) != i
    ]


def _thumbnails(contents) -> np.ndarray:
    """(n, 192) unit vectors of 8×8 pixels, less their mean."""
    n = len(contents)
    step = SIDE // 8
    vectors = np.empty((n, 192), np.float32)
    for start in range(0, n, BLOCK):
        part = contents[start : start + BLOCK].astype(np.float32)
        means = part.reshape(len(part), 8, step, 8, step, 3).mean((2, 4)).reshape(len(part), -1)
        means -= means.mean(1, keepdims=True)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        vectors[start : start + BLOCK] = means / (lengths + 1e-6)
    return vectors


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
