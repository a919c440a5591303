"""Labels that are probably wrong, by classifiers that never saw the image. Pure."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from cleanlab.dataset import find_overlapping_classes
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from curation.issues.new_finding import NewFinding

FOLDS = 5
INVERSE_REGULARISATION = 0.1  # scikit-learn's C
MAX_ITERATIONS = 100  # of L-BFGS; more take time and change little
# Images per label at which the folds' probabilities and the network's own weigh the same.
EQUAL_WEIGHT_IMAGES = 100
MIN_IMAGES_TO_OVERLAP = 20
UNLABELLED = -1
# Label quality below which the reason is "label-issue", and below which it is "loss". Chosen on
# photographs with planted faults (`bench/cleaning.py`).
ISSUE_BELOW, LOSS_BELOW = 0.05, 0.10
UNCERTAIN_BELOW = 0.40  # probability of the likeliest class
FLOOR = 1e-6  # keeps the loss of an impossible label finite


@dataclass(frozen=True)
class LabelScores:
    """Out-of-sample scores. `probabilities`: float32 (n, classes), rows sum to 1. The rest (n,):
    `loss` (cross-entropy of the label, nats) and `quality` (cleanlab's self-confidence, 0 to 1) are
    NaN where there is no label; `flagged`: cleanlab's label issues with its defaults."""

    probabilities: np.ndarray
    loss: np.ndarray
    quality: np.ndarray
    flagged: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """(n,) the likeliest class."""
        return self.probabilities.argmax(1)


def score_labels(
    features, labels, groups, classes: int, own=None, tick=lambda done, of: None
) -> LabelScores | None:
    """Score every label by classifiers that saw neither the image nor its group.

    `features`: float32 (n, d). `labels`: (n,) class numbers, UNLABELLED where there is none.
    `groups`: (n,) numbers; images of one group (views of a product, copies) are never on both
    sides. A first fit finds the labels that cleanlab doubts, a second one learns without them: a
    classifier that was taught wrong labels excuses others like them. Unlabelled images get the mean
    of all folds.
    `own`: (n, classes) the network's own probabilities, rows of NaN for images it was trained on.
    Where labels have few images, these count more than the folds'.
    None where there are neither: less than two classes with labels in two groups, and no `own`.
    """
    labelled = np.flatnonzero(labels != UNLABELLED)
    x, y, g = features[labelled], labels[labelled], groups[labelled]
    folds = _folds(y, g)
    if own is None:
        own = np.full((len(labels), classes), np.nan, np.float32)
    if folds < 2 and np.isnan(own).all():
        return None
    each = len(y) / max(1, len(np.unique(y)))
    weight = each / (each + EQUAL_WEIGHT_IMAGES) if folds >= 2 else 0.0
    probabilities = np.zeros((len(labels), classes), np.float32)
    doubted = np.zeros(len(y), bool)
    for turn in range(2 if folds >= 2 else 0):
        probabilities[labelled], probabilities[labels == UNLABELLED] = _fit(
            x, y, g, classes, folds, doubted, features[labels == UNLABELLED],
            lambda done, turn=turn: tick(turn * folds + done, 2 * folds),
        )  # fmt: skip
        if turn == 0:
            doubted = _doubted(y, _mixed(probabilities, own, weight)[labelled])
    return _scores(labels, _mixed(probabilities, own, weight))


def _mixed(folds, own, weight: float) -> np.ndarray:
    known = ~np.isnan(own).any(1)
    mixed = folds.copy()
    mixed[known] = weight * folds[known] + (1 - weight) * own[known]
    return mixed


def _scores(labels, probabilities) -> LabelScores:
    # Without folds there are no probabilities for images that the network was trained on.
    known = np.flatnonzero((labels != UNLABELLED) & (probabilities.sum(1) > 0))
    y, p = labels[known], probabilities[known]
    loss, quality = np.full((2, len(labels)), np.nan, np.float32)
    flagged = np.zeros(len(labels), bool)
    if len(y):
        quality[known] = get_label_quality_scores(y, _positive(p), adjust_pred_probs=False)
        loss[known] = -np.log(np.maximum(p[np.arange(len(y)), y], FLOOR))
        flagged[known] = _doubted(y, p)
    return LabelScores(probabilities, loss, quality, flagged)


def find_issues(labels, scores: LabelScores, classes: list[str]) -> list[NewFinding]:
    """An issue for each label of low quality, and for each image without a likely class.

    `labels`: (n,) class numbers, as for `score_labels`; `classes`: slugs.
    """
    best = scores.best
    issues = []
    for i in np.flatnonzero((labels != UNLABELLED) & (best != labels)):
        quality = float(scores.quality[i])
        if quality < LOSS_BELOW:
            reason = "label-issue" if quality < ISSUE_BELOW else "loss"
            issues.append(NewFinding(int(i), reason, 1 - quality, suggested=classes[best[i]]))
    if len(classes) > 2:
        likeliest = scores.probabilities.max(axis=1)
        for i in np.flatnonzero(likeliest < UNCERTAIN_BELOW):
            issues.append(NewFinding(int(i), "uncertain", float(1 - likeliest[i])))
    return issues


def overlapping(labels, probabilities, names: list[str], most: int = 30) -> list[list]:
    """Pairs of classes that are hard to tell apart, worst first: [[name, name, images], …].

    cleanlab's estimate of how many images of the one are called the other or could be.
    """
    present, numbers = np.unique(labels[labels != UNLABELLED], return_counts=True)
    # Of a class with next to no images cleanlab's estimate is that everything overlaps with it.
    present = present[numbers >= MIN_IMAGES_TO_OVERLAP]
    if len(present) < 2:
        return []
    known = np.isin(labels, present)
    renumbered = np.searchsorted(present, labels[known])
    found: pd.DataFrame = find_overlapping_classes(
        labels=renumbered,
        pred_probs=_positive(probabilities[known][:, present]),
        class_names=[names[i] for i in present],
    )
    rows = zip(
        found["Class Name A"], found["Class Name B"], found["Num Overlapping Examples"], strict=True
    )
    return [[str(a), str(b), int(number)] for a, b, number in rows if number > 0][:most]


def _folds(labels, groups) -> int:
    """Number of folds: FOLDS, fewer where all classes have few groups, 0 or 1 where nothing can be
    learnt."""
    present = [len(np.unique(groups[labels == label])) for label in np.unique(labels)]
    if sum(number >= 2 for number in present) < 2:
        return 0
    return min(FOLDS, max(present))


def _fit(x, y, groups, classes, folds, doubted, others, tick) -> tuple[np.ndarray, np.ndarray]:
    """Out-of-sample probabilities of x, and mean probabilities of `others`; rows that are `doubted`
    are not learnt from."""
    own = np.zeros((len(y), classes), np.float32)
    mean = np.zeros((len(others), classes), np.float32)
    cut = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        # A class with fewer members than folds, and a fit stopped early on purpose.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        for number, (learn, test) in enumerate(cut.split(x, y, groups)):
            learn = _trusted(learn, y, doubted)
            # One scale for all components: the small ones are mostly noise, and few images would
            # teach it, were they made as large as the others.
            centre, scale = x[learn].mean(0), np.sqrt(x[learn].var(0).mean()) + 1e-6
            fitted = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MAX_ITERATIONS)
            fitted.fit((x[learn] - centre) / scale, y[learn])
            own[np.ix_(test, fitted.classes_)] = fitted.predict_proba((x[test] - centre) / scale)
            if len(others):
                mean[:, fitted.classes_] += fitted.predict_proba((others - centre) / scale) / folds
            tick(number + 1)
    return own, mean


def _trusted(learn, y, doubted):
    """The rows to learn from: those not doubted, and all of a class of which none would be left."""
    kept = learn[~doubted[learn]]
    lost = np.setdiff1d(np.unique(y[learn]), np.unique(y[kept]))
    return np.concatenate([kept, learn[np.isin(y[learn], lost)]]) if len(lost) else kept


def _doubted(labels, probabilities) -> np.ndarray:
    """cleanlab's label issues with its defaults, on the classes there are."""
    present = np.unique(labels)
    if len(present) < 2:
        return np.zeros(len(labels), bool)
    renumbered = np.searchsorted(present, labels)
    # One process: a worker's own process may not have children.
    return find_label_issues(renumbered, _positive(probabilities[:, present]), n_jobs=1)


def _positive(probabilities) -> np.ndarray:
    """Rows that sum to 1, every entry above 0."""
    floored = np.maximum(probabilities, FLOOR).astype(np.float64)
    return floored / floored.sum(1, keepdims=True)
