"""Pictures + recipe → a fastai Learner whose batches are a function of (seed, epoch) alone."""

import hashlib
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from classifier import torchvision_shim  # noqa: F401

# isort: split
import numpy as np
import torch
import torchvision
from fastai.callback.progress import ProgressCallback
from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
from fastai.data.core import TfmdDL
from fastai.data.transforms import IntToFloatTensor, Normalize, ToTensor
from fastai.learner import Learner, Recorder
from fastai.losses import CrossEntropyLossFlat
from fastai.vision.augment import RandomResizedCrop, RandTransform, aug_transforms
from fastai.vision.core import PILImage
from fastai.vision.learner import vision_learner
from fasttransform import Transform
from torch import nn

from classifier.errors import TooFewPictures, UnknownArchitecture, UnknownLabel
from classifier.preprocess import Preprocess, open_photo, padded, square
from classifier.recipes import Recipe
from classifier.weights import RESNETS, Start, bare_network, load_body, load_linear


@dataclass(frozen=True)
class Item:
    """A labelled picture: local file, class slug, split ("train", "valid" or "test"), digest."""

    path: Path
    label: str
    split: str
    sha256: str


def preprocess_of(recipe: Recipe, start: Start) -> Preprocess:
    """What a picture goes through outside training: recipe's size, start's normalisation."""
    return Preprocess(recipe.size, recipe.fit, tuple(start.mean), tuple(start.std))


def build_learner(
    items: Sequence[Item],
    classes: Sequence[str],
    recipe: Recipe,
    start: Start,
    seed: int,
    device: str | torch.device | None = None,
) -> Learner:
    """A Learner, not yet trained, on the train and valid items (others are left out).

    `classes` fixes the outputs' order. Same arguments, same weights and batches. The learner also
    carries `preprocess` and `items_digest`. Raises TooFewPictures, UnknownLabel,
    UnknownArchitecture, WeightsDoNotFit.
    """
    _check(items, classes)
    spec = preprocess_of(recipe, start)
    seed_everything(seed_of(seed, "build"))
    dls = _loaders(items, classes, recipe, spec, seed, device)
    head = linear_head(channels_of(recipe), len(classes), recipe.dropout)
    learner = vision_learner(
        dls,
        getattr(torchvision.models, recipe.arch) if recipe.arch in RESNETS else recipe.arch,
        pretrained=False,  # the start's weights are copied below
        normalize=False,  # _loaders does it
        n_out=len(classes),
        loss_func=CrossEntropyLossFlat(),
        wd=recipe.weight_decay,
        custom_head=head if recipe.head == "linear" else None,
        ps=recipe.dropout,
    )
    _check_map(learner.model, recipe)
    load_body(learner.model, recipe.arch, start)
    if recipe.head == "linear":
        load_linear(learner.model[1][-1], list(classes), start)
    learner.remove_cbs([ProgressCallback, Recorder])  # `train` reports on its own
    learner.preprocess, learner.items_digest = spec, _digest(items, classes)
    return learner


def linear_head(channels: int, classes: int, dropout: float) -> nn.Sequential:
    """Average pool → dropout → one Linear: a class map is then features times weights."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)
    )


def channels_of(recipe: Recipe) -> int:
    """Channels of the last feature map, which is the width of the pooled embedding."""
    return RESNETS.get(recipe.arch) or bare_network(recipe.arch).num_features


def seed_of(seed: int, what: object) -> int:
    """32 bits that depend on both arguments and on nothing else."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{what}".encode()).digest()[:4], "big")


def seed_everything(number: int) -> None:
    """Seed every generator that augmentation, dropout and DataLoader workers draw from.

    (Workers are seeded by torch's loader from torch's generator, then seed their own three.)
    """
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def sample(count: int, take: int, epoch: int, seed: int) -> list[int]:
    """Indices of epoch `epoch`: `take` numbers below `count`.

    One endless row of shuffled passes over all pictures is cut into epochs, so that every picture
    has been seen n times before any is seen n + 2 times, whatever `take` is.
    """
    chosen: list[int] = []
    while len(chosen) < take:
        which, offset = divmod(epoch * take + len(chosen), count)
        order = list(range(count))
        # Seeding with text goes through SHA-512 and is the same in every version of Python.
        random.Random(f"{seed}:pass:{which}").shuffle(order)
        chosen += order[offset : offset + take - len(chosen)]
    return chosen


class EpochLoader(TfmdDL):
    """fastai's DataLoader, whose order comes from `plan(epoch)` instead of from its own dice."""

    plan = None  # None, as on the validation side: all pictures in order
    epoch = 0

    def get_idxs(self) -> list[int]:
        """Indices of the pictures of this epoch."""
        return super().get_idxs() if self.plan is None else self.plan(epoch=self.epoch)


class OpenPhoto(RandTransform):
    """Path → RGB picture, a JPEG decoded at the scale that the split needs."""

    split_idx = None

    def __init__(self, train: int, valid: int):
        super().__init__()
        self.sides = (train, valid)

    def before_call(self, b, split_idx):
        """Chooses the scale; draws nothing at random."""
        self.at_least = self.sides[1 if split_idx else 0]

    def encodes(self, path: Path):
        """The decoded picture."""
        return PILImage(open_photo(path, self.at_least))


class PadForTraining(Transform):
    """The whole picture in the middle of a square, from which a training crop is then cut."""

    split_idx, order = 0, 0

    def __init__(self, spec: Preprocess):
        super().__init__()
        self.spec = spec

    def encodes(self, image: PILImage):
        """The picture, padded where the recipe says so."""
        return PILImage(padded(image, self.spec.background)) if self.spec.fit == "pad" else image


class SquareForValidation(Transform):
    """Exactly what serving does to a picture."""

    split_idx, order = 1, 0

    def __init__(self, spec: Preprocess):
        super().__init__()
        self.spec = spec

    def encodes(self, image: PILImage):
        """The picture at the size that the network sees."""
        return PILImage(square(image, self.spec))


def _loaders(items, classes, recipe: Recipe, spec: Preprocess, seed: int, device):
    # A training crop shows as little as min_scale of the area: decode enough pixels for that.
    train_side = math.ceil(recipe.size / math.sqrt(recipe.min_scale))
    photo = TransformBlock(
        type_tfms=[OpenPhoto(train_side, recipe.size)],
        item_tfms=[ToTensor],
        batch_tfms=[IntToFloatTensor],
    )
    block = DataBlock(
        blocks=(photo, CategoryBlock(vocab=list(classes), sort=False)),
        get_x=lambda item: item.path,
        get_y=lambda item: item.label,
        splitter=_by_split,
        item_tfms=[
            PadForTraining(spec),
            SquareForValidation(spec),
            RandomResizedCrop(recipe.size, min_scale=recipe.min_scale, split_idx=0),
        ],
        batch_tfms=[*aug_transforms(), Normalize.from_stats(spec.mean, spec.std, cuda=False)],
        dl_type=EpochLoader,
    )
    count = len(_by_split(items)[0])
    take = recipe.images_per_epoch or count
    dls = block.dataloaders(
        list(items),
        bs=min(recipe.batch_size, take),
        val_bs=recipe.batch_size,
        num_workers=recipe.workers,
        device=torch.device(device) if device is not None else None,
    )
    dls.to(dls.device)  # Normalize's tensors follow
    dls.train.n, dls.train.plan = take, partial(sample, count=count, take=take, seed=seed)
    return dls


def _by_split(items: Sequence[Item]) -> tuple[list[int], list[int]]:
    return tuple([i for i, o in enumerate(items) if o.split == s] for s in ("train", "valid"))


def _check(items: Sequence[Item], classes: Sequence[str]) -> None:
    known = set(classes)
    for item in items:
        if item.label not in known:
            raise UnknownLabel(item.label, str(item.path))
    for split, found, needed in zip(("train", "valid"), _by_split(items), (2, 1), strict=True):
        if len(found) < needed:
            raise TooFewPictures(split, len(found), needed)


def _check_map(model: nn.Module, recipe: Recipe) -> None:
    body = model[0].eval()
    with torch.no_grad():
        features = body(torch.zeros(1, 3, recipe.size, recipe.size))
    if features.ndim != 4 or features.shape[1] != channels_of(recipe):
        raise UnknownArchitecture(recipe.arch, f"its features have shape {tuple(features.shape)}")


def _digest(items: Sequence[Item], classes: Sequence[str]) -> str:
    rows = [[item.sha256, item.label, item.split] for item in items]
    return hashlib.sha256(json.dumps([list(classes), rows]).encode()).hexdigest()
