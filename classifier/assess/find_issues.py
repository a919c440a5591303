"""Everything seen of the images → everything found. Pure: numbers in, numbers out."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from classifier.assess import label_issues, near_duplicates, outliers, quality
from curation.similarity import registration

# Features are brought down to as many principal components before anything is fitted to them: the
# fits take a fraction of the time and lose next to nothing.
FIT_COMPONENTS, DISTANCE_COMPONENTS = 256, 128
BLOCK = 4096  # rows that are made float32 at a time
UNCERTAIN_BELOW = 0.40
NOT_A_SHOE_ABOVE = 0.50
SPLIT_ORDER = {"test": 0, "valid": 1, "train": 2}


@dataclass(frozen=True)
class Images:
    """What is known of the images, one entry for each; n of them.

    `label`: slugs, empty for none. `group`: views of one thing share it; empty for none. `pixels`:
    width times height as received. `shorter_side`: likewise, in pixels. `order`: a number that
    grows with the time of arrival. `embedding`: float16 or float32 (n, d), maybe mapped from disk.
    `whole`, `content`: uint8 (n, side, side, 3), as `likeness.small` makes them. `quality`: float32
    (n, measures). `own`: (n, own classes) what the network that embedded them takes them for, rows
    of NaN for images it was trained on; `own_classes`: slugs. `stored`: digests of the stored
    pictures, which are alike where the pixels are.
    """

    sha256: list[str]
    label: list[str]
    group: list[str]
    split: list[str]
    confirmed: np.ndarray
    pixels: np.ndarray
    shorter_side: np.ndarray
    order: np.ndarray
    embedding: np.ndarray
    whole: np.ndarray
    content: np.ndarray
    quality: np.ndarray
    own: np.ndarray | None = None
    own_classes: tuple[str, ...] = ()
    stored: list[str] | None = None

    def __len__(self):
        return len(self.sha256)


@dataclass(frozen=True)
class Said:
    """One finding: `image` is a place among the images, the rest as `findings.Found` has it."""

    image: int
    reason: str
    score: float
    other: str = ""
    suggested: str = ""


@dataclass(frozen=True)
class Verdict:
    """What was found. `classes`: slugs, in the order of the columns of `judged.probabilities`;
    `judged` is None where there are too few labels. `strangeness`: (n,) robust standard deviations
    from the usual distance, or None. `overlapping`: [[slug, slug, images], …]."""

    classes: list[str]
    judged: label_issues.Judged | None
    strangeness: np.ndarray | None
    overlapping: list[list]
    said: list[Said] = field(repr=False)


def reach(
    images: Images,
    smallest: int,
    tick: Callable[[float, str], None] = lambda share, what: None,
) -> Verdict:
    """Judge all images. `smallest`: pixels of a shorter side below which a picture is tiny.

    `tick(share, what)`: from 0 to 1 within each of the steps that `what` names.
    """
    features = _unit(images.embedding)
    pairs, groups = _copies(images, features, tick)
    said = _about_copies(images, pairs)
    fitted = components(images.embedding, FIT_COMPONENTS)
    classes = sorted({label for label in images.label if label} | set(images.own_classes))
    number = {slug: i for i, slug in enumerate(classes)}
    given = np.array(
        [number.get(label, label_issues.UNLABELLED) for label in images.label], np.int64
    )
    judged = strangeness = None
    pairs_of_types = []
    if len(images):
        judged = label_issues.judge(
            fitted, given, groups, len(classes), _own(images, number),
            lambda done, of: tick(done / of, "labels"),
        )  # fmt: skip
    if judged is not None:
        strangeness = outliers.distances(
            fitted[:, :DISTANCE_COMPONENTS], given, judged.probabilities
        )
        pairs_of_types = label_issues.overlapping(given, judged.probabilities, classes)
        said += _about_labels(given, judged, classes)
        said += _about_strangers(given, judged, strangeness, classes)
    said += _about_pictures(images, smallest)
    return Verdict(classes, judged, strangeness, pairs_of_types, said)


def _own(images: Images, number: dict[str, int]) -> np.ndarray | None:
    if not images.own_classes:
        return None
    own = np.zeros((len(images), len(number)), np.float32)
    own[:, [number[slug] for slug in images.own_classes]] = images.own
    own[np.isnan(own).any(1)] = np.nan
    return own


def _unit(embedding) -> np.ndarray:
    """Float32 (n, min(d, FIT_COMPONENTS)), unit length: where there are more features, their
    projection that keeps most of every product of two."""
    if embedding.shape[1] <= FIT_COMPONENTS:
        return _normal(np.asarray(embedding, np.float32))
    blocks = [slice(start, start + BLOCK) for start in range(0, len(embedding), BLOCK)]

    def normal(block):
        return _normal(np.asarray(embedding[block], np.float32))

    vectors = _leading(map(normal, blocks), embedding.shape[1], FIT_COMPONENTS)
    reduced = np.empty((len(embedding), FIT_COMPONENTS), np.float32)
    for block in blocks:
        reduced[block] = _normal(normal(block) @ vectors)
    return reduced


def _normal(features) -> np.ndarray:
    return features / (np.linalg.norm(features, axis=1, keepdims=True) + 1e-6)


def components(embedding, most: int) -> np.ndarray:
    """Float32 (n, min(d, most)): the principal components, largest first."""
    if len(embedding) < 2:
        return np.asarray(embedding, np.float32)
    # By blocks: as float32 and centred, all of it would take several times what it takes on disk.
    blocks = [slice(start, start + BLOCK) for start in range(0, len(embedding), BLOCK)]
    centre = np.asarray(embedding.mean(0, dtype=np.float64), np.float32)

    def centred(block):
        return np.asarray(embedding[block], np.float32) - centre

    vectors = _leading(map(centred, blocks), embedding.shape[1], most)
    found = np.empty((len(embedding), vectors.shape[1]), np.float32)
    for block in blocks:
        found[block] = centred(block) @ vectors
    return found


def _leading(blocks, width: int, most: int) -> np.ndarray:
    """(width, min(width, most)) the directions in which the rows of all blocks reach furthest."""
    products = np.zeros((width, width))
    for rows in blocks:
        products += rows.T @ rows
    return np.linalg.eigh(products)[1][:, ::-1][:, :most].astype(np.float32)


def _copies(images: Images, features, tick) -> tuple[list, np.ndarray]:
    """Pairs of copies, [(a, b, difference), …], and each image's group for the folds: numbers."""
    proposed = near_duplicates.candidates(
        features, images.content, lambda share: tick(share / 2, "possible copies")
    )
    apart = registration.differences(
        proposed, images.whole, images.content, lambda share: tick(0.5 + share / 2, "copies")
    )
    found = np.flatnonzero(apart < registration.COPY_BELOW)
    pairs = [
        (int(a), int(b), float(d)) for (a, b), d in zip(proposed[found], apart[found], strict=True)
    ]
    pairs += [(a, b, 0.0) for a, b in _repeated(images.stored or [])]
    # Copies share a group, and so do all views of what they show, or a wrong label in the one would
    # be excused by the same in the other.
    joined = [(a, b) for a, b, _ in pairs] + _repeated(images.group)
    numbers = np.arange(len(images))
    for members in near_duplicates.groups(joined, len(images)):
        numbers[members] = members[0]
    return pairs, numbers


def _repeated(names: list[str]) -> list[tuple[int, int]]:
    """(first, later) for every name that was there before; empty names are none."""
    first: dict[str, int] = {}
    return [
        (first[name], i) for i, name in enumerate(names) if name and first.setdefault(name, i) != i
    ]


def _about_copies(images: Images, pairs) -> list[Said]:
    """Each copy that should go, beside the one to keep."""
    apart = {}
    for a, b, difference in pairs:
        apart[a, b] = apart[b, a] = difference
    said = []
    for members in near_duplicates.groups([(a, b) for a, b, _ in pairs], len(images)):
        left = sorted(members, key=lambda i: _worth_keeping(images, i))
        # Only what is a copy of the one kept goes with it. Over others, a row of black shoes that
        # each look like the next would all be one.
        while left:
            keep, *others = left
            gone = [i for i in others if (i, keep) in apart]
            for i in gone:
                score = 1 - apart[i, keep] / registration.COPY_BELOW / 2
                said += _about_copy(images, i, keep, score)
            left = [i for i in others if i not in gone]
    return said


def _about_copy(images: Images, gone: int, keep: int, score: float) -> list[Said]:
    same = bool(images.stored) and images.stored[gone] == images.stored[keep]
    reasons = ["exact-duplicate" if same else "near-duplicate"]
    if images.split[gone] != images.split[keep]:
        reasons.append("leakage")
    return [Said(gone, reason, score, other=images.sha256[keep]) for reason in reasons]


def _worth_keeping(images: Images, i: int) -> tuple:
    """What sorts the copy to keep first: it leaves no leak, is confirmed, largest, earliest."""
    return (
        SPLIT_ORDER.get(images.split[i], 3),
        not images.confirmed[i],
        -int(images.pixels[i]),
        int(images.order[i]),
    )


def _about_labels(given, judged: label_issues.Judged, classes) -> list[Said]:
    best, top = judged.best, np.sort(judged.probabilities, axis=1)
    said = []
    for i in np.flatnonzero((given != label_issues.UNLABELLED) & (best != given)):
        quality = float(judged.quality[i])
        if quality < label_issues.ISSUE_BELOW:
            said.append(Said(int(i), "label-issue", 1 - quality, suggested=classes[best[i]]))
        elif quality < label_issues.SURPRISE_BELOW:
            said.append(Said(int(i), "loss", 1 - quality, suggested=classes[best[i]]))
    if len(classes) > 2:
        for i in np.flatnonzero(top[:, -1] < UNCERTAIN_BELOW):
            said.append(Said(int(i), "uncertain", float(1 - top[i, -1])))
    return said


def _about_strangers(given, judged: label_issues.Judged, strangeness, classes) -> list[Said]:
    """What the folds take for no shoe, and what is far from everything."""
    said, refused = [], np.zeros(len(given), bool)
    if "not-a-shoe" in classes:
        column = classes.index("not-a-shoe")
        share = judged.probabilities[:, column]
        refused = (share > NOT_A_SHOE_ABOVE) & (given != column)
        said += [
            Said(int(i), "not-a-shoe", float(share[i]), suggested="not-a-shoe")
            for i in np.flatnonzero(refused)
        ]
        # What is said to be no shoe may look like anything.
        refused |= given == column
    if strangeness is None:
        return said
    for i in np.flatnonzero((strangeness > outliers.OUTLIER_ABOVE) & ~refused):
        far = strangeness[i] > outliers.STRANGE_ABOVE
        score = float(1 - outliers.OUTLIER_ABOVE / 2 / strangeness[i])
        said.append(Said(int(i), "not-a-shoe" if far else "outlier", score))
    return said


def _about_pictures(images: Images, smallest: int) -> list[Said]:
    said = []
    for i in range(len(images)):
        scores = dict(zip(quality.MEASURES, map(float, images.quality[i]), strict=True))
        bad = quality.found(scores, int(images.shorter_side[i]), smallest)
        said += [Said(i, reason, score) for reason, score in bad.items()]
    return said
