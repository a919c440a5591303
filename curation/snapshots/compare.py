"""Compare two snapshots: images added, removed, relabelled or changed otherwise. Pure.

Works on manifest lines alone (`curation.snapshots.manifest.ManifestLine`), so also for images that
were purged since.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby

# Fields that may differ between two lines of one image, besides the label. The split follows from
# what never changes, and the stored file changes only where a picture was decoded anew.
FACTS = ("scene", "licence", "source", "group", "stored_sha256", "split")


@dataclass
class Comparison:
    """What differs between two snapshots.

    `added`, `removed`: lines. `relabelled`, and `changed` for images with the same label where one
    of `FACTS` differs: pairs (line before, line after). `unchanged`: how many images. `before`,
    `after`: label → images.
    """

    added: list = field(default_factory=list)
    removed: list = field(default_factory=list)
    relabelled: list[tuple] = field(default_factory=list)
    changed: list[tuple] = field(default_factory=list)
    unchanged: int = 0
    before: Counter = field(default_factory=Counter)
    after: Counter = field(default_factory=Counter)

    @property
    def label_changes(self) -> list[tuple[str, str, int]]:
        """(label before, label after, images), most first."""
        counts = Counter((old.label, new.label) for old, new in self.relabelled)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return [(old, new, number) for (old, new), number in ordered]

    @property
    def facts(self) -> dict[str, int]:
        """Fact → images of `changed` that differ in it; only facts in which some do."""
        counts = Counter(fact for old, new in self.changed for fact in differing(old, new))
        return {fact: counts[fact] for fact in FACTS if counts[fact]}

    @property
    def labels(self) -> dict[str, tuple[int, int]]:
        """Label → images before and after, in the order of the labels."""
        labels = sorted({*self.before, *self.after})
        return {label: (self.before[label], self.after[label]) for label in labels}


def differing(old, new) -> list[str]:
    """The `FACTS` in which two lines of one image differ."""
    return [fact for fact in FACTS if getattr(old, fact) != getattr(new, fact)]


def compare(lines_a: Iterable, lines_b: Iterable) -> Comparison:
    """What differs from the first manifest to the second.

    Both must be sorted by sha256, each of which is there once. They are read side by side, so that
    only differences are kept in memory. Raises ValueError where they are not sorted.
    """
    comparison, last = Comparison(), ""
    both = merge(
        ((line, "old") for line in lines_a), ((line, "new") for line in lines_b), key=_sha256
    )
    for sha256, lines in groupby(both, key=_sha256):
        if sha256 < last:
            raise ValueError(f"{sha256} comes after {last}: the lines are not sorted")
        last = sha256
        sides = {side: line for line, side in lines}
        old, new = sides.get("old"), sides.get("new")
        if old:
            comparison.before[old.label] += 1
        if new:
            comparison.after[new.label] += 1
        if old is None:
            comparison.added.append(new)
        elif new is None:
            comparison.removed.append(old)
        elif old.label != new.label:
            comparison.relabelled.append((old, new))
        elif old == new:
            comparison.unchanged += 1
        else:
            comparison.changed.append((old, new))
    return comparison


def _sha256(line_and_side: tuple) -> str:
    return line_and_side[0].sha256
