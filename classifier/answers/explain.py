"""Why an answer is what it is: where in the photo it was seen, confirmed photographs that are most
alike, how the runner-up differs, and how often the model is right."""

import re

from classifier.answers import nearest
from classifier.evaluation import report
from classifier.inference.class_activation import beyond_average, laid_over, shares
from classifier.inference.classify import Prediction
from classifier.inference.thresholds import NOT_A_SHOE
from classifier.registry.store import Served
from curation.models import ShoeType
from curation.taxonomy.guide import Guide, current

DIGITS = 4
LEAST = 0.01  # confidence from which on a second type is a runner-up


def explain(answer: dict, prediction: Prediction, served: Served) -> dict:
    """What explains an answer; at most five queries. The gate's turn is over by now.

    `prediction`: what the answer was made of, with `features`. All is about the first of the
    answer's `top`, except after "not_a_shoe": then the map shows what speaks for no shoe, and there
    is nothing else to show.

    `map`: see `class_map.laid_over`; None where the network's head is none. `nearest`: see
    `nearest.nearest`. `runner_up`: slug, name, confidence, `differs`, the guide's sentences, and
    `about`, for each of them the slug of the type it stands with; or None. `trust`: state,
    accuracy, interval, images, groups and sentence; or None.
    """
    guide, top = current(), answer["top"]
    refused = answer["verdict"] == "not_a_shoe"
    first = guide.type(top[0]["slug"]) if top and not refused else None
    near = {"state": nearest.NONE, "photos": []}
    if first:
        near = nearest.nearest(prediction.embedding, served.model.digest, first, guide.under(first))
    return {
        "map": _map(answer, prediction, served.model, guide),
        "nearest": near,
        "runner_up": None if refused else _runner_up(top, guide),
        "trust": first and _trust(first, served, guide),
    }


def _map(answer: dict, prediction: Prediction, model, guide: Guide) -> dict | None:
    if model.head is None or prediction.features is None:
        return None
    members = []
    for column, learnt in enumerate(model.classes):
        row = guide.survivor(learnt.slug) or learnt  # a slug and a kind: today's, else as learnt
        if answer["verdict"] == "not_a_shoe":
            meant = row.kind == NOT_A_SHOE
        else:
            meant = bool(answer["top"]) and row.slug == answer["top"][0]["slug"]
        members += [column] * meant
    if not members:
        return None
    mixed = shares([prediction.probabilities[c.slug] for c in model.classes], members)
    found = beyond_average(prediction.features, model.head, mixed)
    return laid_over(found, prediction.size, model.preprocess)


def _runner_up(top: list[dict], guide: Guide) -> dict | None:
    if len(top) < 2 or top[1]["confidence"] < LEAST:
        return None
    first, second = (guide.type(entry["slug"]) for entry in top[:2])
    sentences = [*_apart(first, second), *_apart(second, first)]
    return {
        **{key: top[1][key] for key in ("slug", "name", "confidence")},
        "differs": [sentence for sentence, _ in sentences],
        "about": [slug for _, slug in sentences],
    }


def _apart(row: ShoeType | None, other: ShoeType | None) -> list[tuple[str, str]]:
    """The sentences of a type that tell it from another: what it is known by, and what the guide
    says of the other beside it; each with the type's slug."""
    if row is None or other is None:
        return []
    known_by, *beside = row.distinction or [""]
    name = re.compile(rf"\b{re.escape(_stem(other.name))}", re.IGNORECASE)
    said = [known_by, *(sentence for sentence in beside if name.search(sentence))]
    return [(sentence, row.slug) for sentence in said if sentence]


def _stem(name: str) -> str:
    """What a type's name has in common with how sentences write it: "Derby shoes" → "Derby"."""
    return name.removesuffix(" shoes").removesuffix("s")


def _trust(row: ShoeType, served: Served, guide: Guide) -> dict:
    known = report.by_type(served.version, guide, served.model)[row.slug]
    return {
        "state": known.state,
        "accuracy": known.accuracy and round(known.accuracy, DIGITS),
        "interval": known.interval and [round(bound, DIGITS) for bound in known.interval],
        "images": known.images,
        "groups": known.groups,
        "sentence": known.sentence,
    }
