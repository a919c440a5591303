"""Answers as the site's templates need them, with every figure and sentence in words."""

from itertools import groupby

from classifier.answers.feedback import CONSENT
from classifier.answers.wording import percent, wording
from curation.taxonomy.guide import Guide

# Verdicts that leave the type open: a visitor who says "right" may still know it.
OPEN = ("category", "unsure")


def shown(answer: dict) -> dict:
    """An answer with its wording, percentages and, where there is one, its explanation in words."""
    body = {
        **answer,
        **wording(answer),
        "top": [{**e, "percent": percent(e["confidence"])} for e in answer["top"]],
        "open": answer["verdict"] in OPEN,
    }
    if "explain" in answer:
        body["explain"] = _explained(answer)
    return body


def for_feedback(guide: Guide) -> dict:
    """Context of the feedback form besides the answer: types by family, and the consent."""
    return {
        "choices": [
            (category, list(rows))
            for category, rows in groupby(guide.types(), key=lambda row: row.category)
        ],
        "others": [row for row in map(guide.survivor, ("other-shoe", "not-a-shoe")) if row],
        "consent": CONSENT,
    }


def _explained(answer: dict) -> dict:
    explained = answer["explain"]
    second = explained["runner_up"]
    return {
        **explained,
        "about": answer["top"][0]["name"] if answer["top"] else "",
        "second": second and {**second, "percent": percent(second["confidence"])},
        "apart": _differences(answer["top"], second) if second else [],
    }


def _differences(top: list[dict], second: dict) -> list[tuple[str, list[str]]]:
    """How the first two types differ: each one's name and its sentences."""
    names = {entry["slug"]: entry["name"] for entry in (*top, second)}
    pairs = zip(second["about"], second["differs"], strict=True)
    return [
        (names.get(slug, ""), [sentence for _, sentence in group])
        for slug, group in groupby(pairs, key=lambda pair: pair[0])
    ]
