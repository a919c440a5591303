"""The process that trains one run: reads rows and storage, trains, stores the version.

Only `manage.py train --run` and `out_of_fold` import this module, because it imports torch.
"""

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from django.conf import settings
from django.utils import timezone

from classifier import recipes
from classifier.errors import NoPretrainedWeights, TooFewPictures
from classifier.inference.card import WEIGHTS
from classifier.inference.thresholds import ClassInfo
from classifier.jobs import decoded_pictures, picture_files, subprocesses
from classifier.jobs.checkpoints import StoredCheckpoints
from classifier.models import Epoch, ModelVersion, TrainingRun
from classifier.registry import lookup, starter, stored
from classifier.training import start_weights
from classifier.training.data_loaders import Item, decode_request
from classifier.training.distillation import Teacher
from classifier.training.export import export_version
from classifier.training.learner import build_learner, preprocess_of
from classifier.training.loop import EpochResult, train
from curation.models import ShoeType
from curation.snapshots import manifest
from shoeproject.jobs import Claim


def main(run_id: int, attempt: int | None) -> int:
    """Train run `run_id` under the claim numbered `attempt`; returns the exit status."""
    return subprocesses.run_in_subprocess(TrainingRun, run_id, attempt, run, "runs")


def run(claim: Claim, scratch: Path) -> None:
    """Train to the end of the recipe, export, store the version and write its row."""
    job = claim.job
    recipe = recipes.get_recipe(job.recipe, job.overrides)
    claim.tick(0, what="reading the snapshot", force=True)
    lines = list(manifest.read(job.snapshot))
    classes, left_out = choose_classes(lines)
    items = _items(lines, classes, claim)
    recipe, start = choose_start(recipe, "arch" in job.overrides)
    device = _device()
    claim.row().update(device=_describe(device), started_from=start.described[:300])
    slugs = [c.slug for c in classes]
    teacher, teacher_name = _teacher(recipe, slugs, preprocess_of(recipe, start))
    decoded = decoded_pictures.decode_all(
        [decode_request(item.path, item.split, recipe) for item in items],
        settings.CACHE_DIR / "decoded",
        settings.TRAIN_DECODED_BYTES,
        lambda done: claim.tick(what=f"decoding pictures, {done} of {len(items)}"),
    )
    learner = build_learner(items, slugs, recipe, start, job.seed, device, teacher, decoded)
    if recipe.head_start == "probe":
        claim.tick(what="fitting the head", force=True)
    progress = _Progress(claim, recipe)
    history = train(
        learner,
        recipe,
        job.seed,
        StoredCheckpoints(job.pk, scratch),
        on_progress=progress.batch,
        on_epoch=progress.epoch,
    )
    claim.tick(*progress.end, "batches; exporting the model", force=True)
    folder = scratch / "version"
    about = _training_entry(job, recipe, start, device, lines, left_out, history)
    about |= {"precision": learner.training_precision, "teacher": teacher_name}
    name = f"{recipe.arch} {recipe.name} on {job.snapshot.name}"
    card = export_version(
        learner.model, classes, recipe, learner.preprocess, items, about, folder, name
    )
    claim.tick(what="batches; storing the model", force=True)
    digest = stored.put(folder, card)
    with claim.transaction():
        ModelVersion.objects.create(
            name=name, digest=digest, card=card, run=job, snapshot=job.snapshot
        )


def choose_classes(lines) -> tuple[list[ClassInfo], dict[str, int]]:
    """The classes to learn, sorted by slug, and {label: training pictures} of those with too few.

    A label needs `TRAIN_MIN_IMAGES` training pictures: a network learns little from fewer. Raises
    `TooFewPictures` where fewer than two labels have enough.
    """
    numbers = Counter(line.label for line in lines if line.split == "train")
    enough = {slug for slug, n in numbers.items() if n >= settings.TRAIN_MIN_IMAGES}
    if len(enough) < 2:
        most = max(numbers.values(), default=0)
        raise TooFewPictures("train", most, settings.TRAIN_MIN_IMAGES)
    types = ShoeType.objects.filter(slug__in=enough).select_related("category").order_by("slug")
    classes = [ClassInfo(t.slug, t.kind, t.category.slug if t.category else "") for t in types]
    labels = {line.label for line in lines}
    return classes, {slug: numbers[slug] for slug in sorted(labels - enough)}


def _items(lines, classes: list[ClassInfo], claim: Claim) -> list[Item]:
    slugs = {c.slug for c in classes}
    used = [line for line in lines if line.label in slugs and line.split in ("train", "valid")]
    paths = picture_files.fetch(
        [line.stored_sha256 for line in used],
        lambda done: claim.tick(what=f"fetching pictures, {done} of {len(used)}"),
    )
    return [Item(paths[ln.stored_sha256], ln.label, ln.split, ln.sha256, ln.scene) for ln in used]


def choose_start(
    recipe: recipes.Recipe, fixed_arch: bool
) -> tuple[recipes.Recipe, start_weights.Start]:
    """The recipe with its final network, and the weights that this starts from.

    Unless `fixed_arch`, the network follows the weights: a training that starts from a version gets
    its network, and one without pretrained weights the starter's. Raises as `load_start`.
    """
    active = None
    if recipe.start == "version":
        active = ModelVersion.objects.filter(active=True).first()
    if active and not fixed_arch:
        recipe = replace(recipe, arch=active.card["arch"])
    load = partial(
        start_weights.load_start,
        weights_file=Path(settings.PRETRAINED_WEIGHTS) if settings.PRETRAINED_WEIGHTS else None,
        version_file=stored.fetch(active) / WEIGHTS if active else None,
        starter_file=starter.FOLDER / WEIGHTS,
    )
    try:
        return recipe, load(recipe.arch, recipe.start)
    except NoPretrainedWeights:
        arch = starter.arch()
        if fixed_arch or recipe.start not in ("auto", "starter") or arch in (None, recipe.arch):
            raise
    recipe = replace(recipe, arch=arch, start="starter")
    return recipe, load(recipe.arch, recipe.start)


def _teacher(recipe, slugs: list[str], spec) -> tuple[Teacher | None, str]:
    """The recipe's teacher and its name; (None, "") without one."""
    if not recipe.teacher:
        return None, ""
    version = lookup.find(recipe.teacher)
    file = stored.fetch(version) / WEIGHTS
    return Teacher(version.card["arch"], file, slugs, spec), f"{version.name} ({version.short})"


def _device() -> torch.device:
    if settings.TRAIN_DEVICE != "auto":
        return torch.device(settings.TRAIN_DEVICE)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"[:60]
    return str(device)


class _Progress:
    """Writes a training's progress and epochs to the database."""

    def __init__(self, claim: Claim, recipe):
        self.claim, self.recipe = claim, recipe
        self.accuracy = ""
        self.end = (None, None)

    def batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Write the progress."""
        total = self.recipe.epochs * batches
        self.end = (total, total)
        self.claim.tick(
            epoch * batches + batch,
            total,
            f"batches; epoch {epoch + 1} of {self.recipe.epochs}, loss {loss:.3f}{self.accuracy}",
        )

    def epoch(self, result: EpochResult) -> None:
        """Write an epoch's row, unless it exists: a resumed run reports its old epochs again."""
        self.accuracy = f", valid accuracy {result.accuracy:.1%}"
        with self.claim.transaction():
            Epoch.objects.get_or_create(
                run_id=self.claim.pk,
                number=result.number,
                defaults={
                    "phase": result.phase,
                    "images": result.images,
                    "train_loss": result.train_loss,
                    "valid_loss": result.valid_loss,
                    "accuracy": result.accuracy,
                    "learning_rate": result.lr,
                    "seconds": result.seconds,
                },
            )


def _training_entry(job, recipe, start, device, lines, left_out, history) -> dict:
    """The card's entry `training`."""
    return {
        "snapshot": {"name": job.snapshot.name, "digest": job.snapshot.digest},
        "images": job.snapshot.counts,
        "sources": _count(line.source for line in lines),
        "licences": _count(line.licence for line in lines),
        "seen": _sources_and_scenes(lines),
        "left_out": left_out,
        "recipe": recipe.as_json(),
        "seed": job.seed,
        "started_from": start.described,
        "device": _describe(device),
        "torch": torch.__version__,
        "seconds": round(sum(result.seconds for result in history)),
        "finished": timezone.now().isoformat(timespec="seconds"),
    }


def _sources_and_scenes(lines) -> dict[str, dict]:
    """For every label the numbers of training pictures by source and by scene, largest first."""
    labels = sorted({line.label for line in lines})
    train = [line for line in lines if line.split == "train"]
    return {
        label: {
            "sources": _count(line.source for line in train if line.label == label),
            "scenes": _count(line.scene for line in train if line.label == label),
        }
        for label in labels
    }


def _count(values) -> dict[str, int]:
    return dict(Counter(value or "unknown" for value in values).most_common())
