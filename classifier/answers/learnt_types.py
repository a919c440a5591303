"""What a model's classes are called in today's guide."""

from functools import lru_cache

from classifier.inference.thresholds import ClassInfo
from curation.taxonomy.guide import Guide


@lru_cache(maxsize=8)  # asked for with every answer, and the same until the guide is read anew
def today(guide: Guide, classes: tuple[ClassInfo, ...]) -> tuple[ClassInfo, ...]:
    """What each of a model's classes is today; `classes` itself where nothing changed."""
    now = tuple(_now(guide, learnt) for learnt in classes)
    return classes if now == classes else now


def learnt(guide: Guide, model) -> set[str]:
    """Slugs of today's types that `model` can answer; empty where there is no model."""
    slugs = [info.slug for info in model.classes if info.kind == "type"] if model else []
    return {row.slug for row in map(guide.survivor, slugs) if row}


def _now(guide: Guide, learnt: ClassInfo) -> ClassInfo:
    row = guide.survivor(learnt.slug)
    if row is None:
        return learnt
    return ClassInfo(row.slug, row.kind, row.category.slug if row.category else "")
