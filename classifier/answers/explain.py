"""Why an answer is what it is: a class activation map, the most similar confirmed photographs, how
the runner-up differs, and how often the model is right."""

import re

from classifier.answers import learnt_types, nearest
from classifier.answers.answer_id import DIGITS
from classifier.evaluation import report
from classifier.inference.class_activation import class_weights, contrast_map, overlay
from classifier.inference.classify import Prediction
from classifier.inference.model import Model
from classifier.inference.thresholds import NOT_A_SHOE
from classifier.registry.serving import Served
from curation.models import ShoeType
from curation.taxonomy.guide import Guide, current

MIN_RUNNER_UP = 0.01  # confidence from which on a second type is a runner-up


def explain(answer: dict, prediction: Prediction, served: Served) -> dict:
    """An answer's `explain`; at most five queries. Needs no place within the prediction limit.

    `prediction`: what the answer was made from, with `features`. All is about the first of the
    answer's `top`, except after "not_a_shoe": then the map shows what counts for no shoe, and the
    rest is empty.

    `map`: see `class_activation.overlay`; None where the network's head is not linear. `nearest`:
    see `nearest.nearest`. `runner_up`: slug, name, confidence, `differs`, sentences of the guide,
    and `about`, for each of them the slug of the type that it describes; or None. `trust`: state,
    accuracy, interval, images, groups and sentence; or None.
    """
    guide, top = current(), answer["top"]
    refused = answer["verdict"] == "not_a_shoe"
    first = guide.type(top[0]["slug"]) if top and not refused else None
    similar = {"state": nearest.NONE, "photos": []}
    if first:
        similar = nearest.nearest(
            prediction.embedding, served.model.digest, first, guide.under(first)
        )
    return {
        "map": _map(answer, prediction, served.model, guide),
        "nearest": similar,
        "runner_up": None if refused else _runner_up(top, guide),
        "trust": first and _trust(first, served, guide),
    }


def _map(answer: dict, prediction: Prediction, model: Model, guide: Guide) -> dict | None:
    if model.head is None or prediction.features is None:
        return None
    today = learnt_types.today(guide, model.classes)
    if answer["verdict"] == "not_a_shoe":
        members = [column for column, info in enumerate(today) if info.kind == NOT_A_SHOE]
    else:
        first = answer["top"][0]["slug"] if answer["top"] else None
        members = [column for column, info in enumerate(today) if info.slug == first]
    if not members:
        return None
    weights = class_weights([prediction.probabilities[c.slug] for c in model.classes], members)
    activations = contrast_map(prediction.features, model.head, weights)
    return overlay(activations, prediction.size, model.preprocess)


def _runner_up(top: list[dict], guide: Guide) -> dict | None:
    if len(top) < 2 or top[1]["confidence"] < MIN_RUNNER_UP:
        return None
    first, second = (guide.type(entry["slug"]) for entry in top[:2])
    sentences = [*_differences(first, second), *_differences(second, first)]
    return {
        **{key: top[1][key] for key in ("slug", "name", "confidence")},
        "differs": [sentence for sentence, _ in sentences],
        "about": [slug for _, slug in sentences],
    }


def _differences(row: ShoeType | None, other: ShoeType | None) -> list[tuple[str, str]]:
    """The sentences of a type's distinction that tell it from another type, each with the type's
    slug: the first one, and those that name the other type."""
    if row is None or other is None:
        return []
    first, *further = row.distinction or [""]
    # Sentences may write "Derby" for "Derby shoes".
    stem = other.name.removesuffix(" shoes").removesuffix("s")
    name = re.compile(rf"\b{re.escape(stem)}", re.IGNORECASE)
    sentences = [first, *(sentence for sentence in further if name.search(sentence))]
    return [(sentence, row.slug) for sentence in sentences if sentence]


def _trust(row: ShoeType, served: Served, guide: Guide) -> dict:
    trust = report.accuracy_by_type(served.version, guide)[row.slug]
    return {
        "state": trust.state,
        "accuracy": trust.accuracy and round(trust.accuracy, DIGITS),
        "interval": trust.interval and [round(bound, DIGITS) for bound in trust.interval],
        "images": trust.images,
        "groups": trust.groups,
        "sentence": trust.sentence,
    }
