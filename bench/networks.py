"""The network of the model that comes with the project in other clothes, for `bench.serve`."""

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
from classifier.inference.classify import WEIGHTS
from classifier.inference.preprocess import Preprocess
from classifier.inference.thresholds import ClassInfo
from classifier.models import ModelVersion
from classifier.registry import starter, store
from classifier.training.data_loaders import Item
from classifier.training.export import export_version


def register_at(size: int, scratch: Path) -> ModelVersion:
    """The starter exported for another size, as a version.

    Drawn pictures calibrate int8: it is as fast as the real one, and not to be believed.
    """
    version = ModelVersion.objects.get(active=True)
    card = version.card
    spec = replace(Preprocess.from_json(card["preprocess"]), size=size)
    classes = [ClassInfo(**info) for info in card["classes"]]
    items = [
        Item(path, info.slug, split, hashlib.sha256(str(path).encode()).hexdigest())
        for info in classes
        for split in ("train", "valid")
        for path in [drawn(scratch / info.slug, split)]
    ]
    model = network(card, store.fetch(version) / WEIGHTS)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "version"
        export_version(model, classes, recipe_of(card, size), spec, items, card["training"], folder)
        return starter.register(folder)


def export_learner(size: int | None, scratch: Path) -> Path:
    """A fastai Learner with the starter's weights in a file, for `load_learner`; at the starter's
    own size where none is given."""
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
    pictures = [drawn(scratch / slugs[0], split) for split in ("train", "valid")]
    loaders = block.dataloaders(pictures, bs=1, num_workers=0)
    model = network(card, store.fetch(version) / WEIGHTS)
    learner = Learner(loaders, model, loss_func=CrossEntropyLossFlat())
    file = scratch / f"learner-{size}.pkl"
    learner.export(file)
    return file


def drawn(folder: Path, name: str) -> Path:
    """A picture of noise in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    Image.effect_noise((64, 64), 80).convert("RGB").save(path)
    return path
