"""Export the starter's network at another size, and as a fastai Learner, for `bench.serve`."""

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.transforms import IndexSplitter, Normalize, parent_label
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.vision.augment import PadMode, Resize, ResizeMethod
from fastai.vision.data import ImageBlock
from PIL import Image

from bench.serving_size import network, recipe_of
from classifier.inference.card import WEIGHTS
from classifier.inference.preprocess import Preprocess
from classifier.inference.thresholds import ClassInfo
from classifier.models import ModelVersion
from classifier.registry import starter, stored
from classifier.training.data_loaders import Item
from classifier.training.export import export_version


def register_at(size: int, scratch: Path) -> ModelVersion:
    """Register the starter exported for another size as a version.

    Pictures of noise calibrate int8: its speed is the real one's, its answers are not.
    """
    version = ModelVersion.objects.get(active=True)
    card = version.card
    spec = replace(Preprocess.from_json(card["preprocess"]), size=size)
    classes = [ClassInfo(**info) for info in card["classes"]]
    items = [
        Item(path, info.slug, split, hashlib.sha256(str(path).encode()).hexdigest())
        for info in classes
        for split in ("train", "valid")
        for path in [noise(scratch / info.slug, split)]
    ]
    model = network(card, stored.fetch(version) / WEIGHTS)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "version"
        export_version(model, classes, recipe_of(card, size), spec, items, card["training"], folder)
        return starter.register(folder)


def export_learner(size: int | None, scratch: Path) -> Path:
    """Write a fastai Learner with the starter's weights, for `load_learner`; returns its path.

    `size`: the starter's own by default.
    """
    version = ModelVersion.objects.get(active=True)
    card = version.card
    spec = Preprocess.from_json(card["preprocess"])
    size = size or spec.size
    slugs = [info["slug"] for info in card["classes"]]
    block = DataBlock(
        (ImageBlock, CategoryBlock(vocab=slugs)),
        get_y=parent_label,
        splitter=IndexSplitter([0]),
        item_tfms=Resize(size, ResizeMethod.Pad, pad_mode=PadMode.Zeros),
        batch_tfms=Normalize.from_stats(spec.mean, spec.std),
    )
    pictures = [noise(scratch / slugs[0], split) for split in ("train", "valid")]
    loaders = block.dataloaders(pictures, bs=1, num_workers=0)
    model = network(card, stored.fetch(version) / WEIGHTS)
    learner = Learner(loaders, model, loss_func=CrossEntropyLossFlat())
    file = scratch / f"learner-{size}.pkl"
    learner.export(file)
    return file


def noise(folder: Path, name: str) -> Path:
    """Write a picture of noise to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    Image.effect_noise((64, 64), 80).convert("RGB").save(path)
    return path
