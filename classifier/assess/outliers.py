"""Images that are no shoes, or far from all classes in feature space. Pure."""

import numpy as np
from sklearn.covariance import LedoitWolf

from curation.issues.new_finding import NewFinding

# Robust standard deviations from the median of the logarithm of the distance: of an outlier, and of
# one that is probably no shoe. Chosen on photographs with planted non-shoes (`bench/cleaning.py`).
OUTLIER_ABOVE, FAR_ABOVE = 4.0, 5.0
NOT_A_SHOE_ABOVE = 0.50  # probability
CONFIDENT = 0.5
MIN_COMPONENTS = 16
MIN_IMAGES = 5  # that a class needs for a centre of its own
BLOCK = 4096


def distances(features, labels, probabilities) -> np.ndarray | None:
    """(n,) how far each image is from the nearest class, in robust standard deviations.

    The distance is Mahalanobis' to the nearest class mean under one covariance for all classes (Lee
    et al. 2018, A Simple Unified Framework for Detecting Out-of-Distribution Samples). Means and
    covariance come only from images whose label the out-of-sample probabilities share with
    confidence, so that what is no shoe does not define what one looks like.
    `features` (n, d), principal components, the largest first; `labels` (n,), -1 for none;
    `probabilities` (n, classes).
    None where too few images are left to say.
    """
    best = probabilities.argmax(1)
    trusted = (best == labels) & (probabilities.max(1) > CONFIDENT)
    classes = [c for c in np.unique(labels[trusted]) if (labels[trusted] == c).sum() >= MIN_IMAGES]
    known = trusted & np.isin(labels, classes)
    if not classes or known.sum() < 2 * MIN_COMPONENTS:
        return None
    # A covariance wants two images for each component.
    features = features[:, : max(MIN_COMPONENTS, known.sum() // 2)]
    means = np.stack([features[known & (labels == c)].mean(0) for c in classes])
    residuals = features[known] - means[np.searchsorted(classes, labels[known])]
    precision = LedoitWolf(assume_centered=True).fit(residuals).precision_
    whiten = np.linalg.cholesky(precision)
    centres = (means @ whiten).astype(np.float32)
    nearest = np.empty(len(features), np.float32)
    for start in range(0, len(features), BLOCK):
        points = (features[start : start + BLOCK] @ whiten).astype(np.float32)
        squares = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)
        nearest[start : start + BLOCK] = squares.min(1)
    logs = np.log(np.maximum(nearest, 1e-6))
    centre = np.median(logs)
    # 1.4826 makes the median absolute deviation a standard deviation, for a normal distribution.
    spread = 1.4826 * np.median(np.abs(logs - centre)) + 1e-9
    return (logs - centre) / spread


def find_issues(labels, probabilities, distances, classes: list[str]) -> list[NewFinding]:
    """Images that the folds take for no shoe, and images far from every class.

    `distances`: as the function of that name gives them, or None; `classes`: slugs.
    """
    issues, no_shoe = [], np.zeros(len(labels), bool)
    if "not-a-shoe" in classes:
        column = classes.index("not-a-shoe")
        share = probabilities[:, column]
        no_shoe = (share > NOT_A_SHOE_ABOVE) & (labels != column)
        issues += [
            NewFinding(int(i), "not-a-shoe", float(share[i]), suggested="not-a-shoe")
            for i in np.flatnonzero(no_shoe)
        ]
        # Images with this label may look like anything.
        no_shoe |= labels == column
    if distances is not None:
        for i in np.flatnonzero((distances > OUTLIER_ABOVE) & ~no_shoe):
            reason = "not-a-shoe" if distances[i] > FAR_ABOVE else "outlier"
            score = float(1 - OUTLIER_ABOVE / 2 / distances[i])
            issues.append(NewFinding(int(i), reason, score))
    return issues
