"""Logits of the validation pictures → temperature and thresholds. numpy only.

Rows are pictures, columns classes. `targets` are column numbers.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

TYPE, OTHER_SHOE, NOT_A_SHOE = "type", "other-shoe", "not-a-shoe"

MIN_ROWS = 10  # answers below this number prove nothing about a threshold
DEFAULT_THRESHOLD = 0.6  # where there is nothing to measure
FLOOR = 0.35  # below it no answer is given, however well the validation pictures went
CEILING = 0.95  # where the wanted precision is not reached: answer only when almost sure
REFUSAL_FLOOR = 0.5  # "not a shoe" must at least be likelier than everything else together


@dataclass(frozen=True)
class ClassInfo:
    """One output of a model. `kind`: "type", "other-shoe" or "not-a-shoe"; `category`: the slug of
    a type's category, empty for the other two."""

    slug: str
    kind: str = TYPE
    category: str = ""


@dataclass(frozen=True)
class Thresholds:
    """Smallest confidence for each verdict; `not_a_shoe` is None where no class stands for it."""

    type: float
    category: float
    not_a_shoe: float | None

    def as_json(self) -> dict:
        """A dict of JSON types."""
        return asdict(self)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """exp(z/T) / Σ exp(z/T) over the last axis, in float64."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    exp = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def nll(logits: np.ndarray, targets: np.ndarray, temperature: float = 1.0) -> float:
    """Mean negative log likelihood of the targets, in nats."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    top = scaled.max(axis=1)
    log_sum = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float((log_sum - scaled[np.arange(len(targets)), targets]).mean())


def fit_temperature(logits: np.ndarray, targets: np.ndarray, low=0.25, high=10.0) -> float:
    """The T in [low, high] with the smallest nll (Guo et al. 2017, On Calibration of Modern Neural
    Networks).

    nll is convex in 1/T, so golden-section search over 1/T finds it. Fewer than MIN_ROWS rows give
    1. Where every row is right the optimum is T → 0: `low` stops it.
    """
    targets = np.asarray(targets)
    if len(targets) < MIN_ROWS:
        return 1.0
    ratio = (5**0.5 - 1) / 2
    a, b = 1 / high, 1 / low
    while b - a > 1e-4:
        c, d = b - ratio * (b - a), a + ratio * (b - a)
        if nll(logits, targets, 1 / c) <= nll(logits, targets, 1 / d):
            b = d
        else:
            a = c
    return round(2 / (a + b), 4)


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

    The verdicts are walked through in the order in which they are given, each on the rows that the
    former ones left over. not_a_shoe: at most the share `refused` of all shoes is refused. type:
    the smallest confidence at and above which the share `precision` of type answers is right; for a
    row that is no type, every type answer is wrong. It is raised until at most the share `wrong` of
    the `guarded` rows that are types (a mask: photographs as visitors take them, of which there are
    few) gets a wrong type answer. category: the same with a category's summed
    confidence; for a row that is no type it is wrong too.
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


def category_sums(
    probabilities: np.ndarray, classes: Sequence[ClassInfo]
) -> tuple[np.ndarray, list[str]]:
    """Confidence of each category: the sum of its types'. Shape (rows, categories), and slugs."""
    names, members = _members(tuple(classes))
    return probabilities @ members, list(names)


@lru_cache(maxsize=8)  # asked for with every answer, and the same for all of a model
def _members(classes: tuple[ClassInfo, ...]) -> tuple[tuple[str, ...], np.ndarray]:
    names = tuple(sorted({c.category for c in classes if c.kind == TYPE}))
    member = np.array([[c.kind == TYPE and c.category == n for n in names] for c in classes])
    return names, member.astype(np.float64)


def is_refused(
    probabilities: np.ndarray, classes: Sequence[ClassInfo], threshold: float | None
) -> np.ndarray:
    """Rows answered "not a shoe": its probability is the largest of all and >= the threshold."""
    column = next((i for i, c in enumerate(classes) if c.kind == NOT_A_SHOE), None)
    if column is None or threshold is None:
        return np.zeros(len(probabilities), dtype=bool)
    mine = probabilities[:, column]
    return (mine >= threshold) & (mine >= probabilities.max(axis=1))


def answerable(confidence: np.ndarray, right: np.ndarray, precision: float) -> int:
    """How many rows can be answered, the surest first, with the share `precision` of them right.

    The largest such number, 0 where there is none. Rows of equal confidence are answered together.
    """
    order = np.argsort(-confidence, kind="stable")
    confidence, right = confidence[order], right[order].astype(bool)
    share = np.cumsum(right) / np.arange(1, len(right) + 1)
    # A threshold lets all rows of one confidence through, so only the last of them may be the end.
    last = np.append(confidence[1:] < confidence[:-1], True)
    good = np.flatnonzero(last & (share >= precision))
    return int(good[-1]) + 1 if len(good) else 0


def _fit_refusal(probabilities, targets, classes, refused: float) -> float | None:
    column = next((i for i, c in enumerate(classes) if c.kind == NOT_A_SHOE), None)
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
