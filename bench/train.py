"""How fast does a recipe train, against a plain fastai script of the classic kind?

    .venv/bin/python -m bench.train SNAPSHOT --weights FILE --images 600 --out train.json

The plain side is what a tutorial would write: ImageBlock, `RandomResizedCrop(224, min_scale=0.5)`,
`aug_transforms()`, batches of 8, `vision_learner(resnet34)` with fastai's own head, one
`fine_tune(5)`, four times `fine_tune(2)`; fp32, contiguous. The other side is `build_learner` and
`train` with a recipe. Both read the same stored pictures, start from the same weights where the
recipe's network is a resnet34 (heads are random), and use the recipe's number of torch threads and
the processor alone.

speed: training steps of both learners, all layers trained, on fixed random batches of one size:
network, loss and optimiser (fastai's Adam, which is AdamW), no pictures loaded. The two take turns.

accuracy: the plain script trains to its end and is judged on pictures of the test split, each
squeezed and cropped as fastai does it. Then the recipe trains and is judged after every epoch (the
fp32 network, pictures prepared as for serving). It has reached the plain script after the first
epoch where the whole 95 % interval of the paired difference (bootstrap over groups) is above -3
points. That epoch is picked by looking at the test pictures, and the interval knows nothing of it
nor of other seeds. One-cycle schedules are best at their end, so an earlier epoch flatters nobody.

Clock: seconds in training batches, loading pictures and starting loader processes included; on the
recipe's side also decoding the pictures beforehand and writing checkpoints. Validation and judging
count on neither side. Ctrl-C prints what there is.
"""
# ruff: noqa: E402 - Django has to be set up before the modules that know its models

import argparse
import copy
import dataclasses
import json
import math
import os
import random
import shutil
import tempfile
import time
from bisect import bisect
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

from classifier import torchvision_shim  # noqa: F401

# isort: split
import numpy as np
import torch
from django.conf import settings
from django.db import connections
from fastai.callback.core import Callback
from fastai.callback.progress import ProgressCallback  # noqa: F401 - gives Learner its no_bar
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.core import DataLoaders
from fastai.data.transforms import FuncSplitter, Normalize
from fastai.learner import Learner
from fastai.metrics import accuracy
from fastai.vision.augment import RandomResizedCrop, aug_transforms
from fastai.vision.data import ImageBlock
from fastai.vision.learner import vision_learner
from torchvision.models import resnet34

from classifier import decoded, pictures, precision, recipes, train, weights
from classifier.learner import Item, build_learner, preprocess_of, seed_everything, wanted_sides
from classifier.preprocess import open_photo, to_array
from curation import snapshot

LEAST = 10  # training pictures of a label, where it has them and there is room
MOST = 2000  # training pictures
PLAIN_BATCH, MARGIN, RESAMPLES, TURNS = 8, -0.03, 2000, 3
CPU = torch.device("cpu")


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The pictures of one comparison: train and valid `items`, `tests` and their `groups`."""

    items: list[Item]
    tests: list[Item]
    groups: list[str]
    classes: list[str]


class Clock(Callback):
    """Sums up the seconds of training; `tell(clock)` is called after every epoch."""

    order = 200  # after all others

    def __init__(self, tell=lambda clock: None, seconds: float = 0.0):
        super().__init__()
        self.tell, self.seconds, self.began = tell, seconds, None

    def before_train(self) -> None:
        """An epoch's batches begin, or what follows its validation."""
        self.began = time.perf_counter()

    def after_train(self) -> None:
        """They are over. May come twice."""
        if self.began is not None:
            self.seconds += time.perf_counter() - self.began
            self.began = None

    after_validate = before_train  # checkpoints are written now

    def after_epoch(self) -> None:
        """Stop, report."""
        self.after_train()
        self.tell(self)


class NewestCheckpoint:
    """Keeps the last checkpoint only; nothing is resumed here."""

    def __init__(self, folder: Path):
        self.folder = folder

    def save(self, epoch: int, folder: Path) -> None:
        """Take the folder in place of the one before."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.move(folder, self.folder)

    def latest(self) -> None:
        """Always from the beginning."""


def main() -> None:
    """Measure, print, write."""
    options = arguments()
    recipe = options.recipe
    torch.set_num_threads(recipe.threads)
    file = options.weights or settings.PRETRAINED_WEIGHTS or None
    starts = [  # heads start anew on both sides, whatever the file holds
        dataclasses.replace(weights.load_start(*way, Path(file) if file else None), classes=())
        for way in (("resnet34", "auto"), (recipe.arch, recipe.start))
    ]
    drawn = draw(options)
    result = {
        "snapshot": options.snapshot,
        "seed": options.seed,
        "torch": torch.__version__,
        "threads": recipe.threads,
        "started_from": [start.described for start in starts],
        "recipe": recipe.as_json(),
    }
    print(f"start weights: plain {starts[0].described}; recipe {starts[1].described}")
    try:
        if "speed" in options.parts:
            result["speed"] = []
            speed(options, drawn, starts, result["speed"])
        if "accuracy" in options.parts:
            compare(options, drawn, starts, result)
    except KeyboardInterrupt:
        print("\nStopped; this is what there is:")
        result["stopped"] = True
    finally:
        summarise(result)
        if options.out:
            options.out.write_text(json.dumps(result, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    """The command line, `recipe` being one already."""

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("snapshot", help="name of a snapshot of this installation (see VAR_DIR)")
    parser.add_argument("--parts", default="speed,accuracy", help="one of them, or both")
    parser.add_argument("--weights", help="file to start from; default: PRETRAINED_WEIGHTS")
    parser.add_argument("--images", type=int, default=600, help=f"for training, at most {MOST}")
    parser.add_argument("--valid", type=int, default=200, help="pictures validated on")
    parser.add_argument("--test", type=int, default=1500, help="pictures judged on, whole groups")
    parser.add_argument("--rounds", type=numbers, default=[5, 2, 2, 2, 2], help="of fine_tune")
    parser.add_argument("--plain-size", type=int, default=224)
    parser.add_argument("--recipe", default="quick-look")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--size", type=numbers, default=[224, 128], help="pixels, of the speed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    if not 2 <= options.images <= MOST:
        parser.error(f"--images goes from 2 to {MOST}")
    overrides = dict(text.partition("=")[::2] for text in options.set)
    options.recipe = recipes.get_recipe(options.recipe, overrides)
    if options.recipe.teacher:
        parser.error("a teacher's own training would have to be counted; leave it out")
    return options


def draw(options) -> Drawn:
    """The same pictures for the same options."""
    lines, dice = list(snapshot.read(snapshot.find(options.snapshot))), random.Random(options.seed)
    connections.close_all()  # loader processes are forked from here
    by_label, by_group = defaultdict(list), defaultdict(list)
    for line in lines:
        if line.split == "train":
            by_label[line.label].append(line)
    chosen = stratified(by_label, options.images, dice)
    classes = sorted({line.label for line in chosen})
    rest = [line for line in lines if line.label in classes and line.split == "valid"]
    chosen += dice.sample(rest, min(options.valid, len(rest)))
    for line in lines:
        if line.split == "test" and line.label in classes:
            by_group[line.group or line.sha256].append(line)
    tests = []
    for group in dice.sample(sorted(by_group), len(by_group)):
        if len(tests) + len(by_group[group]) <= options.test:
            tests += by_group[group]
    paths = pictures.fetch([ln.stored_sha256 for ln in chosen + tests], lambda done: None)
    items = [
        Item(paths[ln.stored_sha256], ln.label, ln.split, ln.sha256, ln.scene)
        for ln in chosen + tests
    ]
    groups = [line.group or line.sha256 for line in tests]
    counts = {split: sum(item.split == split for item in items) for split in ("train", "valid")}
    print(
        f"{options.snapshot}: {counts['train']} training pictures of {len(classes)} labels, "
        f"{counts['valid']} valid, {len(tests)} test in {len(set(groups))} groups"
    )
    return Drawn(items[: len(chosen)], items[len(chosen) :], groups, classes)


def stratified(by_label: dict[str, list], limit: int, dice: random.Random) -> list:
    """At most `limit` lines: the same share of every label, but LEAST where it has them."""
    least = min(LEAST, limit // len(by_label))

    def counts(thousandth: int) -> list[int]:
        shares = (len(rows) * thousandth / 1000 for rows in by_label.values())
        sizes = map(len, by_label.values())
        return [min(n, max(least, int(share))) for n, share in zip(sizes, shares, strict=True)]

    share = bisect(range(1001), limit, key=lambda thousandth: sum(counts(thousandth))) - 1
    return [
        line
        for rows, n in zip(by_label.values(), counts(share), strict=True)
        for line in dice.sample(rows, n)
    ]


def plain_learner(options, drawn: Drawn, start) -> Learner:
    """The classic script, up to its `fine_tune`."""
    seed_everything(options.seed)
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=drawn.classes)),
        get_x=attrgetter("path"),
        get_y=attrgetter("label"),
        splitter=FuncSplitter(lambda item: item.split == "valid"),
        item_tfms=RandomResizedCrop(options.plain_size, min_scale=0.5),
        # What `vision_learner(pretrained=True)` adds by itself.
        batch_tfms=[*aug_transforms(), Normalize.from_stats(start.mean, start.std, cuda=False)],
    )
    dls = block.dataloaders(drawn.items, bs=PLAIN_BATCH, device=CPU)
    learner = vision_learner(dls, resnet34, pretrained=False, metrics=accuracy)
    weights.load_body(learner.model, "resnet34", start)
    return learner


def speed(options, drawn: Drawn, starts, rows: list) -> None:
    """One row per size: images a second of both sides, and their ratio."""
    recipe = options.recipe
    computing = precision.choose(recipe.precision, CPU)
    recipe_learner = build_learner(drawn.items, drawn.classes, recipe, starts[1], options.seed, CPU)
    compute = [precision.Compute(computing, recipe.layout)]
    sides = {
        "plain": (plain_learner(options, drawn, starts[0]), PLAIN_BATCH, []),
        "recipe": (recipe_learner, recipe.batch_size, compute),
    }
    for learner, *_ in sides.values():
        learner.unfreeze()
    images = 2 * math.lcm(PLAIN_BATCH, recipe.batch_size)
    for size in options.size:
        shown = torch.randn(images, 3, size, size)
        labels = torch.randint(len(drawn.classes), (images,))
        seconds = dict.fromkeys(sides, 0.0)
        for turn in range(TURNS + 1):
            for name, (learner, batch, callbacks) in sides.items():
                batches = list(zip(shown.split(batch), labels.split(batch), strict=True))
                learner.dls, clock = DataLoaders(batches, []), Clock()
                learner.dls._device = CPU  # a list of batches cannot be moved
                with learner.no_bar(), learner.no_logging():
                    learner.fit(1, 1e-5, cbs=[*callbacks, clock])
                seconds[name] += clock.seconds * (turn > 0)  # the first turn warms up
        rate = {name: TURNS * images / spent for name, spent in seconds.items()}
        ratio = rate["recipe"] / rate["plain"]
        rows.append({"size": size, **rate, "ratio": ratio, "computed_in": computing})
        print(
            f"{size} px, {recipe.threads} threads: plain {rate['plain']:.1f} images/s (fp32, "
            f"contiguous, {PLAIN_BATCH} a batch), recipe {rate['recipe']:.1f} ({computing}, "
            f"{recipe.layout}, {recipe.batch_size} a batch)  × {ratio:.2f}"
        )


def compare(options, drawn: Drawn, starts, result: dict) -> None:
    """Both trainings, one after the other; `result` is filled as they go."""
    plain, recipe = ({"epochs": [], "seconds": 0.0} for _ in range(2))
    result |= {"plain": plain, "recipe_side": recipe, "test": len(drawn.tests), "reached": None}
    right = train_plain(options, drawn, starts[0], plain)

    def judged(seconds: float, guesses: np.ndarray) -> None:
        mine = guesses == targets(drawn)
        interval = paired_interval(right, mine, drawn.groups, options.seed)
        row = {"epoch": len(recipe["epochs"]) + 1, "seconds": seconds, "accuracy": mine.mean()}
        row |= {"difference": mine.mean() - right.mean(), "interval": interval}
        row["ratio"] = plain["seconds"] / seconds
        recipe["epochs"].append(row)
        recipe["seconds"] = seconds
        if result["reached"] is None and interval[0] >= MARGIN:
            result["reached"] = row
        print(f"recipe: {described(row)}", flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-train-") as scratch:
        train_recipe(options, drawn, starts[1], Path(scratch), recipe, judged)


def targets(drawn: Drawn) -> np.ndarray:
    """Class numbers of the test pictures."""
    return np.array([drawn.classes.index(item.label) for item in drawn.tests])


def train_plain(options, drawn: Drawn, start, plain: dict) -> np.ndarray:
    """Train the classic script; which test pictures it is right about at its end."""

    def tell(clock: Clock) -> None:
        plain["seconds"] = clock.seconds
        row = {"seconds": clock.seconds, "valid_accuracy": float(clock.recorder.values[-1][-1])}
        plain["epochs"].append(row)
        print(
            f"plain: epoch {len(plain['epochs'])} of {sum(options.rounds) + len(options.rounds)}, "
            f"{clock.seconds:.0f} s, valid accuracy {row['valid_accuracy']:.1%}",
            flush=True,
        )

    learner = plain_learner(options, drawn, start)
    learner.add_cb(Clock(tell))
    with learner.no_bar(), learner.no_logging():
        for epochs in options.rounds:
            learner.fine_tune(epochs)
        learner.remove_cb(Clock)
        probabilities, _ = learner.get_preds(dl=learner.dls.test_dl(drawn.tests))
    right = probabilities.argmax(1).numpy() == targets(drawn)
    plain["accuracy"] = right.mean()
    print(f"plain: done, {plain['seconds']:.0f} s, test accuracy {right.mean():.1%}", flush=True)
    return right


def train_recipe(options, drawn: Drawn, start, scratch: Path, about: dict, judged) -> None:
    """Train the recipe; `judged(seconds, guesses)` is called after every epoch."""
    recipe, spec = options.recipe, preprocess_of(options.recipe, start)
    began = time.perf_counter()
    kept = decoded.keep(
        wanted_sides(drawn.items, recipe), scratch / "decoded", settings.TRAIN_DECODED_BYTES
    )
    about["decoding"] = time.perf_counter() - began
    learner = build_learner(
        drawn.items, drawn.classes, recipe, start, options.seed, CPU, None, kept
    )
    clock = Clock(seconds=about["decoding"])
    learner.add_cb(clock)

    def on_epoch(result: train.EpochResult) -> None:
        clock.after_train()
        judged(clock.seconds, guesses(learner.model, drawn.tests, spec))

    train.train(
        learner, recipe, options.seed, NewestCheckpoint(scratch / "state"), on_epoch=on_epoch
    )
    about["computed_in"] = learner.computed_in


def guesses(model: torch.nn.Module, tests: list[Item], spec) -> np.ndarray:
    """Class numbers that a copy of the network gives to pictures prepared as for serving."""
    model = copy.deepcopy(model).eval()
    found = []
    with ThreadPoolExecutor() as pool, torch.no_grad():
        for i in range(0, len(tests), 32):
            some = pool.map(lambda t: to_array(open_photo(t.path, spec.size), spec), tests[i:][:32])
            batch = torch.from_numpy(np.stack(list(some)))
            found += model(batch.contiguous(memory_format=torch.channels_last)).argmax(1).tolist()
    return np.array(found)


def paired_interval(plain, recipe, groups: list[str], seed: int) -> list[float]:
    """95 % interval of the difference in accuracy, groups being drawn anew RESAMPLES times."""
    _, where = np.unique(groups, return_inverse=True)
    images = np.bincount(where)
    gains = np.bincount(where, weights=recipe.astype(float) - plain)
    drawn = np.random.default_rng(seed).integers(len(images), size=(RESAMPLES, len(images)))
    means = gains[drawn].sum(1) / images[drawn].sum(1)
    return np.quantile(means, (0.025, 0.975)).tolist()


def described(row: dict) -> str:
    """An epoch of the recipe, in words."""
    low, high = (100 * bound for bound in row["interval"])
    return (
        f"epoch {row['epoch']}, {row['seconds']:.0f} s, test accuracy {row['accuracy']:.1%}, "
        f"against plain {100 * row['difference']:+.1f} points (95 %: {low:+.1f} to {high:+.1f}), "
        f"plain took × {row['ratio']:.1f}"
    )


def summarise(result: dict) -> None:
    """Print what was found, or so far."""
    plain = result.get("plain", {})
    if "accuracy" in plain:
        print(f"plain script: {plain['seconds']:.0f} s, test accuracy {plain['accuracy']:.1%}")
        reached = result["reached"]
        print(f"reached: {described(reached) if reached else 'not'}")
        if epochs := result["recipe_side"]["epochs"]:
            print(f"last:    {described(epochs[-1])}")


if __name__ == "__main__":
    main()
