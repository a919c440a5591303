"""Bytes → Prediction. Knows slugs; no torch, no database, no settings."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from classifier.inference.model import Model
from classifier.inference.preprocess import to_array
from classifier.inference.thresholds import (
    TYPE,
    ClassInfo,
    Thresholds,
    category_sums,
    is_refused,
    softmax,
)
from curation.images import LIMITS, Limits, decode


@dataclass(frozen=True)
class Prediction:
    """What a model answers for one picture; pairs are (slug, confidence from 0 to 1).

    `top`: up to five types, most likely first, whatever the verdict. `type`: only with verdict
    "type". `category`: with verdict "type" (the type's own) and "category", else None.
    `probabilities`: of every class, the two that are no types among them. `embedding`: float32,
    the pooled features. `features`: float32 (channels, height, width), the same before pooling,
    and `size`: width and height of the upright picture, in proportion; both only when asked for.
    """

    verdict: str  # "type", "category", "unsure", "not_a_shoe"
    top: tuple[tuple[str, float], ...]
    type: tuple[str, float] | None
    category: tuple[str, float] | None
    probabilities: dict[str, float]
    embedding: np.ndarray = field(repr=False, compare=False)
    features: np.ndarray | None = field(default=None, repr=False, compare=False)
    size: tuple[int, int] | None = field(default=None, compare=False)


def predict(
    data: bytes, model: Model, limits: Limits = LIMITS, features: bool = False
) -> Prediction:
    """The model's prediction for an encoded picture, with what a class activation map needs if
    `features`.

    Raises curation's errors of `decode`.
    """
    image = decode(data, limits, at_least=model.preprocess.size).image
    return predict_picture(image, model, features)


def predict_picture(image: Image.Image, model: Model, features: bool = False) -> Prediction:
    """The same for a picture already decoded (RGB, upright)."""
    logits, embedding, last = model.run(to_array(image, model.preprocess)[None])
    probabilities = softmax(logits[0], model.temperature)
    prediction = judge(probabilities, embedding[0], model.classes, model.thresholds)
    return replace(prediction, features=last[0], size=image.size) if features else prediction


def judge(
    probabilities: np.ndarray,
    embedding: np.ndarray,
    classes: Sequence[ClassInfo],
    thresholds: Thresholds,
) -> Prediction:
    """Probabilities of one picture (classes,) → verdict.

    not_a_shoe: its class is the likeliest and reaches its threshold. Else type: the likeliest type
    reaches the type threshold. Else category: the likeliest category's sum reaches its threshold.
    Else unsure.
    """
    confidences = probabilities.tolist()
    types = [i for i, info in enumerate(classes) if info.kind == TYPE]
    types.sort(key=lambda i: -confidences[i])
    top = tuple((classes[i].slug, confidences[i]) for i in types[:5])
    sums, names = category_sums(probabilities[None], classes)
    categories = dict(zip(names, sums[0].tolist(), strict=True))

    verdict, best, category = "unsure", None, None
    if is_refused(probabilities[None], classes, thresholds.not_a_shoe)[0]:
        verdict = "not_a_shoe"
    elif top and top[0][1] >= thresholds.type:
        verdict, best, category = "type", top[0], classes[types[0]].category
    elif top and max(categories.values()) >= thresholds.category:
        verdict, category = "category", max(categories, key=categories.__getitem__)
    return Prediction(
        verdict=verdict,
        top=top,
        type=best,
        category=None if category is None else (category, categories[category]),
        probabilities={c.slug: share for c, share in zip(classes, confidences, strict=True)},
        embedding=embedding,
    )


def with_classes(prediction: Prediction, model: Model, classes: Sequence[ClassInfo]) -> Prediction:
    """The prediction in terms of what the model's classes are called today, judged again.

    `classes`: for each class of the model what it is today. Where several are the same by now their
    probabilities are added. The prediction itself where nothing changed.
    """
    if tuple(classes) == model.classes:
        return prediction
    sums: dict[ClassInfo, float] = {}
    for learnt, today in zip(model.classes, classes, strict=True):
        sums[today] = sums.get(today, 0.0) + prediction.probabilities[learnt.slug]
    probabilities = np.array(list(sums.values()))
    return judge(probabilities, prediction.embedding, tuple(sums), model.thresholds)
