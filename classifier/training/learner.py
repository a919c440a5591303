"""Build a fastai Learner from pictures and a recipe."""

import hashlib
import json
from collections.abc import Sequence

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import torch
import torchvision
from fastai.callback.progress import ProgressCallback
from fastai.learner import Learner, Recorder
from fastai.losses import CrossEntropyLossFlat
from fastai.vision.learner import vision_learner
from torch import nn

from classifier.errors import TooFewPictures, UnknownArchitecture, UnknownLabel
from classifier.inference.preprocess import Preprocess
from classifier.jobs.decoded_pictures import DecodedPictures
from classifier.recipes import Recipe
from classifier.training.data_loaders import Item, by_split, make_loaders, seed_everything, seed_of
from classifier.training.distillation import Distillation, Teacher
from classifier.training.start_weights import RESNETS, Start, bare_network, load_body, load_linear


def preprocess_of(recipe: Recipe, start: Start) -> Preprocess:
    """The preprocessing outside training: the recipe's size, the start's normalisation."""
    return Preprocess(recipe.size, recipe.fit, tuple(start.mean), tuple(start.std))


def build_learner(
    items: Sequence[Item],
    classes: Sequence[str],
    recipe: Recipe,
    start: Start,
    seed: int,
    device: str | torch.device | None = None,
    teacher: Teacher | None = None,
    pictures: DecodedPictures | None = None,
) -> Learner:
    """A Learner, not yet trained, on the train and valid items (others are left out).

    `classes` fixes the outputs' order. Same arguments, same weights and batches. The learner also
    carries `preprocess`, `items_digest` and `loaders`, {view: DataLoaders} for every phase.
    `pictures`: those decoded already (see `decode_request`); others are decoded when opened.
    Raises TooFewPictures, UnknownLabel, UnknownArchitecture, WeightsDoNotFit.
    """
    _check(items, classes)
    spec = preprocess_of(recipe, start)
    seed_everything(seed_of(seed, "build"))
    pictures = pictures or DecodedPictures()
    loaders = {
        view: make_loaders(items, classes, recipe, view, spec, seed, device, pictures)
        for view in dict.fromkeys(phase.view for phase in recipe.phases)
    }
    head = linear_head(channels_of(recipe), len(classes), recipe.dropout)
    learner = vision_learner(
        loaders[recipe.phases[0].view],
        getattr(torchvision.models, recipe.arch) if recipe.arch in RESNETS else recipe.arch,
        pretrained=False,  # the start's weights are copied below
        normalize=False,  # make_loaders does it
        n_out=len(classes),
        loss_func=CrossEntropyLossFlat(label_smoothing=recipe.label_smoothing),
        wd=recipe.weight_decay,
        custom_head=head if recipe.head == "linear" else None,
        ps=recipe.dropout,
        cbs=[Distillation(teacher, recipe.teacher_weight)] if teacher is not None else None,
    )
    _check_map(learner.model, recipe)
    load_body(learner.model, recipe.arch, start)
    if recipe.head == "linear":
        load_linear(learner.model[1][-1], list(classes), start)
    learner.remove_cbs([ProgressCallback, Recorder])  # `train` reports progress itself
    learner.preprocess, learner.items_digest = spec, _digest(items, classes)
    learner.loaders = loaders
    return learner


def linear_head(channels: int, classes: int, dropout: float) -> nn.Sequential:
    """Average pool → dropout → one Linear: a class map is then features times weights."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)
    )


def channels_of(recipe: Recipe) -> int:
    """Channels of the last feature map, which is the width of the pooled embedding."""
    return RESNETS.get(recipe.arch) or bare_network(recipe.arch).num_features


def _check(items: Sequence[Item], classes: Sequence[str]) -> None:
    known = set(classes)
    for item in items:
        if item.label not in known:
            raise UnknownLabel(item.label, str(item.path))
    for split, found, needed in zip(("train", "valid"), by_split(items), (2, 1), strict=True):
        if len(found) < needed:
            raise TooFewPictures(split, len(found), needed)


def _check_map(model: nn.Module, recipe: Recipe) -> None:
    body = model[0].eval()
    with torch.no_grad():
        features = body(torch.zeros(1, 3, recipe.size, recipe.size))
    if features.ndim != 4 or features.shape[1] != channels_of(recipe):
        raise UnknownArchitecture(recipe.arch, f"its features have shape {tuple(features.shape)}")


def _digest(items: Sequence[Item], classes: Sequence[str]) -> str:
    rows = [[item.sha256, item.label, item.split, item.scene] for item in items]
    return hashlib.sha256(json.dumps([list(classes), rows]).encode()).hexdigest()
