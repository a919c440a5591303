"""How fast does a recipe train, against a plain fastai script of the classic kind?

    .venv/bin/python -m bench.train SNAPSHOT --weights FILE --images 600 --out train.json

The plain script is as in a tutorial: `RandomResizedCrop(224, min_scale=0.5)`, `aug_transforms`,
batches of 8, `vision_learner(resnet34)` with fastai's head, `fine_tune(5)`, four `fine_tune(2)`;
fp32, contiguous. The other side is `build_learner` and `train` with a recipe. Both get the same
stored pictures, start from the same weights if the recipe's network is a resnet34 (heads are
random), and use the recipe's number of torch threads on the CPU.

speed: training steps of both learners in turns, all layers trained, on fixed random batches: the
network, the loss and the optimiser (fastai's Adam, which is AdamW); no pictures are loaded.
accuracy: the plain script trains to its end and is evaluated on test pictures, squeezed and cropped
as fastai does it; then the recipe, after every epoch (the fp32 network, pictures prepared as for
serving). It has reached the plain script after the first epoch for which the 95 % interval of the
paired difference (bootstrap over groups) begins at -3 points or above; the interval does not
account for the choice of the epoch by test pictures, nor for other seeds. One-cycle schedules are
best at their end. Clock: seconds in training batches, with loading pictures and starting loader
processes; the recipe's also with decoding all pictures beforehand and writing checkpoints.
Validation and evaluation count on neither side. Ctrl-C prints the results so far.
"""
# ruff: noqa: E402 - Django has to be set up before the modules that know its models

import argparse
import copy
import json
import math
import random
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

import django

django.setup()

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import numpy as np
import torch
from django.conf import settings
from fastai.vision import all as fastai

from bench.snapshot_items import items_of
from classifier import recipes
from classifier.inference.preprocess import open_photo, to_array
from classifier.jobs import decoded_pictures
from classifier.jobs.checkpoints import LocalCheckpoints
from classifier.training import loop, mixed_precision, start_weights
from classifier.training.data_loaders import Item, decode_request, seed_everything
from classifier.training.learner import build_learner
from curation.snapshots import freeze, manifest

LEAST, MOST = 10, 2000  # training pictures: of a label, if possible; of all
PLAIN_BATCH, MARGIN, RESAMPLES, TURNS = 8, -0.03, 2000, 3
CPU = torch.device("cpu")


class Pictures(NamedTuple):
    """Train and valid `items`; `tests`, with the group and class number of each."""

    items: list[Item]
    tests: list[Item]
    groups: list[str]
    targets: np.ndarray
    classes: list[str]


class Clock(fastai.Callback):
    """Sums up the seconds of training; calls `report(clock)` after every epoch."""

    order = 200  # after all others

    def __init__(self, report=lambda clock: None, seconds: float = 0.0):
        super().__init__()
        self.report, self.seconds = report, seconds

    def _go(self) -> None:
        self.seconds -= time.perf_counter()

    def _stop(self) -> None:
        self.seconds += time.perf_counter()

    def _end(self) -> None:
        self._stop()
        self.report(self)

    before_train = after_validate = _go  # checkpoints are written between validation and the end
    after_train, after_epoch = _stop, _end


def main() -> None:
    """Measure, print, write."""
    options = arguments()
    torch.set_num_threads(options.recipe.threads)
    ways = (("resnet34", "auto"), (options.recipe.arch, options.recipe.start))
    starts = [start_weights.load_start(*way, options.weights) for way in ways]
    starts = [replace(start, classes=()) for start in starts]  # heads start anew
    print("start weights:", *(start.described for start in starts))
    pictures = choose(options)
    result = {"snapshot": options.snapshot, "seed": options.seed, "test": len(pictures.tests)}
    result |= {"recipe": options.recipe.as_json(), "started_from": [s.described for s in starts]}
    try:
        if "speed" in options.parts:
            speed(options, pictures, starts, result.setdefault("speed", []))
        if "accuracy" in options.parts:
            compare(options, pictures, starts, result)
    except KeyboardInterrupt:
        print("\nstopped; the results so far:")
    finally:
        for name in ("reached", "last") if "last" in result else ():
            print(f"{name}: {in_words(result[name]) if name in result else 'no'}")
        if options.out:
            options.out.write_text(json.dumps(result, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    """Parse the command line; `recipe` becomes a Recipe."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("snapshot", help="name of a snapshot of this installation (see VAR_DIR)")
    add("--parts", default="speed,accuracy", help="one of them, or both")
    add("--weights", type=Path, default=settings.PRETRAINED_WEIGHTS or None, help="to start from")
    add("--images", type=int, default=600, help=f"training pictures, at most {MOST}")
    add("--valid", type=int, default=200, help="valid pictures")
    add("--test", type=int, default=1500, help="test pictures at most, whole groups")
    add("--rounds", default="5,2,2,2,2", help="epochs of each fine_tune")
    add("--plain-size", type=int, default=224, help="pixels, of the plain script")
    add("--recipe", default="quick-look", help="name of a preset")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    add("--size", default="224,128", help="pixels, of the speed")
    add("--seed", type=int, default=1)
    add("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    overrides = dict(text.partition("=")[::2] for text in options.set)
    options.recipe = recipes.get_recipe(options.recipe, overrides)
    if not 2 <= options.images <= MOST or options.recipe.teacher:
        parser.error(f"--images is from 2 to {MOST}; a teacher had to be counted, leave it out")
    return options


def choose(options) -> Pictures:
    """Choose the pictures; the same ones for the same options."""
    lines, dice = list(manifest.read(freeze.find(options.snapshot))), random.Random(options.seed)
    chosen = stratified([ln for ln in lines if ln.split == "train"], options.images, dice)
    classes = sorted({line.label for line in chosen})
    valid = [line for line in lines if line.split == "valid" and line.label in classes]
    chosen += dice.sample(valid, min(options.valid, len(valid)))
    by_group, tests = defaultdict(list), []
    for line in lines:
        if line.split == "test" and line.label in classes:
            by_group[line.group or line.sha256].append(line)
    for group in dice.sample(sorted(by_group), len(by_group)):
        if len(tests) + len(by_group[group]) <= options.test:
            tests += by_group[group]
    used, groups = chosen + tests, [line.group or line.sha256 for line in tests]
    items = items_of(used)
    targets = np.array([classes.index(line.label) for line in tests])
    print("pictures:", dict(Counter(ln.split for ln in used)), "test groups:", len(set(groups)))
    return Pictures(items[: len(chosen)], items[len(chosen) :], groups, targets, classes)


def stratified(lines: list, limit: int, dice: random.Random) -> list:
    """Choose at most `limit` lines: LEAST of each label first, then the same share of each."""
    sizes, ranks, ranked = Counter(line.label for line in lines), defaultdict(count), []
    for line in dice.sample(lines, len(lines)):
        rank = next(ranks[line.label])
        ranked.append((rank if rank < LEAST else LEAST + rank / sizes[line.label], line))
    return [line for _, line in sorted(ranked, key=lambda pair: pair[0])[:limit]]


def plain_learner(options, pictures: Pictures, start) -> fastai.Learner:
    """Run the plain script up to its `fine_tune`; `pretrained=True` would normalise as here."""
    seed_everything(options.seed)
    normalize = fastai.Normalize.from_stats(start.mean, start.std, cuda=False)
    dls = fastai.ImageDataLoaders.from_df(
        fastai.pd.DataFrame([(i.path, i.label, i.split == "valid") for i in pictures.items]),
        path="/",  # the pictures' paths are absolute
        valid_col=2,
        item_tfms=fastai.RandomResizedCrop(options.plain_size, min_scale=0.5),
        batch_tfms=[*fastai.aug_transforms(), normalize],
        bs=PLAIN_BATCH,
        device=CPU,
    )
    learner = fastai.vision_learner(dls, fastai.resnet34, pretrained=False, metrics=fastai.accuracy)
    start_weights.load_body(learner.model, "resnet34", start)
    return learner


def speed(options, pictures: Pictures, starts, rows: list) -> None:
    """Add a row for each size: images a second of both sides, and their ratio."""
    recipe, computing = options.recipe, mixed_precision.choose(options.recipe.precision, CPU)
    ours = build_learner(pictures.items, pictures.classes, recipe, starts[1], options.seed, CPU)
    sides = {"plain": (plain_learner(options, pictures, starts[0]), PLAIN_BATCH, [])}
    sides["ours"] = (
        ours,
        recipe.batch_size,
        [mixed_precision.PrecisionAndLayout(computing, recipe.layout)],
    )
    images = 2 * math.lcm(PLAIN_BATCH, recipe.batch_size)
    for size in map(int, options.size.split(",")):
        shown = torch.randn(images, 3, size, size)
        labels = torch.randint(len(pictures.classes), (images,))
        seconds = dict.fromkeys(sides, 0.0)
        for turn in range(TURNS + 1):
            for name, (learner, batch, callbacks) in sides.items():
                batches = list(zip(shown.split(batch), labels.split(batch), strict=True))
                learner.dls, clock = fastai.DataLoaders(batches, []), Clock()
                learner.dls._device = CPU  # a list cannot be moved to one
                learner.unfreeze()
                with learner.no_bar(), learner.no_logging():
                    learner.fit(1, 1e-5, cbs=[*callbacks, clock])
                seconds[name] += clock.seconds * (turn > 0)  # the first turn warms up
        rate = {name: TURNS * images / spent for name, spent in seconds.items()}
        rows.append({"size": size, **rate, "ratio": rate["ours"] / rate["plain"], "in": computing})
        line = "{size} px: plain {plain:.1f} images/s, recipe {ours:.1f} (in {in}), × {ratio:.2f}"
        print(line.format(**rows[-1]), flush=True)


def train_plain(options, pictures: Pictures, start, rows: list) -> np.ndarray:
    """Train the plain script to its end; returns which test pictures it names right (bool)."""

    def report(clock: Clock) -> None:
        rows.append({"seconds": clock.seconds, "valid": float(clock.recorder.values[-1][-1])})
        line = "plain: epoch {}, {seconds:.0f} s, valid accuracy {valid:.1%}"
        print(line.format(len(rows), **rows[-1]), flush=True)

    learner, clock = plain_learner(options, pictures, start), Clock(report)
    with learner.no_bar(), learner.no_logging():
        for epochs in options.rounds.split(","):
            learner.fine_tune(int(epochs), cbs=clock)
        tests = fastai.pd.DataFrame([(item.path,) for item in pictures.tests])
        probabilities, _ = learner.get_preds(dl=learner.dls.test_dl(tests))
    right = probabilities.argmax(1).numpy() == pictures.targets
    rows[-1]["test"] = right.mean()
    print(f"plain: {rows[-1]['seconds']:.0f} s, test accuracy {right.mean():.1%}", flush=True)
    return right


def compare(options, pictures: Pictures, starts, result: dict) -> None:
    """Run both trainings, one after the other; fills `result` as they go."""
    plain, epochs = result.setdefault("plain", []), result.setdefault("epochs", [])
    right = train_plain(options, pictures, starts[0], plain)
    recipe, seed, spent = options.recipe, options.seed, plain[-1]["seconds"]

    def on_epoch(epoch: loop.EpochResult) -> None:
        clock.after_train()
        correct = answers(learner.model, pictures.tests, learner.preprocess) == pictures.targets
        interval = paired_interval(right, correct, pictures.groups, seed)
        row = {"epoch": len(epochs) + 1, "seconds": clock.seconds, "accuracy": correct.mean()}
        row |= {"plain_seconds": spent, "plain_accuracy": right.mean(), "interval": interval}
        result["last"] = row | {"ratio": spent / clock.seconds}
        epochs.append(result["last"])
        if interval[0] >= MARGIN:
            result.setdefault("reached", result["last"])
        print(f"recipe: {in_words(result['last'])}", flush=True)
        clock.before_train()

    with tempfile.TemporaryDirectory(prefix="bench-train-") as scratch:
        began, items = time.perf_counter(), pictures.items
        sides = [decode_request(item.path, item.split, recipe) for item in items]
        kept = decoded_pictures.decode_all(
            sides, Path(scratch, "decoded"), settings.TRAIN_DECODED_BYTES
        )
        clock, place = Clock(seconds=time.perf_counter() - began), Path(scratch, "checkpoints")
        learner = build_learner(items, pictures.classes, recipe, starts[1], seed, CPU, None, kept)
        learner.add_cb(clock)
        loop.train(learner, recipe, seed, LocalCheckpoints(place), on_epoch=on_epoch)


def answers(model: torch.nn.Module, tests: list[Item], spec) -> np.ndarray:
    """Return the class numbers that a copy of the network gives, with pictures as for serving."""
    model, numbers = copy.deepcopy(model).eval(), []
    for i in range(0, len(tests), 32):
        arrays = [to_array(open_photo(item.path, spec.size), spec) for item in tests[i : i + 32]]
        with torch.no_grad():
            numbers += model(torch.from_numpy(np.stack(arrays))).argmax(1).tolist()
    return np.array(numbers)


def paired_interval(plain, ours, groups: list[str], seed: int) -> list[float]:
    """Return the 95 % interval of the difference in accuracy, by bootstrap over groups."""
    _, where = np.unique(groups, return_inverse=True)
    images, gains = np.bincount(where), np.bincount(where, ours.astype(float) - plain)
    samples = np.random.default_rng(seed).integers(len(images), size=(RESAMPLES, len(images)))
    return np.quantile(gains[samples].sum(1) / images[samples].sum(1), (0.025, 0.975)).tolist()


def in_words(row: dict) -> str:
    """Describe an epoch of the recipe."""
    gain = row["accuracy"] - row["plain_accuracy"]
    gain, low, high = (100 * share for share in (gain, *row["interval"]))
    return (
        f"epoch {row['epoch']}, {row['seconds']:.0f} s, test accuracy {row['accuracy']:.1%}; plain "
        f"{row['plain_seconds']:.0f} s, {row['plain_accuracy']:.1%}: × {row['ratio']:.2f}, "
        f"{gain:+.1f} points (95 %: {low:+.1f} to {high:+.1f})"
    )


if __name__ == "__main__":
    main()
