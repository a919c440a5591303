"""Recipes: how a network is trained. Presets, overrides, and the phases of a training. Pure."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from classifier.errors import BadOverride, UnknownRecipe

Scalar = str | int | float | bool | None | list | tuple


class View(NamedTuple):
    """Augmentation of training pictures: side in pixels, smallest share of the area that a crop
    shows, share of catalogue shots that get another background."""

    size: int
    min_scale: float
    worn: float


@dataclass(frozen=True)
class Phase:
    """One `fit_one_cycle`: `epochs` epochs, the first of them the run's epoch `start`."""

    start: int
    epochs: int
    frozen: bool  # only the head (and normalisation layers, as fastai does it) is trained
    lr_low: float | None  # of the first layers; None = a tenth of lr_high, fastai's `slice(lr)`
    lr_high: float  # of the head
    pct_start: float  # share of the phase in which the learning rate rises
    div: float  # it starts at lr / div
    view: View

    @property
    def end(self) -> int:
        """Number of the first epoch after this phase."""
        return self.start + self.epochs


def _whole(low: int, high: int) -> Callable:
    def parse(value: Scalar) -> int:
        number = float(value)
        if not number.is_integer() or not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high} is needed")
        return int(number)

    return parse


def _number(low: float, high: float) -> Callable:
    def parse(value: Scalar) -> float:
        number = float(value)
        if not low <= number <= high:
            raise ValueError(f"a number from {low:g} to {high:g} is needed")
        return number

    return parse


def _one_of(*choices: str) -> Callable:
    def parse(value: Scalar) -> str:
        if value not in choices:
            raise ValueError(f"choose one of {', '.join(choices)}")
        return str(value)

    return parse


def _arch(value: Scalar) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]{1,60}", value):
        raise ValueError("a name such as resnet34 or tf_efficientnet_lite0 is needed")
    return value


def _all_or_whole(value: Scalar) -> int | None:
    return None if value in (None, "", "all") else _whole(2, 10_000_000)(value)


def _or_none(parse: Callable) -> Callable:
    return lambda value: None if value in (None, "") else parse(value)


def _rounds(value: Scalar) -> tuple[int, ...]:
    parts = _parts(value)
    if not 1 <= len(parts) <= 50:
        raise ValueError("from 1 to 50 numbers of epochs are needed, such as 5,2,2")
    return tuple(_whole(1, 500)(part) for part in parts)


def _sizes(value: Scalar) -> tuple[int, ...]:
    return tuple(_SIZE(part) for part in _parts(value))


def _parts(value: Scalar) -> list:
    if isinstance(value, str):
        return value.split(",") if value else []
    return list(value) if isinstance(value, list | tuple) else [value]


def _version(value: Scalar) -> str:
    text = str(value)
    if not re.fullmatch(r"[0-9a-f]{0,64}|active", text):
        raise ValueError("a version's number or the start of its digest is needed, or “active”")
    return text


_SIZE = _whole(32, 640)  # five halvings leave one pixel of 32


def _field(default: Any, parse: Callable[[Scalar], Any]) -> Any:
    """A field of a recipe; `parse` turns an override into its value, or raises ValueError."""
    return dataclasses.field(default=default, metadata={"parse": parse})


@dataclass(frozen=True)
class Recipe:
    """All that determines a training besides the pictures and the seed.

    Each field but `name` has a default and a parser for overrides.
    """

    name: str  # of the preset
    # resnet18/34/50 of torchvision, or a convolutional network of timm
    arch: str = _field("resnet34", _arch)
    # auto, imagenet, file, version, starter, scratch: see load_start
    start: str = _field(
        "auto", _one_of("auto", "imagenet", "file", "version", "starter", "scratch")
    )
    # linear: pool, dropout, one Linear. fastai: its own two-layer head
    head: str = _field("linear", _one_of("linear", "fastai"))
    # probe: a linear head is fitted before anything else is trained
    head_start: str = _field("random", _one_of("random", "probe"))
    dropout: float = _field(0.3, _number(0, 0.95))  # before the last Linear
    size: int = _field(128, _SIZE)  # pixels, the side of the square that the served network sees
    # of training pictures, one for each round; empty = `size` in all
    sizes: tuple[int, ...] = _field((), _sizes)
    # pad: whole picture on a white square. crop: fastai's squeeze and centre crop
    fit: str = _field("pad", _one_of("pad", "crop"))
    # smallest share of the area that a training crop shows
    min_scale: float = _field(0.5, _number(0.05, 1))
    batch_size: int = _field(32, _whole(2, 1024))  # batch normalisation needs two
    head_epochs: int = _field(1, _whole(0, 100))  # frozen epochs at the start of each round
    # unfrozen epochs of each round: one `fine_tune` per number
    rounds: tuple[int, ...] = _field((4,), _rounds)
    # fine_tune's base_lr: the head's top rate when frozen, half of it after
    lr: float = _field(2e-3, _number(1e-7, 1))
    lr_decay: float = _field(1.0, _number(1e-3, 1))  # from round to round `lr` is multiplied by it
    # fine_tune's: how many times the head's rate is the first layers'
    lr_mult: float = _field(100.0, _number(1, 1e6))
    images_per_epoch: int | None = _field(2000, _all_or_whole)  # None = every training picture once
    weight_decay: float = _field(0.01, _number(0, 1))
    # share of a target that is spread over all classes
    label_smoothing: float = _field(0.0, _number(0, 0.9))
    # pictures of a class of n are drawn n**-balance as often: 1 = all alike
    balance: float = _field(0.0, _number(0, 1))
    # how many times as often pictures of scene "street" are drawn
    street_weight: float = _field(1.0, _number(0.1, 20))
    # share of catalogue shots that get the background of a street photograph
    worn: float = _field(0.0, _number(0, 1))
    # of the last round; None = as in the others
    last_min_scale: float | None = _field(None, _or_none(_number(0.05, 1)))
    last_worn: float | None = _field(None, _or_none(_number(0, 1)))  # likewise
    max_rotate: float = _field(10.0, _number(0, 180))  # degrees, of augmentation
    # a version (number or digest) whose answers are learnt too; empty = none
    teacher: str = _field("", _version)
    # share of the loss that the teacher's answers make up
    teacher_weight: float = _field(0.5, _number(0, 1))
    # fp32, bf16 (autocast), auto: bf16 where the hardware computes in it
    precision: str = _field("auto", _one_of("auto", "fp32", "bf16"))
    # of pictures and weights in memory; or contiguous
    layout: str = _field("channels-last", _one_of("channels-last", "contiguous"))
    # DataLoader processes; each draws its own random numbers, so this is fixed
    workers: int = _field(2, _whole(0, 64))
    # torch threads; sums are split among them, so the last bits depend on it
    threads: int = _field(2, _whole(1, 256))

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of all rounds, with the numbers of fastai 2.8's `Learner.fine_tune`."""
        phases, start = [], 0
        sizes = self.sizes or (self.size,) * len(self.rounds)
        for number, (epochs, size) in enumerate(zip(self.rounds, sizes, strict=True)):
            lr = self.lr * self.lr_decay**number
            view = View(size, self.min_scale, self.worn)
            if number == len(self.rounds) - 1:
                view = self._last_view(size)
            if self.head_epochs:
                phases.append(Phase(start, self.head_epochs, True, None, lr, 0.99, 25.0, view))
                start += self.head_epochs
            high = lr / 2
            phases.append(Phase(start, epochs, False, high / self.lr_mult, high, 0.3, 5.0, view))
            start += epochs
        return tuple(phases)

    def _last_view(self, size: int) -> View:
        scale, worn = self.last_min_scale, self.last_worn
        return View(
            size, self.min_scale if scale is None else scale, self.worn if worn is None else worn
        )

    @property
    def epochs(self) -> int:
        """Number of epochs of the whole run."""
        return self.phases[-1].end

    def as_json(self) -> dict:
        """A dict of JSON types; `from_json` reads it back."""
        return {**dataclasses.asdict(self), "rounds": list(self.rounds), "sizes": list(self.sizes)}

    @classmethod
    def from_json(cls, data: Mapping) -> "Recipe":
        """Read `as_json`; raises BadOverride for missing, unknown or unusable entries."""
        missing = [f.name for f in dataclasses.fields(cls) if f.name not in data]
        if missing:
            raise BadOverride(missing[0], None, "it is missing")
        values = {key: _parse(key, value) for key, value in data.items() if key != "name"}
        return _checked(cls(name=str(data["name"]), **values))


# By field name.
_PARSERS = {f.name: f.metadata["parse"] for f in dataclasses.fields(Recipe) if f.metadata}


PRESETS: dict[str, Recipe] = {
    # A classic fastai tutorial run: slow, the baseline for the others.
    "original": Recipe(
        name="original",
        head="fastai",
        dropout=0.5,
        size=224,
        fit="crop",
        batch_size=8,
        rounds=(5, 2, 2, 2, 2),
        images_per_epoch=None,
        precision="fp32",
        layout="contiguous",
    ),
    # Minutes on two cores for a few thousand photographs.
    "quick-look": Recipe(name="quick-look"),
    # Twelve epochs of 8,000 photographs, for about ten thousand to learn from. Hard views first:
    # close crops, other backgrounds. In the last round, at a lower rate, nearly whole pictures, as
    # in serving.
    "best": Recipe(
        name="best",
        # Crops show shoes larger than whole pictures do, so it is served larger than it is trained
        # (Touvron et al. 2019, Fixing the train-test resolution discrepancy).
        size=160,
        sizes=(128, 144),
        head_start="probe",
        head_epochs=0,
        rounds=(9, 3),
        lr_decay=0.5,
        lr_mult=10.0,
        images_per_epoch=8000,
        label_smoothing=0.05,
        balance=0.25,
        street_weight=3.0,
        min_scale=0.35,
        last_min_scale=0.7,
        worn=0.3,
        last_worn=0.1,
        max_rotate=15.0,
    ),
}


def get_recipe(name: str, overrides: Mapping[str, Scalar] | None = None) -> Recipe:
    """The preset `name` with some fields replaced.

    Values may be text, as they come from a form or a command line (`rounds` as "5,2,2",
    `images_per_epoch` as "all"). Raises UnknownRecipe, BadOverride.
    """
    if name not in PRESETS:
        raise UnknownRecipe(name, ", ".join(sorted(PRESETS)))
    values = {key: _parse(key, value) for key, value in (overrides or {}).items()}
    return _checked(dataclasses.replace(PRESETS[name], **values))


def _checked(recipe: Recipe) -> Recipe:
    if recipe.head_start == "probe" and recipe.head != "linear":
        raise BadOverride("head_start", "probe", "only a linear head can be fitted first")
    if recipe.sizes and len(recipe.sizes) != len(recipe.rounds):
        why = f"there are {len(recipe.rounds)} rounds, so as many sizes are needed, or none"
        raise BadOverride("sizes", list(recipe.sizes), why)
    return recipe


def _parse(key: str, value: Scalar) -> Scalar:
    if key not in _PARSERS:
        raise BadOverride(key, value, f"no such field; known are {', '.join(sorted(_PARSERS))}")
    if isinstance(value, bool):  # an int to Python, here a mistake
        raise BadOverride(key, value, "true and false mean nothing here")
    try:
        return _PARSERS[key](value)
    except TypeError:
        raise BadOverride(key, value, "a single value is needed") from None
    except ValueError as error:
        why = str(error)
        if why.startswith("could not convert"):  # float()'s message
            why = "a number is needed"
        raise BadOverride(key, value, why) from None
