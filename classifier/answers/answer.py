"""Photo → answer, in one shape for page, API and command line; and an answer read from its id."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from classifier.answers import answer_id, explain, learnt_types
from classifier.answers.answer_id import DIGITS
from classifier.errors import NoActiveModel
from classifier.inference.classify import Prediction, predict, with_classes
from classifier.inference.thresholds import ClassInfo
from classifier.models import ModelVersion
from classifier.registry import prediction_limit, serving
from curation import ingest
from curation.models import ShoeType
from curation.taxonomy.guide import Guide, current


def recognise(data: bytes, explained: bool = False, served: serving.Served | None = None) -> dict:
    """Photo → answer. The one function behind page, API and command line.

    By the active version, or by `served`. `explained`: with the key `explain`, see
    `answers.explain`. Raises `NoActiveModel`, `TooBusy` and what `curation.images.decode` raises.
    """
    served = served or serving.active()
    if served is None:
        raise NoActiveModel()
    with prediction_limit.limit.turn():
        prediction = predict(data, served.model, ingest.limits(), explained)
    body = from_prediction(prediction, served)
    return {**body, "explain": explain.explain(body, prediction, served)} if explained else body


def from_prediction(prediction: Prediction, served: serving.Served) -> dict:
    """The answer to a prediction, in the words of today's guide, with types that have merged since
    the training under the type that took them.

    `category` of a type is the category's slug.
    """
    guide, classes = current(), served.model.classes
    today = with_classes(prediction, served.model, learnt_types.today(guide, classes))
    return {
        "id": answer_id.sign(today, served.version.short),
        "verdict": today.verdict,
        "model": {"name": served.version.name, "version": served.version.short},
        "type": today.type and with_text(entry(*today.type, guide, classes), guide),
        "category": today.category and family(*today.category, guide),
        "top": [entry(slug, confidence, guide, classes) for slug, confidence in today.top],
    }


def from_id(token: str) -> dict:
    """The answer with this id, in the words of today's guide; two queries.

    The shape is that of `from_prediction`, with `at`, when it was given, in ISO 8601. Where the
    type that was answered is no type any more, the verdict is "unsure". Raises `AnswerExpired` and
    `AnswerUnknown`.
    """
    payload, guide = answer_id.read(token), Guide()
    top, verdict, best = _top_today(payload["top"], guide), payload["verdict"], None
    versions = ModelVersion.objects.filter(digest__startswith=payload["version"])
    if verdict == "type":
        slug = _type_today(payload["top"][0][0], guide)
        best = next((entry for entry in top if entry["slug"] == slug), None)
        verdict = verdict if best else "unsure"
    return {
        "id": token,
        "verdict": verdict,
        "model": {
            "name": versions.values_list("name", flat=True).first() or "a model that is gone",
            "version": payload["version"],
        },
        "type": best and with_text(best, guide),
        "category": _category_today(payload, verdict, best, top, guide),
        "top": top,
        "at": datetime.fromtimestamp(payload["at"], UTC).isoformat(),
    }


def _type_today(slug: str, guide: Guide) -> str | None:
    """The slug of the type that stands for one of the model's; None where that is none any more."""
    row = guide.survivor(slug)
    if row is None:
        return slug
    return row.slug if row.kind == ShoeType.Kind.TYPE else None


def _top_today(pairs: list, guide: Guide) -> list[dict]:
    sums = Counter()
    for slug, confidence in pairs:
        if today := _type_today(slug, guide):
            sums[today] += confidence
    return [entry(slug, confidence, guide) for slug, confidence in sums.most_common()]


def _category_today(
    payload: dict, verdict: str, best: dict | None, top: list[dict], guide: Guide
) -> dict | None:
    slug, confidence = payload.get("category") or ("", 0.0)
    if verdict == "type" and best["category"] not in ("", slug):
        slug = best["category"]
        confidence = sum(entry["confidence"] for entry in top if entry["category"] == slug)
    return family(slug, confidence, guide) if slug and verdict in ("type", "category") else None


def entry(slug: str, confidence: float, guide: Guide, classes: Iterable[ClassInfo] = ()) -> dict:
    """One of an answer's `top`. `classes`: the model's, for types that the guide does not have."""
    row = guide.survivor(slug)
    if row is not None:
        name, category = row.name, row.category.slug
    else:
        name = _name_from(slug)
        category = next((c.category for c in classes if c.slug == slug), "")
    return {
        "slug": slug,
        "name": name,
        "category": category,
        "confidence": round(confidence, DIGITS),
    }


def with_text(best: dict, guide: Guide) -> dict:
    """An entry as an answer's `type`: with the guide's text."""
    row = guide.survivor(best["slug"])
    return best | {field: getattr(row, field, []) for field in ("pros", "cons", "distinction")}


def family(slug: str, confidence: float, guide: Guide) -> dict:
    """An answer's `category`."""
    return {
        "slug": slug,
        "name": guide.families.get(slug) or _name_from(slug),
        "confidence": round(confidence, DIGITS),
    }


def _name_from(slug: str) -> str:
    return slug.replace("-", " ").capitalize()
