"""DataLoaders whose batches depend on (seed, epoch) alone."""

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
from classifier.training.background_augmentation import replace_background

STREET = "street"  # the scene of photographs as visitors take them


@dataclass(frozen=True)
class Item:
    """A labelled picture: local file, class slug, split ("train", "valid" or "test"), digest and
    scene."""

    path: Path
    label: str
    split: str
    sha256: str
    scene: str = ""


def seed_of(seed: int, what: object) -> int:
    """A 32-bit seed that depends on both arguments alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{what}".encode()).digest()[:4], "big")


def seed_everything(number: int) -> None:
    """Seed every generator that augmentation, dropout and DataLoader workers draw from.

    (Workers are seeded by torch's loader from torch's generator, then seed their own three.)
    """
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def frequencies(items: Sequence[Item], recipe: Recipe) -> list[float]:
    """How often each picture is shown, 1 on average: its class's size to the power of -balance,
    times `street_weight` for a street photograph."""
    sizes = Counter(item.label for item in items)
    raw = [
        sizes[item.label] ** -recipe.balance
        * (recipe.street_weight if item.scene == STREET else 1.0)
        for item in items
    ]
    return [value * len(raw) / sum(raw) for value in raw]


class EpochOrder:
    """Indices of the pictures that each epoch shows, in order; `take` of them.

    An endless sequence of shuffled passes is cut into epochs. In every pass a picture of frequency
    f comes floor(f) or ceil(f) times, so that after n passes it has come n * f times, give or take
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
    """fastai's DataLoader with the indices of an `EpochOrder`."""

    epoch_order = None  # None, as for validation: all pictures in order
    epoch = 0

    def get_idxs(self) -> list[int]:
        """Indices of the pictures of this epoch."""
        return super().get_idxs() if self.epoch_order is None else self.epoch_order(self.epoch)


class OpenPhoto(RandTransform):
    """Path → RGB picture, decoded as large as its split needs it."""

    split_idx = None

    def __init__(self, recipe: Recipe, pictures: DecodedPictures):
        super().__init__()
        self.recipe, self.pictures = recipe, pictures

    def before_call(self, b, split_idx):
        """Note the split; draw no random number."""
        self.split = "valid" if split_idx else "train"

    def encodes(self, path: Path):
        """The decoded picture."""
        return PILImage(self.pictures.open(decode_request(path, self.split, self.recipe)))


class ReplaceBackground(RandTransform):
    """Catalogue shots pasted on the backgrounds of street photographs."""

    split_idx, order = 0, -1

    def __init__(self, share: float, streets: Sequence[Path]):
        super().__init__(p=share)
        self.streets = list(streets)

    def encodes(self, image: PILImage):
        """The picture on another background, where it could be cut out."""
        photo = open_photo(random.choice(self.streets), 128) if self.streets else None
        return PILImage(replace_background(image, photo, random))


class _Prepare(Transform):
    """A transform that follows the preprocessing of serving."""

    order = 0

    def __init__(self, spec: Preprocess):
        super().__init__()
        self.spec = spec


class PadForTraining(_Prepare):
    """Pads the picture to a square, from which a training crop is then cut."""

    split_idx = 0

    def encodes(self, image: PILImage):
        """The picture, padded where the recipe says so."""
        return PILImage(padded(image, self.spec.background)) if self.spec.fit == "pad" else image


class SquareForValidation(_Prepare):
    """Prepares a picture exactly as serving does."""

    split_idx = 1

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
    """DataLoaders that show training pictures as `view` and validation pictures as serving does.

    Validation is the same for all views, so that the epochs of a run can be compared.
    """
    train = [item for item in items if item.split == "train"]
    streets = [item.path for item in train if item.scene == STREET]
    background = [ReplaceBackground(view.worn, streets)] if view.worn else []
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
            *background,
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
    dls.train.n = take
    dls.train.epoch_order = EpochOrder(frequencies(train, recipe), take, seed)
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
