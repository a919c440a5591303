"""Logits of the validation pictures → temperature and thresholds. numpy and scipy only.

Rows are pictures, columns classes. `targets` are column numbers.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from classifier.evaluation.metrics import answerable
from classifier.inference.thresholds import (
    TYPE,
    ClassInfo,
    Thresholds,
    category_sums,
    is_refused,
    not_a_shoe_column,
)

MIN_ROWS = 10  # answers below this number prove nothing about a threshold
DEFAULT_THRESHOLD = 0.6  # where there is nothing to measure
FLOOR = 0.35  # below it no answer is given, however well the validation pictures went
CEILING = 0.95  # where the wanted precision is not reached: answer only when almost sure
REFUSAL_FLOOR = 0.5  # "not a shoe" must at least be likelier than everything else together
TOLERANCE = 1e-7  # of 1/T, far below the four digits of T that are kept


def nll(logits: np.ndarray, targets: np.ndarray, temperature: float = 1.0) -> float:
    """Mean negative log likelihood of the targets, in nats."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(targets)), targets]).mean())


def fit_temperature(
    logits: np.ndarray, targets: np.ndarray, low: float = 0.25, high: float = 10.0
) -> float:
    """The temperature in [low, high] with the smallest nll (Guo et al. 2017, On Calibration of
    Modern Neural Networks).

    nll is convex in 1/T, so it is minimised over 1/T. Fewer than MIN_ROWS rows give 1. Where every
    row is right the optimum is T → 0: `low` stops it.
    """
    if len(targets) < MIN_ROWS:
        return 1.0
    inverse = minimize_scalar(
        lambda inverse: nll(logits, targets, 1 / inverse),
        bounds=(1 / high, 1 / low),
        method="bounded",
        options={"xatol": TOLERANCE},
    ).x
    return round(1 / float(inverse), 4)


def fit_thresholds(
    probabilities: np.ndarray,
    targets: np.ndarray,
    classes: Sequence[ClassInfo],
    precision: float = 0.9,
    refused: float = 0.02,
    guarded: np.ndarray | None = None,
    wrong: float = 0.1,
) -> Thresholds:
    """Thresholds such that answers given on these rows are right often enough.

    Verdicts are fitted in the order in which they are given, each on the rows that the ones before
    left over. not_a_shoe: at most the share `refused` of all shoes is refused. type:
    the smallest confidence at and above which the share `precision` of type answers is right; for a
    row that is no type, every type answer is wrong. It is raised until at most the share `wrong` of
    the `guarded` rows that are types (a mask: photographs as visitors take them, of which there are
    few) gets a wrong type answer. category: the same with a category's summed confidence; for a row
    that is no type it is wrong too.
    """
    probabilities, targets = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    refusal = _fit_refusal(probabilities, targets, classes, refused)
    left = ~is_refused(probabilities, classes, refusal)

    columns = np.array([i for i, c in enumerate(classes) if c.kind == TYPE], dtype=int)
    if len(columns) == 0:
        return Thresholds(DEFAULT_THRESHOLD, DEFAULT_THRESHOLD, refusal)
    best = columns[probabilities[:, columns].argmax(axis=1)]
    confidence = probabilities[:, columns].max(axis=1)
    type_threshold = _smallest_precise(confidence[left], (best == targets)[left], precision)
    if guarded is not None:
        rows = np.asarray(guarded, dtype=bool) & np.isin(targets, columns)
        mistakes = np.sort(confidence[rows & left & (best != targets)])[::-1]
        allowed = int(wrong * rows.sum())
        if len(mistakes) > allowed:
            type_threshold = max(type_threshold, float(np.nextafter(mistakes[allowed], 2.0)))

    left &= confidence < type_threshold
    sums, names = category_sums(probabilities, classes)
    truth = np.array([c.category if c.kind == TYPE else None for c in classes], dtype=object)
    right = np.array(names, dtype=object)[sums.argmax(axis=1)] == truth[targets]
    category_threshold = _smallest_precise(sums.max(axis=1)[left], right[left], precision)
    return Thresholds(type_threshold, category_threshold, refusal)


def _fit_refusal(
    probabilities: np.ndarray, targets: np.ndarray, classes: Sequence[ClassInfo], refused: float
) -> float | None:
    """The threshold of "not a shoe" that refuses at most the share `refused` of the shoes."""
    column = not_a_shoe_column(classes)
    if column is None:
        return None
    shoes = probabilities[targets != column]
    largest = shoes[:, column] >= shoes.max(axis=1) if len(shoes) else np.zeros(0, dtype=bool)
    wrongly = np.sort(shoes[:, column][largest])[::-1]  # shoes that a threshold of 0 would refuse
    allowed = int(refused * len(shoes))
    if len(wrongly) <= allowed:
        return REFUSAL_FLOOR
    return max(REFUSAL_FLOOR, float(np.nextafter(wrongly[allowed], 2.0)))


def _smallest_precise(confidence: np.ndarray, right: np.ndarray, precision: float) -> float:
    """The smallest confidence t with mean(right[confidence >= t]) >= precision.

    Fewer than MIN_ROWS rows: DEFAULT_THRESHOLD. No t, or only some that leave fewer than MIN_ROWS
    answers: at least CEILING. Never below FLOOR.
    """
    if len(confidence) < MIN_ROWS:
        return DEFAULT_THRESHOLD
    answers = answerable(confidence, right, precision)
    if not answers:
        return CEILING
    threshold = float(np.sort(confidence)[-answers])
    return max(threshold, CEILING if answers < MIN_ROWS else FLOOR)
