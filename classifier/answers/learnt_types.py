"""A model's classes in terms of today's guide, in which types may have merged."""

from functools import lru_cache

from classifier.inference.thresholds import ClassInfo
from curation.taxonomy.guide import Guide


@lru_cache(maxsize=8)  # needed for every answer, and the same until the guide is read anew
def today(guide: Guide, classes: tuple[ClassInfo, ...]) -> tuple[ClassInfo, ...]:
    """What each of a model's classes is today: itself, or the type that took it."""
    return tuple(_today(guide, learnt) for learnt in classes)


def learnt(guide: Guide, model) -> set[str]:
    """Slugs of today's types that `model` can answer; empty where there is no model."""
    slugs = [info.slug for info in model.classes if info.kind == "type"] if model else []
    return {row.slug for row in map(guide.survivor, slugs) if row}


def _today(guide: Guide, learnt: ClassInfo) -> ClassInfo:
    row = guide.survivor(learnt.slug)
    if row is None:
        return learnt
    return ClassInfo(row.slug, row.kind, row.category.slug if row.category else "")
