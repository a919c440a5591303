"""Pictures + recipe → batches that are a function of (seed, epoch) alone."""

import hashlib
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import numpy as np
import torch
from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
from fastai.data.core import DataLoaders, TfmdDL
from fastai.data.transforms import IntToFloatTensor, Normalize, ToTensor
from fastai.vision.augment import RandomResizedCrop, RandTransform, aug_transforms
from fastai.vision.core import PILImage
from fasttransform import Transform

from classifier.inference.preprocess import Preprocess, open_photo, padded, square
from classifier.jobs.decoded_pictures import DecodedPictures, DecodeRequest
from classifier.recipes import Recipe, View
from classifier.training.background_augmentation import as_worn

STREET = "street"  # the scene of photographs as visitors take them


@dataclass(frozen=True)
class Item:
    """A labelled picture: local file, class slug, split ("train", "valid" or "test"), digest, scene
    ("street" or any other)."""

    path: Path
    label: str
    split: str
    sha256: str
    scene: str = ""


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


def frequencies(items: Sequence[Item], recipe: Recipe) -> list[float]:
    """How often each picture is drawn, 1 on average: its class's size to the power of -balance,
    times `street_weight` for a street photograph."""
    sizes = Counter(item.label for item in items)
    raw = [
        sizes[item.label] ** -recipe.balance
        * (recipe.street_weight if item.scene == STREET else 1.0)
        for item in items
    ]
    return [value * len(raw) / sum(raw) for value in raw]


class Plan:
    """Which pictures an epoch shows, in which order: `plan(epoch)` gives `take` indices.

    One endless row of shuffled passes is cut into epochs. In every pass a picture of frequency f
    comes floor(f) or ceil(f) times, so that after n passes it has come n * f times, give or take
    one: with all frequencies 1 every picture is seen n times before any is seen n + 2 times.
    """

    def __init__(self, frequencies: Sequence[float], take: int, seed: int):
        self.frequencies, self.take, self.seed = np.asarray(frequencies, dtype=float), take, seed
        # Where a picture of frequency 0.5 begins: with its first pass or with its second.
        self.offsets = np.random.default_rng(seed_of(seed, "offsets")).random(len(frequencies))
        self.passes: list[list[int]] = []

    def __call__(self, epoch: int) -> list[int]:
        """Indices of epoch `epoch`, which counts from 0."""
        start, end = epoch * self.take, (epoch + 1) * self.take
        while sum(map(len, self.passes)) < end:
            self.passes.append(self._pass(len(self.passes)))
        return [index for one in self.passes for index in one][start:end]

    def _pass(self, number: int) -> list[int]:
        before, after = (
            np.floor(self.frequencies * n + self.offsets).astype(int) for n in (number, number + 1)
        )
        order = np.repeat(np.arange(len(self.offsets)), after - before).tolist()
        # Seeding with text goes through SHA-512 and is the same in every version of Python.
        random.Random(f"{self.seed}:pass:{number}").shuffle(order)
        return order


class EpochLoader(TfmdDL):
    """fastai's DataLoader, whose order comes from `plan(epoch)` instead of from its own dice."""

    plan = None  # None, as on the validation side: all pictures in order
    epoch = 0

    def get_idxs(self) -> list[int]:
        """Indices of the pictures of this epoch."""
        return super().get_idxs() if self.plan is None else self.plan(epoch=self.epoch)


class OpenPhoto(RandTransform):
    """Path → RGB picture, as large as the split needs it."""

    split_idx = None

    def __init__(self, recipe: Recipe, pictures: DecodedPictures):
        super().__init__()
        self.recipe, self.pictures = recipe, pictures

    def before_call(self, b, split_idx):
        """Notes the split; draws nothing at random."""
        self.split = "valid" if split_idx else "train"

    def encodes(self, path: Path):
        """The decoded picture."""
        return PILImage(self.pictures.open(decode_request(path, self.split, self.recipe)))


class AsWorn(RandTransform):
    """Catalogue shots pasted on the grounds of street photographs; see `worn`."""

    split_idx, order = 0, -1

    def __init__(self, share: float, streets: Sequence[Path]):
        super().__init__(p=share)
        self.streets = list(streets)

    def encodes(self, image: PILImage):
        """The picture, if it could be cut out, on another ground."""
        photo = open_photo(random.choice(self.streets), 128) if self.streets else None
        return PILImage(as_worn(image, photo, random))


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


def make_loaders(
    items: Sequence[Item],
    classes: Sequence[str],
    recipe: Recipe,
    view: View,
    spec: Preprocess,
    seed: int,
    device: str | torch.device | None,
    pictures: DecodedPictures,
) -> DataLoaders:
    """DataLoaders whose training side shows pictures as `view`, whose other side those of serving.

    That side is one for all views, so that the epochs of a run can be compared.
    """
    train = [item for item in items if item.split == "train"]
    streets = [item.path for item in train if item.scene == STREET]
    worn = [AsWorn(view.worn, streets)] if view.worn else []
    photo = TransformBlock(
        type_tfms=[OpenPhoto(recipe, pictures)],
        item_tfms=[ToTensor],
        batch_tfms=[IntToFloatTensor],
    )
    block = DataBlock(
        blocks=(photo, CategoryBlock(vocab=list(classes), sort=False)),
        get_x=lambda item: item.path,
        get_y=lambda item: item.label,
        splitter=by_split,
        item_tfms=[
            *worn,
            PadForTraining(spec),
            SquareForValidation(spec),
            RandomResizedCrop(view.size, min_scale=view.min_scale, split_idx=0),
        ],
        batch_tfms=[
            *aug_transforms(max_rotate=recipe.max_rotate),
            Normalize.from_stats(spec.mean, spec.std, cuda=False),
        ],
        dl_type=EpochLoader,
    )
    take = recipe.images_per_epoch or len(train)
    dls = block.dataloaders(
        list(items),
        bs=min(recipe.batch_size, take),
        val_bs=recipe.batch_size,
        num_workers=recipe.workers,
        device=torch.device(device) if device is not None else None,
    )
    dls.to(dls.device)  # Normalize's tensors follow
    dls.train.n, dls.train.plan = take, Plan(frequencies(train, recipe), take, seed)
    return dls


def decode_request(path: Path, split: str, recipe: Recipe) -> DecodeRequest:
    """How to decode a picture: for validation exactly as for serving, for training as large as any
    phase needs it."""
    if split != "train":
        return DecodeRequest(path, recipe.size, shrink=False)
    # A training crop shows as little as min_scale of the area.
    views = [phase.view for phase in recipe.phases]
    largest = max(view.size / math.sqrt(view.min_scale) for view in views)
    return DecodeRequest(path, math.ceil(largest), shrink=True)


def by_split(items: Sequence[Item]) -> tuple[list[int], list[int]]:
    """Indices of the train and of the valid items."""
    return tuple([i for i, o in enumerate(items) if o.split == s] for s in ("train", "valid"))
