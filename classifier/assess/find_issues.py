"""Features of all images → all issues found. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from classifier.assess import label_issues, near_duplicates, outliers, quality
from classifier.assess.images import Images
from classifier.assess.projection import principal_components, unit_vectors
from curation.issues.new_finding import NewFinding

# Embeddings are projected to as many dimensions before anything is fitted to them: the fits take a
# fraction of the time and lose next to nothing.
FIT_DIMENSIONS, DISTANCE_DIMENSIONS = 256, 128


@dataclass(frozen=True)
class FoundIssues:
    """All issues found. `classes`: slugs, in the order of the columns of
    `label_scores.probabilities`; `label_scores` is None where there are too few labels.
    `distances`: (n,) as `outliers.distances` gives them, or None. `overlapping`: as
    `label_issues.overlapping` gives it."""

    classes: list[str]
    label_scores: label_issues.LabelScores | None
    distances: np.ndarray | None
    overlapping: list[list]
    issues: list[NewFinding] = field(repr=False)


def find_issues(
    images: Images,
    smallest: int,
    tick: Callable[[float, str], None] = lambda share, what: None,
) -> FoundIssues:
    """Find the issues of all images. `smallest`: pixels of a shorter side below which a picture is
    tiny.

    `tick(share, what)`: from 0 to 1 within each of the steps that `what` names.
    """
    pairs = near_duplicates.find_pairs(images, unit_vectors(images.embedding, FIT_DIMENSIONS), tick)
    issues = near_duplicates.find_issues(images, pairs)
    components = principal_components(images.embedding, FIT_DIMENSIONS)
    classes = sorted({label for label in images.label if label} | set(images.own_classes))
    column = {slug: i for i, slug in enumerate(classes)}
    labels = np.array(
        [column.get(label, label_issues.UNLABELLED) for label in images.label], np.int64
    )
    label_scores = distances = None
    overlapping = []
    if len(images):
        label_scores = label_issues.score_labels(
            components, labels, near_duplicates.joined_groups(images, pairs), len(classes),
            _own_probabilities(images, column), lambda done, of: tick(done / of, "labels"),
        )  # fmt: skip
    if label_scores is not None:
        probabilities = label_scores.probabilities
        distances = outliers.distances(components[:, :DISTANCE_DIMENSIONS], labels, probabilities)
        overlapping = label_issues.overlapping(labels, probabilities, classes)
        issues += label_issues.find_issues(labels, label_scores, classes)
        issues += outliers.find_issues(labels, probabilities, distances, classes)
    issues += quality.find_issues(images, smallest)
    return FoundIssues(classes, label_scores, distances, overlapping, issues)


def _own_probabilities(images: Images, column: dict[str, int]) -> np.ndarray | None:
    """`images.own` with a column for every class; None where the network has no classes."""
    if not images.own_classes:
        return None
    own = np.zeros((len(images), len(column)), np.float32)
    own[:, [column[slug] for slug in images.own_classes]] = images.own
    own[np.isnan(own).any(1)] = np.nan
    return own
