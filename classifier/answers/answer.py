"""Prediction + guide → the answer: one shape for page, API and command line, and its wording."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from django.conf import settings
from django.core import signing

from classifier.answers import explain, learnt_types
from classifier.errors import AnswerExpired, AnswerUnknown, NoActiveModel
from classifier.inference.classify import Model, Prediction, judge, predict
from classifier.inference.thresholds import ClassInfo
from classifier.registry import prediction_limit, store
from curation import ingest
from curation.taxonomy.guide import Guide, current

SALT = "classifier.answer"
DIGITS = 4  # of a confidence, behind the point
LIKELY = 0.1  # confidence below which a verdict short of a type does not mention a type

# What a verdict is called; headlines by how many likely types there are to name. The page's script
# fills in the same patterns, so the words are here alone.
WORDING = {
    "type": {
        "eyebrow": "{category}",
        "headlines": ["{first}", "{first}", "{first}"],
        "advice": "The model is {percent} sure.",
    },
    "category": {
        "eyebrow": "Family recognised",
        "headlines": [
            "{category}",
            "{category}, probably {first}",
            "{category}, probably {first} or {second}",
        ],
        "advice": "The family is clear ({percent}), the exact type is not. A photo from the side, "
        "with the whole shoe in view, often settles it.",
    },
    "unsure": {
        "eyebrow": "No clear answer",
        "headlines": [
            "Not sure – this photo does not tell",
            "Not sure – perhaps {first}",
            "Not sure – perhaps {first} or {second}",
        ],
        "advice": "Nothing stands out enough to name it. Try a photo from the side, in good light, "
        "with the whole shoe in view.",
    },
    "not_a_shoe": {
        "eyebrow": "No shoe found",
        "headlines": ["This does not look like a shoe"] * 3,
        "advice": "If there is one, try a photo in which a single shoe fills most of the picture.",
    },
}


def recognise(data: bytes, explained: bool = False, served: store.Served | None = None) -> dict:
    """Photo → answer. The one function behind page, API and command line.

    By the active version, or by `served`. `explained`: with the key `explain`, see
    `answers.explain`. Raises `NoActiveModel`, `TooBusy` and what `curation.images.decode` raises.
    """
    served = served or store.active()
    if served is None:
        raise NoActiveModel()
    with prediction_limit.turn():
        prediction = predict(data, served.model, ingest.limits(), explained)
    said = answer(prediction, served)
    return {**said, "explain": explain.explain(said, prediction, served)} if explained else said


def answer(prediction: Prediction, served: store.Served) -> dict:
    """The prediction in the words of today's guide.

    `category` of a type is the category's slug.
    """
    guide = current()
    today = _today(prediction, served.model, guide)
    classes = served.model.classes
    return {
        "id": _sign(today, served),
        "verdict": today.verdict,
        "model": {"name": served.version.name, "version": served.version.short},
        "type": today.type and with_text(entry(*today.type, guide, classes), guide),
        "category": today.category and family(*today.category, guide),
        "top": [entry(slug, confidence, guide, classes) for slug, confidence in today.top],
    }


def read_id(token: str) -> dict:
    """What an answer's id holds: version, at (Unix time), verdict, top [[slug, confidence], …],
    category [slug, confidence] or None.

    Raises `AnswerExpired` after `ANSWER_ID_HOURS`, `AnswerUnknown` for anything not signed here.
    """
    try:
        held = signing.loads(token, salt=SALT, max_age=settings.ANSWER_ID_HOURS * 3600)
    except signing.SignatureExpired as error:
        raise AnswerExpired() from error
    except (signing.BadSignature, ValueError) as error:
        raise AnswerUnknown() from error
    held.pop("nonce")
    return held


def likely(answer: dict) -> list[str]:
    """Names of up to two types that a verdict short of a type mentions."""
    entries = [e for e in answer["top"] if e["confidence"] >= LIKELY]
    if answer["verdict"] == "category":
        entries = [e for e in entries if e["category"] == answer["category"]["slug"]]
    return [e["name"] for e in entries[:2]]


def wording(answer: dict) -> dict[str, str]:
    """The verdict in words: eyebrow (a word or two above), headline, advice (a sentence below)."""
    names = [answer["type"]["name"]] if answer["type"] else likely(answer)
    first, second = (*names, "", "")[:2]
    sure = answer["type"] or answer["category"]
    facts = {
        "first": first,
        "second": second,
        "category": answer["category"]["name"] if answer["category"] else "",
        "percent": percent(sure["confidence"]) if sure else "",
    }
    words = WORDING[answer["verdict"]]
    patterns = {**words, "headline": words["headlines"][len(names)]}
    return {key: patterns[key].format(**facts) for key in ("eyebrow", "headline", "advice")}


def headline(answer: dict) -> str:
    """The verdict in a few words."""
    return wording(answer)["headline"]


def percent(confidence: float) -> str:
    """A confidence for people: "87%". It is never rounded to none or to certainty."""
    if confidence < 0.005:
        return "<1%"
    return f"{int(confidence * 100 + 0.5)}%" if confidence < 0.995 else ">99%"


def _today(prediction: Prediction, model: Model, guide: Guide) -> Prediction:
    """The prediction with merged types under the type that took them, judged anew.

    Where the guide still has the model's classes as they were, it is the prediction itself.
    """
    today = learnt_types.today(guide, model.classes)
    if today == model.classes:
        return prediction
    classes, sums = {}, {}
    for learnt, now in zip(model.classes, today, strict=True):
        classes[now.slug] = now
        sums[now.slug] = sums.get(now.slug, 0.0) + prediction.probabilities[learnt.slug]
    model = replace(model, classes=tuple(classes.values()))
    return judge(np.array(list(sums.values())), prediction.embedding, model)


def entry(slug: str, confidence: float, guide: Guide, classes: Iterable[ClassInfo] = ()) -> dict:
    """One of an answer's `top`. `classes`: the model's, which may know what the guide does not."""
    row = guide.survivor(slug)
    if row is not None:
        name, category = row.name, row.category.slug
    else:
        name = _words(slug)
        category = next((c.category for c in classes if c.slug == slug), "")
    rounded = round(confidence, DIGITS)
    return {"slug": slug, "name": name, "category": category, "confidence": rounded}


def with_text(best: dict, guide: Guide) -> dict:
    """An entry as an answer's `type`: with the guide's text."""
    row = guide.survivor(best["slug"])
    text = {field: getattr(row, field, []) for field in ("pros", "cons", "distinction")}
    return {**best, **text}


def family(slug: str, confidence: float, guide: Guide) -> dict:
    """An answer's `category`."""
    name = guide.families.get(slug) or _words(slug)
    return {"slug": slug, "name": name, "confidence": round(confidence, DIGITS)}


def _words(slug: str) -> str:
    return slug.replace("-", " ").capitalize()


def _rounded(pair: tuple[str, float]) -> list:
    slug, confidence = pair
    return [slug, round(confidence, DIGITS)]


def _sign(prediction: Prediction, served: store.Served) -> str:
    payload = {
        "version": served.version.short,
        "at": int(time.time()),
        "verdict": prediction.verdict,
        "top": [_rounded(pair) for pair in prediction.top],
        "category": prediction.category and _rounded(prediction.category),
        # One answer, one feedback: two answers to one photo within a second are still two.
        "nonce": secrets.token_urlsafe(6),
    }
    return signing.dumps(payload, salt=SALT, compress=True)
