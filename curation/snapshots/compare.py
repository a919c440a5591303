"""Two snapshots side by side: what came, what went, what is called something else now.

Works on manifest lines alone (`curation.snapshots.freeze.Line`), whatever has become of the images.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby

# What a line may say otherwise without being another image or label. The split is a function of
# what never changes, and the stored file changes only where a picture was read anew.
FACTS = ("scene", "licence", "source", "group", "stored_sha256", "split")


@dataclass
class Comparison:
    """What differs between two snapshots. Pairs are (line before, line after).

    `changed`: the same label, but another of `FACTS`; how many for each is in `facts`. An image
    that was relabelled is not repeated there. `labels`: {label: (images before, images after)}.
    """

    came: list = field(default_factory=list)
    went: list = field(default_factory=list)
    relabelled: list[tuple] = field(default_factory=list)
    changed: list[tuple] = field(default_factory=list)
    same: int = 0
    before: Counter = field(default_factory=Counter)
    after: Counter = field(default_factory=Counter)

    @property
    def moves(self) -> list[tuple[str, str, int]]:
        """(label before, label after, images), most first."""
        moves = Counter((old.label, new.label) for old, new in self.relabelled)
        ordered = sorted(moves.items(), key=lambda move: (-move[1], move[0]))
        return [(old, new, number) for (old, new), number in ordered]

    @property
    def facts(self) -> dict[str, int]:
        """Fact → images that differ in it, of those in `changed`; facts that nobody changed are
        left out."""
        counts = Counter(fact for old, new in self.changed for fact in differing(old, new))
        return {fact: counts[fact] for fact in FACTS if counts[fact]}

    @property
    def labels(self) -> dict[str, tuple[int, int]]:
        """Label → images before and after, in the order of the labels."""
        labels = sorted({*self.before, *self.after})
        return {label: (self.before[label], self.after[label]) for label in labels}


def differing(old, new) -> list[str]:
    """The `FACTS` that two lines of one image disagree in."""
    return [fact for fact in FACTS if getattr(old, fact) != getattr(new, fact)]


def compare(lines_a: Iterable, lines_b: Iterable) -> Comparison:
    """What differs from the first manifest to the second.

    Both sorted by sha256, each of which is there once, as manifests are: read side by side, so
    only differences are kept in memory. `ValueError` where they are not sorted.
    """
    found, before = Comparison(), ""
    both = merge(_sided(lines_a, 0), _sided(lines_b, 1), key=_sha256)
    for sha256, lines in groupby(both, key=_sha256):
        if sha256 < before:
            raise ValueError(f"{sha256} comes after {before}: the lines are not sorted")
        before = sha256
        _note(found, dict(lines))
    return found


def _sided(lines: Iterable, side: int):
    return ((side, line) for line in lines)


def _sha256(sided: tuple) -> str:
    return sided[1].sha256


def _note(found: Comparison, sides: dict) -> None:
    old, new = sides.get(0), sides.get(1)
    if old:
        found.before[old.label] += 1
    if new:
        found.after[new.label] += 1
    if old is None:
        found.came.append(new)
    elif new is None:
        found.went.append(old)
    elif old.label != new.label:
        found.relabelled.append((old, new))
    elif old == new:
        found.same += 1
    else:
        found.changed.append((old, new))
