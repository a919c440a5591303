"""An answer that was given before, read back from its id alone: nothing was stored of it."""

from datetime import UTC, datetime

from classifier.answers.answer import entry, family, read_id, with_text
from classifier.models import ModelVersion
from curation.models import ShoeType
from curation.taxonomy.guide import Guide


def read(token: str) -> dict:
    """The answer with this id, in the words of today's guide; two queries.

    The shape is that of `answer.answer`, with `at`, when it was given, in ISO 8601. Merged types
    stand under the one that took them; where what was answered is no type any more, the verdict is
    "unsure". Raises `AnswerExpired` and `AnswerUnknown`.
    """
    held, guide = read_id(token), Guide()
    top, verdict, best = _top(held["top"], guide), held["verdict"], None
    if verdict == "type":
        today = _today(held["top"][0][0], guide)
        best = next((other for other in top if other["slug"] == today), None)
        verdict = verdict if best else "unsure"
    return {
        "id": token,
        "verdict": verdict,
        "model": {"name": _model_name(held["version"]), "version": held["version"]},
        "type": best and with_text(best, guide),
        "category": _category(held, verdict, best, top, guide),
        "top": top,
        "at": datetime.fromtimestamp(held["at"], UTC).isoformat(),
    }


def _today(slug: str, guide: Guide) -> str | None:
    """The slug of the type that stands for one of the model's; None where that is none any more."""
    row = guide.survivor(slug)
    if row is None:
        return slug
    return row.slug if row.kind == ShoeType.Kind.TYPE else None


def _top(held: list, guide: Guide) -> list[dict]:
    sums = {}
    for slug, confidence in held:
        if today := _today(slug, guide):
            sums[today] = sums.get(today, 0.0) + confidence
    ordered = sorted(sums.items(), key=lambda pair: -pair[1])
    return [entry(slug, confidence, guide) for slug, confidence in ordered]


def _category(held: dict, verdict: str, best: dict | None, top: list, guide: Guide) -> dict | None:
    slug, confidence = held.get("category") or ("", 0.0)
    if verdict == "type" and best["category"] not in ("", slug):
        slug = best["category"]
        confidence = sum(other["confidence"] for other in top if other["category"] == slug)
    return family(slug, confidence, guide) if slug and verdict in ("type", "category") else None


def _model_name(short: str) -> str:
    name = ModelVersion.objects.filter(digest__startswith=short).values_list("name", flat=True)
    return name.first() or "a model that is gone"
