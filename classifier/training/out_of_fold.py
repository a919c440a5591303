"""Cross-validation of types that are too small for the test split.

Every picture of a small type is in one of several folds, whole groups together. For each fold a
network learns the rest and names the fold's pictures. None of these networks is ever served, so
test pictures may take part; what is measured is the recipe with this much data, not a version.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import torch

from classifier.evaluation.metrics import MIN_GROUPS, GroupCounts
from classifier.inference.thresholds import TYPE, ClassInfo
from classifier.jobs.checkpoints import LocalCheckpoints
from classifier.recipes import Recipe
from classifier.training.data_loaders import Item
from classifier.training.learner import build_learner
from classifier.training.loop import train
from classifier.training.start_weights import Start
from curation.snapshots.manifest import ManifestLine

Progress = Callable[[int, int, int], None]  # fold, batches done, batches in all


def small_types(lines: Iterable[ManifestLine], classes: Sequence[ClassInfo]) -> list[str]:
    """Slugs of learnt types with fewer than MIN_GROUPS groups in the test split."""
    groups = defaultdict(set)
    for line in lines:
        if line.split == "test":
            groups[line.label].add(line.group or line.sha256)
    return [c.slug for c in classes if c.kind == TYPE and len(groups[c.slug]) < MIN_GROUPS]


def choose(
    lines: Iterable[ManifestLine],
    classes: Sequence[ClassInfo],
    small: Sequence[str],
    per_label: int,
) -> list[ManifestLine]:
    """All lines of small types and at most `per_label` of every other class, whatever their split.

    Their digests decide which, so it is the same every time.
    """
    slugs, taken = {c.slug for c in classes}, Counter()
    chosen = []
    for line in sorted(lines, key=lambda line: line.sha256):
        if line.label in small or (line.label in slugs and taken[line.label] < per_label):
            taken[line.label] += 1
            chosen.append(line)
    return chosen


def folds_of(lines: Sequence[ManifestLine], folds: int) -> list[int]:
    """The fold of every line, from 0: whole groups, of each label about as many pictures in every
    fold (the largest group first, always into the emptiest fold)."""
    sizes = Counter((line.label, line.group or line.sha256) for line in lines)
    filled: dict[str, list[int]] = defaultdict(lambda: [0] * folds)
    fold: dict[str, int] = {}
    for (label, group), images in sorted(sizes.items(), key=lambda one: (-one[1], one[0])):
        # A group that carries two labels stays together too.
        chosen = fold.setdefault(group, filled[label].index(min(filled[label])))
        filled[label][chosen] += images
    return [fold[line.group or line.sha256] for line in lines]


def judge(
    lines: Sequence[ManifestLine],
    paths: Mapping[str, Path],
    classes: Sequence[ClassInfo],
    small: Sequence[str],
    recipe: Recipe,
    start: Start,
    seed: int,
    folds: int,
    scratch: Path,
    progress: Progress = lambda *args: None,
) -> dict[str, dict]:
    """Rows as in `metrics.measure`'s `per_type` for every small type, from `folds` trainings.

    `paths`: local file by stored digest. Interrupted, it goes on from its checkpoints in `scratch`.
    Raises what `build_learner` and `train` raise.
    """
    slugs = [c.slug for c in classes]
    types = torch.tensor([c.kind == TYPE for c in classes])
    counts = {slug: GroupCounts() for slug in small}
    where = folds_of(lines, folds)
    for fold in range(folds):
        items = [
            Item(paths[ln.stored_sha256], ln.label, "valid" if at == fold else "train", ln.sha256,
                 ln.scene)
            for ln, at in zip(lines, where, strict=True)
        ]  # fmt: skip
        learner = build_learner(items, slugs, recipe, start, seed)
        train(
            learner,
            recipe,
            seed,
            LocalCheckpoints(scratch / f"fold-{fold}"),
            on_progress=lambda epoch, batch, of, loss, fold=fold: progress(
                fold, epoch * of + batch, recipe.epochs * of
            ),
        )
        guesses = _guesses(learner, types)
        in_fold = [line for line, at in zip(lines, where, strict=True) if at == fold]
        for line, guess in zip(in_fold, guesses, strict=True):
            if line.label in counts:
                counts[line.label].add(line.group or line.sha256, slugs[guess] == line.label)
    return {slug: of_type.row() for slug, of_type in counts.items() if of_type.groups}


def _guesses(learner, types: torch.Tensor) -> list[int]:
    """The likeliest type of every valid picture, in their order."""
    model, guesses = learner.model.eval(), []
    with torch.no_grad():
        for pictures, _ in learner.dls.valid:
            logits = model(pictures).float().cpu()
            guesses += logits.masked_fill(~types, -torch.inf).argmax(1).tolist()
    return guesses
