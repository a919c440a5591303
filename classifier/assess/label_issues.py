"""Are the labels right? Probabilities for every image from a classifier that never saw it. Pure."""

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

FOLDS = 5
STRENGTH = 0.1  # scikit-learn's C
STEPS = 100  # of L-BFGS; more change little but the time
# Images a label at which the folds' word and the model's own weigh the same.
OWN_WORD = 100
FEWEST_TO_OVERLAP = 20
UNLABELLED = -1
# A label that the refitted classifier gives less than this is an issue, less than the other a
# surprise. Chosen on photographs with planted faults (`bench/cleaning.py`).
ISSUE_BELOW, SURPRISE_BELOW = 0.05, 0.10
FLOOR = 1e-6  # keeps the loss of an impossible label finite


@dataclass(frozen=True)
class Judged:
    """What the folds say. `probabilities`: float32 (n, classes), rows sum to 1. The rest (n,):
    `loss` (cross-entropy of the label, nats) and `quality` (cleanlab's self-confidence, 0 to 1) are
    NaN where there is no label; `flagged`: cleanlab's own verdict with its defaults."""

    probabilities: np.ndarray
    loss: np.ndarray
    quality: np.ndarray
    flagged: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """(n,) the likeliest class."""
        return self.probabilities.argmax(1)


def judge(
    features, labels, groups, classes: int, own=None, tick=lambda done, of: None
) -> Judged | None:
    """Judge every label by classifiers that saw neither the image nor its group.

    `features`: float32 (n, d). `labels`: (n,) class numbers, UNLABELLED where there is none.
    `groups`: (n,) numbers; images of one group (views of a product, copies) are never on both
    sides. A first fit finds the labels that cleanlab doubts, a second one learns without them: a
    classifier that was taught wrong labels excuses others like them. Unlabelled images are judged
    by the mean of all folds.
    `own`: (n, classes) what the model itself says, rows of NaN for images it was trained on. Where
    a label has few images, its word counts more than the folds'.
    None where there is neither: less than two classes with labels in two groups, and no `own`.
    """
    labelled = np.flatnonzero(labels != UNLABELLED)
    x, y, g = features[labelled], labels[labelled], groups[labelled]
    folds = _folds(y, g)
    if own is None:
        own = np.full((len(labels), classes), np.nan, np.float32)
    if folds < 2 and np.isnan(own).all():
        return None
    each = len(y) / max(1, len(np.unique(y)))
    weight = each / (each + OWN_WORD) if folds >= 2 else 0.0
    probabilities = np.zeros((len(labels), classes), np.float32)
    doubted = np.zeros(len(y), bool)
    for turn in range(2 if folds >= 2 else 0):
        found, others = _fit(
            x, y, g, classes, folds, doubted, features[labels == UNLABELLED],
            lambda done, turn=turn: tick(turn * folds + done, 2 * folds),
        )  # fmt: skip
        probabilities[labelled], probabilities[labels == UNLABELLED] = found, others
        if turn == 0:
            doubted = _doubted(y, _mixed(probabilities, own, weight)[labelled])
    return _judged(labels, _mixed(probabilities, own, weight))


def _mixed(folds, own, weight: float) -> np.ndarray:
    known = ~np.isnan(own).any(1)
    mixed = folds.copy()
    mixed[known] = weight * folds[known] + (1 - weight) * own[known]
    return mixed


def _judged(labels, probabilities) -> Judged:
    # Without folds there is nothing to say of what the model was trained on.
    judged = np.flatnonzero((labels != UNLABELLED) & (probabilities.sum(1) > 0))
    y, said = labels[judged], probabilities[judged]
    loss, quality = np.full((2, len(labels)), np.nan, np.float32)
    flagged = np.zeros(len(labels), bool)
    if len(y):
        quality[judged] = get_label_quality_scores(y, _proper(said), adjust_pred_probs=False)
        loss[judged] = -np.log(np.maximum(said[np.arange(len(y)), y], FLOOR))
        flagged[judged] = _doubted(y, said)
    return Judged(probabilities, loss, quality, flagged)


def overlapping(labels, probabilities, names: list[str], most: int = 30) -> list[list]:
    """Pairs of classes that are hard to tell apart, worst first: [[name, name, images], …].

    cleanlab's estimate of how many images of the one are called the other or could be.
    """
    present, numbers = np.unique(labels[labels != UNLABELLED], return_counts=True)
    # Of a class with next to no images cleanlab's estimate is that everything overlaps with it.
    present = present[numbers >= FEWEST_TO_OVERLAP]
    if len(present) < 2:
        return []
    known = np.isin(labels, present)
    renumbered = np.searchsorted(present, labels[known])
    found: pd.DataFrame = find_overlapping_classes(
        labels=renumbered,
        pred_probs=_proper(probabilities[known][:, present]),
        class_names=[names[i] for i in present],
    )
    rows = zip(
        found["Class Name A"], found["Class Name B"], found["Num Overlapping Examples"], strict=True
    )
    return [[str(a), str(b), int(number)] for a, b, number in rows if number > 0][:most]


def _folds(labels, groups) -> int:
    """How many folds the labels can bear: 5, fewer where all classes have few groups, 0 or 1 where
    nothing can be learnt."""
    present = [len(np.unique(groups[labels == label])) for label in np.unique(labels)]
    if sum(number >= 2 for number in present) < 2:
        return 0
    return min(FOLDS, max(present))


def _fit(x, y, groups, classes, folds, doubted, others, tick) -> tuple[np.ndarray, np.ndarray]:
    """Out-of-sample probabilities of x, and mean probabilities of `others`; what is `doubted` is
    not learnt from."""
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
            fitted = LogisticRegression(C=STRENGTH, max_iter=STEPS)
            fitted.fit((x[learn] - centre) / scale, y[learn])
            own[np.ix_(test, fitted.classes_)] = fitted.predict_proba((x[test] - centre) / scale)
            if len(others):
                mean[:, fitted.classes_] += fitted.predict_proba((others - centre) / scale) / folds
            tick(number + 1)
    return own, mean


def _trusted(learn, y, doubted):
    """The rows to learn from; a class or everything that is doubted whole stays."""
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
    return find_label_issues(renumbered, _proper(probabilities[:, present]), n_jobs=1)


def _proper(probabilities) -> np.ndarray:
    """Rows that sum to 1, with nothing impossible."""
    floored = np.maximum(probabilities, FLOOR).astype(np.float64)
    return floored / floored.sum(1, keepdims=True)
