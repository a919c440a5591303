"""Answers as the site's templates take them: every figure and sentence ready to be read."""

from itertools import groupby

from classifier.answers import answer
from classifier.answers.feedback import CONSENT
from curation.taxonomy.guide import Guide

# Verdicts that leave the type open: a visitor who agrees may still know it.
OPEN = ("category", "unsure")


def shown(answered: dict) -> dict:
    """An answer with its wording, percentages and, where there is one, its explanation in words."""
    body = {
        **answered,
        **answer.wording(answered),
        "top": [{**e, "percent": answer.percent(e["confidence"])} for e in answered["top"]],
        "open": answered["verdict"] in OPEN,
    }
    if "explain" in answered:
        body["explain"] = _explained(answered)
    return body


def for_feedback(guide: Guide) -> dict:
    """What the form that asks for feedback needs besides the answer: types by family, consent."""
    families = groupby(guide.types(), key=lambda row: row.category)
    return {
        "choices": [(category, list(rows)) for category, rows in families],
        "others": [row for row in map(guide.survivor, ("other-shoe", "not-a-shoe")) if row],
        "consent": CONSENT,
    }


def _explained(answered: dict) -> dict:
    explained = answered["explain"]
    second = explained["runner_up"]
    return {
        **explained,
        "about": answered["top"][0]["name"] if answered["top"] else "",
        "second": second and {**second, "percent": answer.percent(second["confidence"])},
        "apart": _apart(answered["top"], second) if second else [],
    }


def _apart(top: list[dict], second: dict) -> list[tuple[str, list[str]]]:
    """How the first two types differ: each one's name and its sentences."""
    names = {entry["slug"]: entry["name"] for entry in (*top, second)}
    pairs = zip(second["about"], second["differs"], strict=True)
    return [
        (names.get(slug, ""), [sentence for _, sentence in group])
        for slug, group in groupby(pairs, key=lambda pair: pair[0])
    ]
