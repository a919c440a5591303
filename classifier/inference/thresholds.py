"""A model's classes, and the thresholds that decide which verdict its confidences give. numpy only.

In arrays rows are pictures and columns classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

TYPE, OTHER_SHOE, NOT_A_SHOE = "type", "other-shoe", "not-a-shoe"


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


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """exp(z/T) / Σ exp(z/T) over the last axis, in float64."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    exp = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def category_sums(
    probabilities: np.ndarray, classes: Sequence[ClassInfo]
) -> tuple[np.ndarray, list[str]]:
    """Confidence of each category: the sum of its types'. Shape (rows, categories), and slugs."""
    names, members = _members(tuple(classes))
    return probabilities @ members, list(names)


@lru_cache(maxsize=8)  # needed for every answer, and the same for all of a model's
def _members(classes: tuple[ClassInfo, ...]) -> tuple[tuple[str, ...], np.ndarray]:
    names = tuple(sorted({c.category for c in classes if c.kind == TYPE}))
    member = np.array([[c.kind == TYPE and c.category == n for n in names] for c in classes])
    return names, member.astype(np.float64)


def is_refused(
    probabilities: np.ndarray, classes: Sequence[ClassInfo], threshold: float | None
) -> np.ndarray:
    """Rows answered "not a shoe": its probability is the largest of all and >= the threshold."""
    column = not_a_shoe_column(classes)
    if column is None or threshold is None:
        return np.zeros(len(probabilities), dtype=bool)
    refusal = probabilities[:, column]
    return (refusal >= threshold) & (refusal >= probabilities.max(axis=1))


def not_a_shoe_column(classes: Sequence[ClassInfo]) -> int | None:
    """The column of the class "not a shoe", if the model has one."""
    return next((i for i, c in enumerate(classes) if c.kind == NOT_A_SHOE), None)
