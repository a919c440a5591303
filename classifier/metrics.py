"""Answers to labelled pictures → the figures of an evaluation. Knows slugs; numpy only.

Pictures of one group (views of one product) are right or wrong together, so that a hundred pictures
of eight products prove far less than a hundred products: every interval here is widened for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from classifier.calibrate import NOT_A_SHOE, OTHER_SHOE, TYPE, ClassInfo
from classifier.predict import Prediction
from curation.intervals import wilson

VERDICTS = ("type", "category", "unsure", "not_a_shoe")
MIN_GROUPS = 8  # test groups below which an accuracy is called too small to judge
BINS = 15  # of the calibration error
KEPT = 0.95  # share of shoes kept, at which refusals are compared


class Line(Protocol):
    """What is asked of a test picture: a line of a snapshot is one."""

    sha256: str
    label: str
    group: str
    source: str
    scene: str


@dataclass
class _Tally:
    """Right answers, pictures, and both by group."""

    groups: dict[str, list[int]] = field(default_factory=dict)

    def add(self, group: str, right: bool) -> None:
        pair = self.groups.setdefault(group, [0, 0])
        pair[0] += right
        pair[1] += 1

    def row(self) -> dict:
        return row(list(self.groups.values()))


def row(pairs: Sequence[Sequence[int]]) -> dict:
    """Images, right, groups, accuracy and its interval, of groups given as (right, images)."""
    right, images = (sum(column) for column in zip(*pairs, strict=True)) if pairs else (0, 0)
    return {
        "images": images,
        "right": right,
        "groups": len(pairs),
        "accuracy": right / images if images else 0.0,
        "interval": grouped_interval(pairs),
    }


def measure(
    lines: Sequence[Line], predictions: Sequence[Prediction], classes: Sequence[ClassInfo]
) -> dict:
    """The figures of an evaluation; shares are from 0 to 1, intervals 95 %.

    Accuracy counts the likeliest type of pictures whose type was learnt, whatever the verdict;
    `category_accuracy` its category. `judged` is the same over the types with at least MIN_GROUPS
    test groups. `verdicts` counts what a visitor would have read, by the kind of label.
    `answered_right` is the share of verdicts "type" that name the label. Rows per type, category,
    source and scene hold images, right, groups, accuracy and interval; those per scene also `ece`,
    `answered` (share of verdict "type") and `wrong_confident` (share of verdict "type" with another
    type). `ece` is `calibration_error` of the likeliest type's confidence. `refused`: for labels
    that are no type, how often each verdict was given; for not-a-shoe also the share refused by a
    threshold at which KEPT of all shoes stay (`at_kept`).
    """
    infos = {info.slug: info for info in classes}
    learnt = {slug for slug, info in infos.items() if info.kind == TYPE}
    total, by_category_right = _Tally(), _Tally()
    tables = {name: defaultdict(_Tally) for name in ("type", "category", "source", "scene")}
    scenes: dict[str, list[tuple[float, bool, bool]]] = defaultdict(list)
    verdicts = {kind: dict.fromkeys(VERDICTS, 0) for kind in ("learnt", "other")}
    others: dict[str, dict[str, int]] = {}
    confusion: dict[tuple[str, str], int] = defaultdict(int)
    top5 = answers = answers_right = 0
    for line, prediction in zip(lines, predictions, strict=True):
        known = line.label in learnt
        verdicts["learnt" if known else "other"][prediction.verdict] += 1
        named = prediction.verdict == "type"
        answers += named
        answers_right += named and prediction.type[0] == line.label
        if not known:
            given = others.setdefault(line.label, dict.fromkeys(VERDICTS, 0))
            given[prediction.verdict] += 1
            continue
        guess, confidence = prediction.top[0]
        right, group = guess == line.label, line.group or line.sha256
        category, guessed = infos[line.label].category, infos[guess].category
        top5 += line.label in [slug for slug, _ in prediction.top]
        total.add(group, right)
        by_category_right.add(group, category == guessed)
        keys = (line.label, category, line.source or "unknown", line.scene or "unknown")
        for table, key in zip(tables.values(), keys, strict=True):
            table[key].add(group, right)
        scenes[keys[-1]].append((confidence, right, named))
        if not right:
            confusion[line.label, guess] += 1
    rows = {name: _rows(table) for name, table in tables.items()}
    for scene, seen in scenes.items():
        rows["scene"][scene] |= _scene(seen)
    everything = [one for seen in scenes.values() for one in seen]
    images = len(everything)
    return {
        **total.row(),
        "macro_accuracy": _mean(row["accuracy"] for row in rows["type"].values()),
        "category_accuracy": by_category_right.row()["accuracy"],
        "category_interval": by_category_right.row()["interval"],
        "top5": top5 / images if images else 0.0,
        "ece": _scene(everything)["ece"],
        "judged": _judged(lines, predictions, rows["type"]),
        **{f"per_{name}": table for name, table in rows.items()},
        "confusion": [
            [label, guess, number]
            for (label, guess), number in sorted(confusion.items(), key=lambda c: (-c[1], c[0]))
        ],
        "verdicts": verdicts,
        "answered_right": answers_right / answers if answers else None,
        "refused": _refused(lines, predictions, infos, others),
    }


def _rows(table: Mapping[str, _Tally]) -> dict[str, dict]:
    return {key: tally.row() for key, tally in sorted(table.items())}


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def _scene(seen: Sequence[tuple[float, bool, bool]]) -> dict:
    if not seen:
        return {"ece": 0.0, "answered": 0.0, "wrong_confident": 0.0}
    confidence, right, named = (np.array(column) for column in zip(*seen, strict=True))
    return {
        "ece": calibration_error(confidence, right),
        "answered": float(named.mean()),
        "wrong_confident": float((named & ~right).mean()),
    }


def _judged(lines, predictions, per_type: Mapping[str, dict]) -> dict:
    enough = {slug for slug, row in per_type.items() if row["groups"] >= MIN_GROUPS}
    tally = _Tally()
    for line, prediction in zip(lines, predictions, strict=True):
        if line.label in enough:
            tally.add(line.group or line.sha256, prediction.top[0][0] == line.label)
    macro = _mean(per_type[slug]["accuracy"] for slug in enough)
    return {**tally.row(), "types": len(enough), "min_groups": MIN_GROUPS, "macro_accuracy": macro}


def _refused(lines, predictions, infos, others: Mapping[str, dict]) -> dict:
    """For every kind of label that is no type: images, and the share of each verdict."""
    result = {}
    for label, counts in sorted(others.items()):
        images = sum(counts.values())
        result[label] = {"images": images} | {v: n / images for v, n in counts.items()}
    column = next((slug for slug, info in infos.items() if info.kind == NOT_A_SHOE), None)
    if column and column in result:
        shoes, rest = [], []
        for line, prediction in zip(lines, predictions, strict=True):
            kind = infos[line.label].kind if line.label in infos else None
            if line.label == column:
                rest.append(prediction.probabilities[column])
            elif kind in (TYPE, OTHER_SHOE):
                shoes.append(prediction.probabilities[column])
        if shoes:
            threshold = float(np.quantile(shoes, KEPT))
            result[column]["at_kept"] = float((np.array(rest) > threshold).mean())
            result[column]["kept"] = KEPT
    return result


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Σ (n_b / n) |mean(right) − mean(confidence)| over bins of equally many pictures, sorted by
    confidence (Nguyen & O'Connor 2015, Posterior calibration and exploratory analysis)."""
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [abs(right[part].mean() - confidence[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / len(order))


def grouped_interval(pairs: Sequence[Sequence[int]]) -> list[float]:
    """95 % interval of Σ right / Σ images over groups, given as (right, images); [0, 1] for none.

    Wilson's score interval with an effective number of pictures: p(1 − p) over the variance of the
    ratio between groups (Korn & Graubard 1998, Confidence intervals for proportions with small
    expected number of positive counts estimated from survey data). It is at most the number of
    pictures and at least what is left where the pictures of a group are wholly alike; that is
    also taken where none or all are right, which says nothing about variance.
    """
    if not pairs:
        return [0.0, 1.0]
    right, images = np.asarray(pairs, dtype=np.float64).T
    n, groups = images.sum(), len(images)
    share, alike = right.sum() / n, n**2 / (images**2).sum()
    effective = alike
    if groups > 1 and 0 < share < 1:
        spread = ((right - share * images) ** 2).sum() / n**2 * groups / (groups - 1)
        effective = min(n, max(alike, share * (1 - share) / spread)) if spread else n
    return wilson(share * effective, effective)
