"""Compare what a method finds with the faults that were planted."""

import numpy as np

from bench.baseline_cleaners import Ranking
from bench.planted_faults import ALTERATIONS, NOT_A_SHOE, Photo
from classifier.assess import near_duplicates

FIRST = 100
WRONG_LABELS = ("flip", "confused")
Pair = tuple[int, int]


class GroundTruth:
    """The planted faults of photographs. `splits`: (n,) names of their splits."""

    def __init__(self, photos: list[Photo], splits: np.ndarray):
        place = {photo.key: i for i, photo in enumerate(photos)}
        self.fault = np.array([photo.fault for photo in photos])
        # The two numbers of each copy and its original, smaller first → how it was altered.
        self.copies = {
            tuple(sorted((i, place[photo.original]))): photo.fault
            for i, photo in enumerate(photos)
            if photo.original
        }
        self.leaks = {
            pair: how for pair, how in self.copies.items() if splits[pair[0]] != splits[pair[1]]
        }

    def right(self, queue: str, items: np.ndarray) -> np.ndarray:
        """Return which of the images, or pairs, were planted.

        In the queue of labels a non-shoe is right too, as every label is wrong for it. Where a
        method names an image and no partner, either of a planted pair is right.
        """
        if queue == "labels":
            return np.isin(self.fault[items], (*WRONG_LABELS, NOT_A_SHOE))
        if queue == "outliers":
            return self.fault[items] == NOT_A_SHOE
        planted = self.copies if queue == "copies" else self.leaks
        if items.ndim == 1:
            return np.isin(items, np.array(list(planted)))
        return np.array([pair in planted for pair in _sorted(items)], bool)

    def row(self, queue: str, ranking: Ranking) -> dict:
        """Return one line of a queue's table: numbers, and shares from 0 to 1.

        A ranking without a threshold is cut at as many as there are faults.
        """
        wanted, of = {
            "labels": (np.isin(self.fault, WRONG_LABELS), np.isin(self.fault, WRONG_LABELS).sum()),
            "outliers": (self.fault == NOT_A_SHOE, (self.fault == NOT_A_SHOE).sum()),
            "copies": (None, len(self.copies)),
            "leakage": (None, len(self.leaks)),
        }[queue]
        flagged = ranking.ranked[: of if ranking.flagged is None else ranking.flagged]
        right = self.right(queue, flagged)
        found = right if wanted is None else wanted[flagged]
        if wanted is None and flagged.ndim == 1:
            found = np.isin(list(self.copies), flagged).any(1)  # pairs of which either is named
        row = {
            "method": ranking.method,
            "flagged": len(flagged),
            "threshold": ranking.flagged is not None,
            "precision": _share(right),
            "recall": float(found.sum() / of),
            "first 100": _share(self.right(queue, ranking.ranked[:FIRST])),
        }
        if queue == "labels":
            for fault in WRONG_LABELS:
                row[f"recall, {fault}"] = (self.fault[flagged] == fault).sum() / (
                    self.fault == fault
                ).sum()
        elif queue == "copies":
            row |= self._by_alteration(flagged)
        return row

    def _by_alteration(self, flagged: np.ndarray) -> dict:
        """Return recall of copies by alteration, and of those in one set with their original."""
        if flagged.ndim == 1:
            found, together = {p for p in self.copies if np.isin(p, flagged).any()}, {}
        else:
            found = set(_sorted(flagged))
            sets = near_duplicates.groups(flagged, len(self.fault))
            together = {i: number for number, members in enumerate(sets) for i in members}
        joined = [together.get(a, -1) == together.get(b, -2) for a, b in self.copies]
        row = {"in one set": float(np.mean(joined)) if together else None}
        for how in ALTERATIONS:
            altered = [pair for pair, alteration in self.copies.items() if alteration == how]
            row[how] = sum(pair in found for pair in altered) / len(altered)
        return row


def table(rows: list[dict]) -> str:
    """Format rows as a table in Markdown."""
    names = [name for name in rows[0] if name != "threshold"]
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for row in rows:
        cells = []
        for name in names:
            value = row[name]
            if isinstance(value, float):
                value = f"{value:.1%}"
            if name == "flagged" and not row["threshold"]:
                value = f"no threshold; first {value}"
            cells.append("" if value is None else str(value))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _share(right: np.ndarray) -> float:
    return float(right.mean()) if len(right) else 0.0


def _sorted(pairs: np.ndarray) -> list[Pair]:
    return [(min(a, b), max(a, b)) for a, b in pairs.tolist()]
